//! Loops over slices, 64 rows a word.

/// Bit `i` of the answer tells whether `test` holds for value `i`. Words without a live row are skipped.
///
/// The inner loop writes one byte a row without a branch, which the compiler turns into wide comparisons; the
/// bytes are then gathered eight at a time.
pub(super) fn select<T: Copy>(values: &[T], alive: &[u64], test: impl Fn(T) -> bool) -> Vec<u64> {
    let mut words = Vec::with_capacity(alive.len());
    for (block, live) in values.chunks(64).zip(alive) {
        if *live == 0 {
            words.push(0);
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
pub(super) fn select_rows(alive: &[u64], test: impl Fn(usize) -> bool) -> Vec<u64> {
    let word_of = |(i, live): (usize, &u64)| {
        let (mut rest, mut word) = (*live, 0u64);
        while rest != 0 {
            let bit = rest.trailing_zeros() as usize;
            word |= u64::from(test(i * 64 + bit)) << bit;
            rest &= rest - 1;
        }
        word
    };
    alive.iter().enumerate().map(word_of).collect()
}
