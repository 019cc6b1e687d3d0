//! `u32` words on 64-byte boundaries, so that a neighbour list starts a cache line: in memory of their own, or in a mapped file.

use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use bytes::Bytes;
use vecraft_kernel::{advise_huge_pages, advise_random};

const WORDS: usize = 16;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u32; WORDS]);

/// An array of words; an allocation is a whole number of cache lines.
pub(crate) struct AlignedWords {
    /// Where the words begin, in `lines` or in `file`: reading them asks nobody who holds them.
    start: *const u32,
    len: usize,
    /// Empty when a file has them.
    lines: Vec<Line>,
    file: Option<Bytes>,
}

// SAFETY: `start` points into what `lines` or `file` own, which are Send and Sync themselves and change through `&mut self` only.
unsafe impl Send for AlignedWords {}
unsafe impl Sync for AlignedWords {}

impl AlignedWords {
    /// `len` words of `value`. An error, not an abort, when the memory cannot be reserved.
    pub(crate) fn new(len: usize, value: u32) -> Result<Self> {
        let count = len.div_ceil(WORDS);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes: count.saturating_mul(64) })?;
        advise_huge_pages(lines.spare_capacity_mut());
        lines.resize(count, Line([value; WORDS]));
        Ok(Self::of_lines(lines, len))
    }

    fn of_lines(lines: Vec<Line>, len: usize) -> Self {
        AlignedWords { start: lines.as_ptr().cast(), len, lines, file: None }
    }

    /// The whole words that `bytes` hold, a copy of them.
    pub(crate) fn copied(bytes: &[u8]) -> Result<Self> {
        let mut words = Self::new(bytes.len() / size_of::<u32>(), 0)?;
        bytemuck::cast_slice_mut(words.as_mut_slice()).copy_from_slice(bytes);
        Ok(words)
    }

    /// The words that `bytes` of a mapped file hold, in place; copied where they do not lie as words must.
    pub(crate) fn mapped(bytes: Bytes) -> Result<Self> {
        let Ok(words) = bytemuck::try_cast_slice::<u8, u32>(&bytes) else { return Self::copied(&bytes) };
        advise_random(&bytes);
        let (start, len) = (words.as_ptr(), words.len());
        Ok(AlignedWords { start, len, lines: Vec::new(), file: Some(bytes) })
    }

    /// Makes it `len` words long, the new ones of `value`. Reserves twice of what it has when it must move.
    pub(crate) fn grow(&mut self, len: usize, value: u32) -> Result<()> {
        self.own();
        let count = len.div_ceil(WORDS);
        let more = count.saturating_sub(self.lines.len());
        self.lines.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes: count.saturating_mul(64) })?;
        self.lines.resize(count.max(self.lines.len()), Line([value; WORDS]));
        self.start = self.lines.as_ptr().cast();
        let old = self.len;
        self.len = old.max(len);
        // The last line may have had room behind the last word.
        let filled = old.next_multiple_of(WORDS).min(self.len);
        self.as_mut_slice()[old..filled].fill(value);
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[u32] {
        // SAFETY: `lines` or `file` own `len` initialised words from `start` on, aligned for u32, and do not move them.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// To be written; words of a file become a copy first, for files are never written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u32] {
        self.own();
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }

    fn own(&mut self) {
        if self.file.is_some() {
            let mut lines = vec![Line([0; WORDS]); self.len.div_ceil(WORDS)];
            bytemuck::cast_slice_mut(&mut lines)[..self.len].copy_from_slice(self.as_slice());
            *self = Self::of_lines(lines, self.len);
        }
    }

    /// Whether a mapped file has the words.
    pub(crate) fn is_mapped(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes of memory; a mapped file's pages are the system's.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

impl Clone for AlignedWords {
    fn clone(&self) -> Self {
        match &self.file {
            None => Self::of_lines(self.lines.clone(), self.len),
            Some(file) => {
                AlignedWords { start: self.start, len: self.len, lines: Vec::new(), file: Some(file.clone()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_file_are_read_in_place_and_copied_when_written() {
        let words: Vec<u32> = (0..1_000).collect();
        let own = AlignedWords::copied(bytemuck::cast_slice(&words)).unwrap();
        let whole = Bytes::from_owner(bytemuck::cast_slice::<u32, u8>(own.as_slice()).to_vec());
        let mut mapped = AlignedWords::mapped(whole.clone()).unwrap();
        assert_eq!(mapped.as_slice(), own.as_slice());
        if whole.as_ptr().cast::<u32>().is_aligned() {
            assert_eq!((mapped.as_slice().as_ptr().cast(), mapped.memory_bytes()), (whole.as_ptr(), 0));
        }
        let other = mapped.clone();
        mapped.as_mut_slice()[7] = 70;
        mapped.grow(1_040, 9).unwrap();
        assert_eq!((mapped.as_slice()[7], mapped.as_slice()[999]), (70, 999));
        assert!(mapped.as_slice()[1_000..].iter().all(|word| *word == 9));
        assert_eq!(other.as_slice(), words);
        for shift in 1..4 {
            let bytes = Bytes::copy_from_slice(&[1; 16]).slice(shift..shift + 12);
            assert_eq!(AlignedWords::mapped(bytes).unwrap().as_slice(), [0x0101_0101; 3]);
        }
    }
}
