//! The best k of a stream, in one order everywhere: distance, then lower row.

use std::collections::BinaryHeap;

/// One answer of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Row in the segment.
    pub row: u32,
    /// Internal distance, smaller is nearer; `vecraft_kernel::reported_score` gives what Milvus reports.
    pub distance: f32,
}

/// Distance and row in one integer whose order is (distance, row).
#[inline(always)]
pub(crate) fn pack(distance: f32, row: u32) -> u64 {
    let bits = distance.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    u64::from(ordered) << 32 | u64::from(row)
}

/// The distance inside a packed key.
#[inline(always)]
pub(crate) fn distance_of(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & 0x7fff_ffff } else { !ordered })
}

/// The row inside a packed key.
#[inline(always)]
pub(crate) fn row_of(key: u64) -> u32 {
    key as u32
}

/// Keeps the `k` nearest of what is pushed. Also merges the answers of several segments or chunks.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    heap: BinaryHeap<u64>,
}

impl TopK {
    /// Keeps at most `k`.
    pub fn new(k: usize) -> TopK {
        TopK { k, heap: BinaryHeap::with_capacity(k.min(1 << 14)) }
    }

    /// Offers a row. A distance must not be NaN (no kernel gives one); one would count as farthest.
    #[inline]
    pub fn push(&mut self, distance: f32, row: u32) {
        let key = pack(distance, row);
        if self.heap.len() < self.k {
            self.heap.push(key);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && key < *worst
        {
            *worst = key;
        }
    }

    /// Rows kept so far.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// True when nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// True when `k` rows are kept, so that only nearer ones can enter.
    pub fn is_full(&self) -> bool {
        self.heap.len() >= self.k
    }

    /// The kept rows, nearest first, equal distances by lower row.
    pub fn into_hits(self) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|key| Hit { row: row_of(key), distance: distance_of(key) })
            .collect()
    }
}
