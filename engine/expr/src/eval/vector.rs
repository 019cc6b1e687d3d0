//! Loops over slices, 64 rows a word.

use crate::zones::Verdict;

/// What is known before values are looked at: a verdict for every `1 << shift` words, from the first on. Words past the last
/// verdict are mixed.
#[derive(Default)]
pub(super) struct Ruled {
    shift: u32,
    verdicts: Vec<Verdict>,
}

impl Ruled {
    pub(super) fn new(shift: u32, verdicts: Vec<Verdict>) -> Ruled {
        Ruled { shift, verdicts }
    }

    fn of_word(&self, word: usize) -> Verdict {
        self.verdicts.get(word >> self.shift).copied().unwrap_or(Verdict::Mixed)
    }

    /// The part of all zones whose values have to be looked at; 1 without a map.
    pub(super) fn mixed_share(&self) -> f64 {
        let mixed = self.verdicts.iter().filter(|verdict| **verdict == Verdict::Mixed).count();
        if self.verdicts.is_empty() { 1.0 } else { mixed as f64 / self.verdicts.len() as f64 }
    }
}

/// Bit `i` of the answer tells whether `test` holds for value `i`. Words without a live row are skipped.
///
/// The inner loop writes one byte a row without a branch, which the compiler turns into wide comparisons; the
/// bytes are then gathered eight at a time.
pub(super) fn select<T: Copy>(
    values: &[T],
    alive: &[u64],
    ruled: &Ruled,
    test: impl Fn(T) -> bool,
) -> Vec<u64> {
    let mut words = Vec::with_capacity(alive.len());
    for (i, (block, live)) in values.chunks(64).zip(alive).enumerate() {
        let verdict = if *live == 0 { Verdict::Out } else { ruled.of_word(i) };
        if verdict != Verdict::Mixed {
            words.push(if verdict == Verdict::Whole { *live } else { 0 });
            continue;
        }
        let mut hits = [0u8; 64];
        for (hit, value) in hits.iter_mut().zip(block) {
            *hit = u8::from(test(*value));
        }
        words.push(gather(&hits));
    }
    words.resize(alive.len(), 0);
    words
}

/// 64 bytes of 0 or 1 to 64 bits.
#[inline]
fn gather(hits: &[u8; 64]) -> u64 {
    let (bytes, _) = hits.as_chunks::<8>();
    // The product moves the lowest bit of byte i to bit 56 + i; no two of its terms meet in a bit.
    let pack = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    bytes.iter().enumerate().fold(0, |word, (i, bytes)| word | pack(bytes) << (8 * i))
}

/// The same for values that are looked up: only live rows are asked.
pub(super) fn select_rows(alive: &[u64], ruled: &Ruled, test: impl Fn(usize) -> bool) -> Vec<u64> {
    let word_of = |(i, live): (usize, &u64)| {
        let (mut rest, mut word) = match ruled.of_word(i) {
            Verdict::Mixed => (*live, 0u64),
            Verdict::Whole => return *live,
            Verdict::Out => return 0,
        };
        while rest != 0 {
            let bit = rest.trailing_zeros() as usize;
            word |= u64::from(test(i * 64 + bit)) << bit;
            rest &= rest - 1;
        }
        word
    };
    alive.iter().enumerate().map(word_of).collect()
}
