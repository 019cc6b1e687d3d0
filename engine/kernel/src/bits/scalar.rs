//! The portable loops over bits: eight bytes at a time.

#[inline(always)]
fn fold(a: &[u8], b: &[u8], term: impl Fn(u64, u64) -> u64) -> u32 {
    let (a_blocks, a_tail) = a.as_chunks::<8>();
    let (b_blocks, b_tail) = b.as_chunks::<8>();
    let count = |x: u64, y: u64| term(x, y).count_ones();
    let blocks: u32 = a_blocks
        .iter()
        .zip(b_blocks)
        .map(|(x, y)| count(u64::from_le_bytes(*x), u64::from_le_bytes(*y)))
        .sum();
    let tail: u32 = a_tail.iter().zip(b_tail).map(|(x, y)| count(u64::from(*x), u64::from(*y))).sum();
    blocks + tail
}

/// Bits that differ.
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    fold(a, b, |x, y| x ^ y)
}

/// Bits set in both.
pub(crate) fn both(a: &[u8], b: &[u8]) -> u32 {
    fold(a, b, |x, y| x & y)
}

/// Sum of the values whose bit is set; eight values a byte.
pub(crate) fn select(values: &[f32], bits: &[u8]) -> f32 {
    let (blocks, _) = values.as_chunks::<8>();
    let mut lanes = [0.0f32; 8];
    for (values, byte) in blocks.iter().zip(bits) {
        for i in 0..8 {
            let mask = 0u32.wrapping_sub(u32::from(byte >> i & 1));
            lanes[i] += f32::from_bits(values[i].to_bits() & mask);
        }
    }
    lanes.iter().sum()
}
