//! The candidates of a walk, sorted: the nearest not yet expanded is next, the farthest falls out.

use crate::top_k::pack;

/// Lowest bit of a key: the candidate's links were followed. Rows are below 2^31, so the order stays
/// (distance, row).
const EXPANDED: u64 = 1;

/// At most `capacity` candidates in one sorted array. For the breadths in use (10 to a few hundred) shifting a
/// few hundred bytes beats a heap.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<u64>,
    capacity: usize,
    /// Everything before is expanded.
    cursor: usize,
}

#[inline(always)]
fn key(distance: f32, row: u32) -> u64 {
    let packed = pack(distance, row);
    (packed & 0xffff_ffff_0000_0000) | u64::from(row) << 1
}

impl Pool {
    /// Empties the pool and sets how many it keeps.
    pub(crate) fn reset(&mut self, capacity: usize) {
        self.keys.clear();
        self.keys.reserve(capacity.min(1 << 16) + 1);
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Adds a candidate unless it is too far. Each row must be offered once.
    #[inline]
    pub(crate) fn insert(&mut self, distance: f32, row: u32) {
        let key = key(distance, row);
        if self.keys.len() >= self.capacity {
            match self.keys.last() {
                Some(worst) if key < *worst => self.keys.pop(),
                _ => return,
            };
        }
        let at = self.keys.partition_point(|other| *other < key);
        self.keys.insert(at, key);
        self.cursor = self.cursor.min(at);
    }

    /// The nearest candidate not expanded, marked as expanded.
    #[inline]
    pub(crate) fn pop_unexpanded(&mut self) -> Option<u32> {
        while let Some(key) = self.keys.get_mut(self.cursor) {
            self.cursor += 1;
            if *key & EXPANDED == 0 {
                *key |= EXPANDED;
                return Some((*key as u32) >> 1);
            }
        }
        None
    }

    /// The candidate that would be popped next if nothing nearer came.
    #[inline]
    pub(crate) fn peek_unexpanded(&self) -> Option<u32> {
        self.keys.get(self.cursor).filter(|key| **key & EXPANDED == 0).map(|key| (*key as u32) >> 1)
    }

    /// True when only nearer candidates can enter.
    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() >= self.capacity
    }

    /// Distance of the farthest candidate.
    #[inline]
    pub(crate) fn worst(&self) -> f32 {
        self.keys.last().map_or(f32::INFINITY, |key| crate::top_k::distance_of(*key))
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Distance and row, nearest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f32, u32)> + '_ {
        self.keys.iter().map(|key| (crate::top_k::distance_of(*key), (*key as u32) >> 1))
    }
}
