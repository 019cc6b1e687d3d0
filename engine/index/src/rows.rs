//! Where the vectors are: raw f32 rows owned by somebody else, read in place.

use crate::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;

#[cfg(target_endian = "big")]
compile_error!("vectors are read in place as little-endian f32");

/// Anything that can hand out rows by number: what an exact scan needs. Growing segments implement it
/// themselves; indexes take the concrete [`VectorRows`].
pub trait Rows: Sync {
    /// Number of rows, at most `u32::MAX`.
    fn len(&self) -> usize;

    /// True when there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension of every row.
    fn dim(&self) -> usize;

    /// Row `row`, `dim` values. May panic if `row >= len`.
    fn row(&self, row: u32) -> &[f32];
}

/// Immutable rows in one or more chunks, shared by reference count. Cloning is cheap.
///
/// All chunks but the last hold exactly `2^n` rows, so that finding a row is a shift and a look-up.
#[derive(Clone)]
pub struct VectorRows {
    inner: Arc<Inner>,
}

struct Inner {
    /// Start of each chunk; valid as long as `_chunks` lives, since a `Bytes` never moves its data.
    starts: Vec<*const f32>,
    _chunks: Vec<Bytes>,
    chunk_log2: u32,
    len: usize,
    dim: usize,
    stride: usize,
}

// SAFETY: `starts` point into immutable memory owned by `_chunks`, which are Send and Sync themselves.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

/// Lets `Bytes` own floats.
struct Floats(Vec<f32>);

impl AsRef<[u8]> for Floats {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl VectorRows {
    /// Takes over packed rows from the heap.
    pub fn from_vec(dim: usize, values: Vec<f32>) -> Result<VectorRows> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(Error::Rows(format!("{} values are no whole rows of dimension {dim}", values.len())));
        }
        let len = values.len() / dim;
        Self::from_bytes(dim, dim, len, Bytes::from_owner(Floats(values)))
    }

    /// Reads `len` rows in place from little-endian f32 bytes, e.g. a mapped file. `stride` is the distance
    /// between row starts in values (`dim`, or more if rows are padded).
    pub fn from_bytes(dim: usize, stride: usize, len: usize, bytes: Bytes) -> Result<VectorRows> {
        Self::from_chunks(dim, stride, len, 31, vec![bytes])
    }

    /// Like [`VectorRows::from_bytes`] for several chunks; each but the last holds `2^chunk_log2` rows.
    /// Refuses chunks that are too short, not aligned to 4 bytes, or the wrong number of chunks.
    pub fn from_chunks(
        dim: usize,
        stride: usize,
        len: usize,
        chunk_log2: u32,
        chunks: Vec<Bytes>,
    ) -> Result<VectorRows> {
        if dim == 0 || stride < dim {
            return Err(Error::Rows(format!("dimension {dim} with stride {stride}")));
        }
        if chunk_log2 > 31 || len >= 1 << 31 {
            return Err(Error::Rows(format!(
                "{len} rows in chunks of 2^{chunk_log2}; the limit is 2^31 - 1 rows"
            )));
        }
        let per_chunk = 1usize << chunk_log2;
        let wanted = len.div_ceil(per_chunk);
        if chunks.len() < wanted {
            return Err(Error::Rows(format!("{} chunks where {len} rows need {wanted}", chunks.len())));
        }
        let mut starts = Vec::with_capacity(wanted);
        for (i, chunk) in chunks.iter().take(wanted).enumerate() {
            let rows = (len - i * per_chunk).min(per_chunk);
            let bytes = ((rows - 1) * stride + dim) * size_of::<f32>();
            if chunk.len() < bytes {
                return Err(Error::Rows(format!(
                    "chunk {i} has {} bytes, {rows} rows need {bytes}",
                    chunk.len()
                )));
            }
            let values: &[f32] = bytemuck::try_cast_slice(&chunk[..bytes])
                .map_err(|reason| Error::Rows(format!("chunk {i}: {reason}")))?;
            starts.push(values.as_ptr());
        }
        Ok(VectorRows { inner: Arc::new(Inner { starts, _chunks: chunks, chunk_log2, len, dim, stride }) })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// Dimension of every row.
    pub fn dim(&self) -> usize {
        self.inner.dim
    }

    /// Row `row`. Panics if there is none.
    #[inline(always)]
    pub fn row(&self, row: u32) -> &[f32] {
        let inner = &*self.inner;
        let row = row as usize;
        assert!(row < inner.len, "row {row} of {}", inner.len);
        let within = row & ((1usize << inner.chunk_log2) - 1);
        // SAFETY: `row < len`, so the chunk exists and holds `within * stride + dim` values (checked when made).
        unsafe {
            let start = *inner.starts.get_unchecked(row >> inner.chunk_log2);
            std::slice::from_raw_parts(start.add(within * inner.stride), inner.dim)
        }
    }

    /// A hash over a spread of at most 64 rows: tells an index that it was given other vectors.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        let step = self.len().div_ceil(64).max(1);
        for row in (0..self.len()).step_by(step) {
            hash.update(bytemuck::cast_slice(self.row(row as u32)));
        }
        hash.digest()
    }
}

impl Rows for VectorRows {
    fn len(&self) -> usize {
        self.inner.len
    }

    fn dim(&self) -> usize {
        self.inner.dim
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[f32] {
        VectorRows::row(self, row)
    }
}

impl std::fmt::Debug for VectorRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorRows({} x {})", self.len(), self.dim())
    }
}
