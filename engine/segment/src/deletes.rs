//! When each row of a segment was deleted, in log positions.
//!
//! One delete map belongs to a segment for its whole life: a growing segment hands it to the sealed one that
//! replaces it, so row numbers and deletes survive the switch (I13) and column files never contain deletes (I22).
//!
//! A row is visible at position P when it was inserted at or before P and is not deleted at or before P:
//! readers of an old view keep seeing what a later entry deletes.
//!
//! ```text
//! root, made at the first delete: 21 buckets -> bucket b: 2^b pages -> page: 256 rows, u64 each
//! ```
//! So one delete costs a small segment about 3 KiB, and finding a row is a few shifts.

mod kept;

pub(crate) use kept::Live;

use kept::KeptLive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use vecraft_types::{Bitmap, LogPosition};

const PAGE_ROWS: usize = 256;
const BUCKETS: usize = 21;

/// Most rows a segment can hold (2^28); seals and merges stay far below.
pub const SEGMENT_ROWS_MAX: u32 = 1 << 28;

// The buckets together hold 2^BUCKETS - 1 pages.
const _: () = assert!(SEGMENT_ROWS_MAX as usize <= PAGE_ROWS * ((1 << BUCKETS) - 1));

type Page = Box<[AtomicU64]>;
type Bucket = Box<[OnceLock<Page>]>;

/// `deleted_at` per row; a row without an entry lives. One writer, many readers, no locks.
#[derive(Default)]
pub struct Deletes {
    root: OnceLock<Box<[OnceLock<Bucket>]>>,
    count: AtomicU32,
    /// The highest position that deleted a row.
    last: AtomicU64,
    bytes: AtomicU64,
    kept: KeptLive,
}

impl Deletes {
    /// Nothing deleted.
    pub fn new() -> Deletes {
        Deletes::default()
    }

    /// Rows deleted so far, whatever the position.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.kept.bytes()
    }

    /// Marks a row as deleted by the entry at `position` (not 0). False, and nothing changes, when the row is
    /// already deleted or past [`SEGMENT_ROWS_MAX`]: replaying an entry does no harm.
    pub fn delete(&self, row: u32, position: LogPosition) -> bool {
        if row >= SEGMENT_ROWS_MAX || position.0 == 0 {
            return false;
        }
        let slot = &self.page_mut(row as usize / PAGE_ROWS)[row as usize % PAGE_ROWS];
        let is_new = slot.compare_exchange(0, position.0, Ordering::Release, Ordering::Relaxed).is_ok();
        if is_new {
            // In this order: who has read the count sees the rest.
            self.last.fetch_max(position.0, Ordering::Release);
            self.count.fetch_add(1, Ordering::Release);
        }
        is_new
    }

    /// The entry that deleted a row, if any.
    pub fn deleted_at(&self, row: u32) -> Option<LogPosition> {
        let at = self.page(row as usize / PAGE_ROWS)?[row as usize % PAGE_ROWS].load(Ordering::Acquire);
        (at != 0).then_some(LogPosition(at))
    }

    /// True when no entry up to `position` deleted the row.
    pub fn is_live(&self, row: u32, position: LogPosition) -> bool {
        self.deleted_at(row).is_none_or(|at| at > position)
    }

    /// Bits of rows `first..first + rows` that live at `position`; `None` when all do.
    pub fn live(&self, first: u32, rows: u32, position: LogPosition) -> Option<Bitmap> {
        self.root.get()?;
        let mut live: Option<Bitmap> = None;
        let (first, end) = (first as usize, first as usize + rows as usize);
        for number in first / PAGE_ROWS..end.div_ceil(PAGE_ROWS) {
            let Some(page) = self.page(number) else { continue };
            let base = number * PAGE_ROWS;
            for row in base.max(first)..(base + PAGE_ROWS).min(end) {
                let at = page[row - base].load(Ordering::Acquire);
                if at != 0 && at <= position.0 {
                    live.get_or_insert_with(|| Bitmap::new(rows as usize, true)).set(row - first, false);
                }
            }
        }
        live
    }

    /// How many rows below `rows` were deleted at or before `position`.
    pub fn count_until(&self, rows: u32, position: LogPosition) -> u32 {
        let rows = rows as usize;
        let pages = (0..rows.div_ceil(PAGE_ROWS)).filter_map(|number| Some((number, self.page(number)?)));
        let counted = pages.map(|(number, page)| {
            let is_gone = |slot: &&AtomicU64| (1..=position.0).contains(&slot.load(Ordering::Acquire));
            page.iter().take(rows - number * PAGE_ROWS).filter(is_gone).count()
        });
        counted.sum::<usize>() as u32
    }

    /// Rows below `rows` deleted at or before `position`, in row order: what a checkpoint at that position keeps.
    pub fn list(&self, rows: u32, position: LogPosition) -> Vec<(u32, LogPosition)> {
        let mut list = Vec::new();
        for number in 0..(rows as usize).div_ceil(PAGE_ROWS) {
            let Some(page) = self.page(number) else { continue };
            for (i, slot) in page.iter().enumerate() {
                let (row, at) = (number * PAGE_ROWS + i, slot.load(Ordering::Acquire));
                if at != 0 && at <= position.0 && row < rows as usize {
                    list.push((row as u32, LogPosition(at)));
                }
            }
        }
        list
    }

    fn page(&self, number: usize) -> Option<&Page> {
        let (bucket, at) = place(number);
        self.root.get()?.get(bucket)?.get()?.get(at)?.get()
    }

    fn page_mut(&self, number: usize) -> &Page {
        let (bucket, at) = place(number);
        let root = self.root.get_or_init(|| self.slots(BUCKETS));
        let pages = root[bucket].get_or_init(|| self.slots(1 << bucket));
        pages[at].get_or_init(|| {
            self.bytes.fetch_add((PAGE_ROWS * 8) as u64, Ordering::Relaxed);
            (0..PAGE_ROWS).map(|_| AtomicU64::new(0)).collect()
        })
    }

    fn slots<T>(&self, count: usize) -> Box<[OnceLock<T>]> {
        self.bytes.fetch_add((count * size_of::<OnceLock<T>>()) as u64, Ordering::Relaxed);
        (0..count).map(|_| OnceLock::new()).collect()
    }
}

/// Bucket of a page and its place in there: page 0 | 1 2 | 3 4 5 6 | ...
fn place(page: usize) -> (usize, usize) {
    let bucket = (page + 1).ilog2() as usize;
    (bucket, page + 1 - (1 << bucket))
}

impl std::fmt::Debug for Deletes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deletes({} rows)", self.count())
    }
}

/// Bytes of a delete list, for the checkpoint: pairs of row (u32) and position (u64), little-endian.
/// The checkpoint's own checksum covers them.
pub fn encode_deletes(list: &[(u32, LogPosition)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(list.len() * 12);
    for (row, position) in list {
        out.extend_from_slice(&row.to_le_bytes());
        out.extend_from_slice(&position.0.to_le_bytes());
    }
    out
}

/// Reads [`encode_deletes`] back; `None` when the bytes are ragged, not in row order or hold position 0.
pub fn decode_deletes(bytes: &[u8]) -> Option<Vec<(u32, LogPosition)>> {
    let pairs = bytes.chunks_exact(12);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let mut list: Vec<(u32, LogPosition)> = Vec::with_capacity(bytes.len() / 12);
    for pair in pairs {
        let row = u32::from_le_bytes(pair[..4].try_into().ok()?);
        let position = LogPosition(u64::from_le_bytes(pair[4..].try_into().ok()?));
        if position.0 == 0 || list.last().is_some_and(|(last, _)| *last >= row) {
            return None;
        }
        list.push((row, position));
    }
    Some(list)
}

#[cfg(test)]
mod tests;
