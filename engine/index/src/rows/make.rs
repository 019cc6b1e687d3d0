//! Taking rows over from who has them: checked once, so that reading them checks nothing but the row's number.

use super::{Inner, VectorRows};
use crate::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;
use vecraft_types::Packed;

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
        let width = size_of::<f32>();
        Self::make(None, dim, (dim * width, stride * width), len, chunk_log2, chunks)
    }

    /// Reads `len` packed rows in place. Dimensions of bits are whole bytes.
    pub fn from_packed(kind: Packed, dim: usize, len: usize, bytes: Bytes) -> Result<VectorRows> {
        let width = u32::try_from(dim).map_or(0, |dim| kind.row_bytes(dim));
        if width == 0 || (kind == Packed::Bit && !dim.is_multiple_of(8)) {
            return Err(Error::Rows(format!("dimension {dim} of {}", kind.type_name())));
        }
        Self::make(Some(kind), dim, (width, width), len, 31, vec![bytes])
    }

    /// Rows that lie in runs of any length, in order; each run is a whole number of rows, and they stay where they are while
    /// other rows are added elsewhere. Costs 8 bytes a row. Bits have no index.
    pub fn from_runs(packed: Option<Packed>, dim: usize, runs: Vec<Bytes>) -> Result<VectorRows> {
        let width = match packed {
            None => dim * size_of::<f32>(),
            Some(Packed::Bit) => 0,
            Some(kind) => u32::try_from(dim).map_or(0, |dim| kind.row_bytes(dim)),
        };
        if width == 0 || runs.iter().any(|run| !run.len().is_multiple_of(width)) {
            return Err(Error::Rows(format!("runs are no whole rows of dimension {dim}")));
        }
        let rows: usize = runs.iter().map(|run| run.len() / width).sum();
        let mut inner = Inner {
            packed,
            starts: Vec::with_capacity(rows),
            chunks: Vec::new(),
            // A row a chunk: looking up a row is one load more.
            chunk_log2: 0,
            len: rows,
            dim,
            row_bytes: width,
            stride_bytes: width,
        };
        if rows >= 1 << 31 {
            return Err(Error::Rows(format!("{rows} rows; the limit is 2^31 - 1")));
        }
        for (number, run) in runs.iter().enumerate() {
            if packed.is_none() {
                bytemuck::try_cast_slice::<u8, f32>(run)
                    .map_err(|reason| Error::Rows(format!("run {number}: {reason}")))?;
            }
            inner.starts.extend(run.chunks_exact(width).map(<[u8]>::as_ptr));
        }
        inner.chunks = runs;
        Ok(VectorRows { inner: Arc::new(inner) })
    }

    fn make(
        packed: Option<Packed>,
        dim: usize,
        (row_bytes, stride_bytes): (usize, usize),
        len: usize,
        chunk_log2: u32,
        chunks: Vec<Bytes>,
    ) -> Result<VectorRows> {
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
            let bytes = (rows - 1) * stride_bytes + row_bytes;
            if chunk.len() < bytes {
                return Err(Error::Rows(format!(
                    "chunk {i} has {} bytes, {rows} rows need {bytes}",
                    chunk.len()
                )));
            }
            if packed.is_none() {
                bytemuck::try_cast_slice::<u8, f32>(&chunk[..bytes])
                    .map_err(|reason| Error::Rows(format!("chunk {i}: {reason}")))?;
            }
            starts.push(chunk.as_ptr());
        }
        let inner = Inner { packed, starts, chunks, chunk_log2, len, dim, row_bytes, stride_bytes };
        Ok(VectorRows { inner: Arc::new(inner) })
    }
}
