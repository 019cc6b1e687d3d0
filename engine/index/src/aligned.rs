//! `u32` words on 64-byte boundaries, so that a neighbour list starts a cache line.

use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use vecraft_kernel::advise_huge_pages;

const WORDS: usize = 16;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u32; WORDS]);

/// An array of words; the allocation is a whole number of cache lines.
#[derive(Clone)]
pub(crate) struct AlignedWords {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedWords {
    /// `len` words of `value`. An error, not an abort, when the memory cannot be reserved.
    pub(crate) fn new(len: usize, value: u32) -> Result<Self> {
        let count = len.div_ceil(WORDS);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes: count.saturating_mul(64) })?;
        advise_huge_pages(lines.spare_capacity_mut());
        lines.resize(count, Line([value; WORDS]));
        Ok(AlignedWords { lines, len })
    }

    /// Makes it `len` words long, the new ones of `value`. Reserves twice of what it has when it must move.
    pub(crate) fn grow(&mut self, len: usize, value: u32) -> Result<()> {
        let count = len.div_ceil(WORDS);
        let more = count.saturating_sub(self.lines.len());
        self.lines.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes: count.saturating_mul(64) })?;
        self.lines.resize(count.max(self.lines.len()), Line([value; WORDS]));
        self.len = self.len.max(len);
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[u32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }
}
