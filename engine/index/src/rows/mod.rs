//! Where the vectors are: raw rows owned by somebody else, read in place; f32, numbers of one or two bytes, or bits.

mod make;

use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use vecraft_kernel::{
    Query, advise_normal, advise_random, fetch_pages, inverse_norm, packed_inverse_norm, prefetch_codes,
    prefetch_row, widened,
};
use vecraft_types::{Metric, Packed};

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

    /// Bytes of every row.
    fn row_bytes(&self) -> usize {
        self.dim() * size_of::<f32>()
    }

    /// Row `row`, `dim` values. May panic if `row >= len`.
    fn row(&self, row: u32) -> &[f32];

    /// Distance of a query from a row.
    #[inline(always)]
    fn distance(&self, query: &Query<'_>, row: u32) -> f32 {
        query.distance(self.row(row))
    }

    /// Distances of a query from four rows, bit for bit those of [`Rows::distance`].
    #[inline(always)]
    fn distance4(&self, query: &Query<'_>, ids: [u32; 4]) -> [f32; 4] {
        query.distance4(ids.map(|id| self.row(id)))
    }

    /// Hints that a row will be read soon.
    #[inline(always)]
    fn prefetch(&self, row: u32) {
        prefetch_row(self.row(row));
    }

    /// Asks for the pages of rows that are probably not in memory, and does not wait for them.
    fn fetch(&self, _rows: &[u32]) {}

    /// A query of raw values made ready for these rows.
    fn query<'q>(&self, metric: Metric, values: &'q [f32]) -> Query<'q> {
        Query::new(metric, values)
    }
}

/// Immutable rows in one or more chunks, shared by reference count. Cloning is cheap.
///
/// All chunks but the last hold exactly `2^n` rows, so that finding a row is a shift and a look-up.
#[derive(Clone)]
pub struct VectorRows {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None`: f32.
    packed: Option<Packed>,
    /// Start of each chunk, aligned for f32 where the rows are; valid as long as `chunks` lives, since a `Bytes` never
    /// moves its data.
    starts: Vec<*const u8>,
    chunks: Vec<Bytes>,
    chunk_log2: u32,
    len: usize,
    dim: usize,
    row_bytes: usize,
    stride_bytes: usize,
}

// SAFETY: `starts` point into immutable memory owned by `chunks`, which are Send and Sync themselves.
unsafe impl Send for Inner {}
unsafe impl Sync for Inner {}

impl VectorRows {
    /// The first `rows` rows, all when there are fewer; they lie where they are.
    pub fn first(&self, rows: usize) -> VectorRows {
        let Inner { packed, chunk_log2, dim, row_bytes, stride_bytes, .. } = *self.inner;
        let len = rows.min(self.inner.len);
        let starts = self.inner.starts[..len.div_ceil(1 << chunk_log2)].to_vec();
        let chunks = self.inner.chunks.clone();
        let inner = Inner { packed, starts, chunks, chunk_log2, len, dim, row_bytes, stride_bytes };
        VectorRows { inner: Arc::new(inner) }
    }

    /// What the elements are; `None` for f32.
    pub fn packed(&self) -> Option<Packed> {
        self.inner.packed
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

    /// Bytes of every row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.inner.row_bytes
    }

    /// Row `row` of f32. Panics if there is none, or if the rows are packed ([`VectorRows::values`] has those too).
    #[inline(always)]
    pub fn row(&self, row: u32) -> &[f32] {
        assert!(self.inner.packed.is_none(), "packed rows are no f32");
        let start = self.start(row).cast::<f32>();
        // SAFETY: as `start` says; f32 rows are aligned and hold `dim` values (checked when made).
        unsafe { std::slice::from_raw_parts(start, self.inner.dim) }
    }

    /// Row `row` as f32 values: in place, or widened; of bits they are 0 and 1. Panics if there is none.
    #[inline]
    pub fn values(&self, row: u32) -> Cow<'_, [f32]> {
        match self.inner.packed {
            None => Cow::Borrowed(self.row(row)),
            Some(kind) => Cow::Owned(widened(kind, self.bytes(row))),
        }
    }

    /// The values in a range of row `row`, which is not of bits: in place, or widened. Panics if there are none such.
    pub(crate) fn part(&self, row: u32, range: Range<usize>) -> Cow<'_, [f32]> {
        match self.inner.packed {
            None => Cow::Borrowed(&self.row(row)[range]),
            Some(kind) => {
                let width = self.inner.row_bytes / self.inner.dim;
                Cow::Owned(widened(kind, &self.bytes(row)[range.start * width..range.end * width]))
            }
        }
    }

    /// The bytes of row `row`. Panics if there is none.
    #[inline(always)]
    pub(crate) fn bytes(&self, row: u32) -> &[u8] {
        // SAFETY: as `start` says.
        unsafe { std::slice::from_raw_parts(self.start(row), self.inner.row_bytes) }
    }

    /// Where `row_bytes` bytes of a row begin. Panics if there is no such row.
    #[inline(always)]
    fn start(&self, row: u32) -> *const u8 {
        let inner = &*self.inner;
        let row = row as usize;
        assert!(row < inner.len, "row {row} of {}", inner.len);
        let within = row & ((1usize << inner.chunk_log2) - 1);
        // SAFETY: `row < len`, so the chunk exists and holds so many bytes (checked when made).
        unsafe { inner.starts.get_unchecked(row >> inner.chunk_log2).add(within * inner.stride_bytes) }
    }

    /// One over a row's Euclidean norm.
    pub(crate) fn inverse_norm(&self, row: u32) -> f32 {
        match self.inner.packed {
            None => inverse_norm(self.row(row)),
            Some(kind) => packed_inverse_norm(kind, self.bytes(row)),
        }
    }

    /// Says whether rows of a mapped file will be read in no order, one here and one there. Where memory is short they had better be
    /// said to be: else each that is not in memory brings its neighbours (on some disks 8 MiB of them), which push out what is needed.
    pub fn advise(&self, is_in_no_order: bool) {
        let advise = if is_in_no_order { advise_random } else { advise_normal };
        self.inner.chunks.iter().for_each(|chunk| advise(chunk));
    }

    /// A hash over a spread of at most 64 rows: tells an index that it was given other vectors.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        let step = self.len().div_ceil(64).max(1);
        for row in (0..self.len()).step_by(step) {
            hash.update(self.bytes(row as u32));
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

    fn row_bytes(&self) -> usize {
        self.inner.row_bytes
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[f32] {
        VectorRows::row(self, row)
    }

    #[inline(always)]
    fn distance(&self, query: &Query<'_>, row: u32) -> f32 {
        match self.inner.packed {
            None => query.distance(self.row(row)),
            Some(kind) => query.distance_packed(kind, self.bytes(row)),
        }
    }

    #[inline(always)]
    fn distance4(&self, query: &Query<'_>, ids: [u32; 4]) -> [f32; 4] {
        match self.inner.packed {
            None => query.distance4(ids.map(|id| self.row(id))),
            Some(kind) => ids.map(|id| query.distance_packed(kind, self.bytes(id))),
        }
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        prefetch_codes(self.bytes(row));
    }

    fn fetch(&self, rows: &[u32]) {
        fetch_pages(rows.iter().map(|row| self.bytes(*row)));
    }

    fn query<'q>(&self, metric: Metric, values: &'q [f32]) -> Query<'q> {
        match self.inner.packed {
            None => Query::new(metric, values),
            Some(kind) => Query::over_packed(metric, kind, Cow::Borrowed(values)),
        }
    }
}

impl std::fmt::Debug for VectorRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.packed().map_or("f32", Packed::type_name);
        write!(f, "VectorRows({} x {} {kind})", self.len(), self.dim())
    }
}
