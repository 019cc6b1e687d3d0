//! A plain bitmap over row numbers: filters, validity and deletes.

use serde::{Deserialize, Serialize};

/// A fixed-length bitmap. Bits past `len` are always zero, so counts and word loops need no masking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bitmap {
    len: usize,
    words: Vec<u64>,
}

impl Bitmap {
    /// `len` bits, all equal to `value`.
    pub fn new(len: usize, value: bool) -> Bitmap {
        let mut bitmap = Bitmap { len, words: vec![if value { !0 } else { 0 }; len.div_ceil(64)] };
        bitmap.clear_tail();
        bitmap
    }

    /// Takes over little-endian words; missing words are zero, bits past `len` are cleared.
    pub fn from_words(len: usize, mut words: Vec<u64>) -> Bitmap {
        words.resize(len.div_ceil(64), 0);
        let mut bitmap = Bitmap { len, words };
        bitmap.clear_tail();
        bitmap
    }

    fn clear_tail(&mut self) {
        let used = self.len % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1u64 << used) - 1;
        }
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no bits at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bits, 64 a word, lowest row first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bit `row`; false past the end.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Sets bit `row`. Rows past the end are ignored.
    #[inline]
    pub fn set(&mut self, row: usize, value: bool) {
        if row >= self.len {
            return;
        }
        let mask = 1u64 << (row % 64);
        if value {
            self.words[row / 64] |= mask;
        } else {
            self.words[row / 64] &= !mask;
        }
    }

    /// Appends one bit.
    pub fn push(&mut self, value: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        self.set(self.len - 1, value);
    }

    /// How many bits are set.
    pub fn count_ones(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True when every bit is set.
    pub fn all(&self) -> bool {
        self.count_ones() == self.len
    }

    /// Keeps the bits that are set in both. A shorter `other` counts as zeros.
    pub fn and(&mut self, other: &Bitmap) {
        for (i, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Sets the bits that are set in `other`.
    pub fn or(&mut self, other: &Bitmap) {
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word |= theirs;
        }
        self.clear_tail();
    }

    /// Clears the bits that are set in `other`.
    pub fn and_not(&mut self, other: &Bitmap) {
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word &= !theirs;
        }
    }

    /// Flips every bit.
    pub fn not(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_tail();
    }

    /// The rows whose bit is set, ascending.
    pub fn iter_ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors((word != 0).then_some(word), |w| {
                let rest = w & (w - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |w| i * 64 + w.trailing_zeros() as usize)
        })
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Bitmap {
        let mut bitmap = Bitmap::default();
        bits.into_iter().for_each(|bit| bitmap.push(bit));
        bitmap
    }
}
