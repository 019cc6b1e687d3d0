//! Bits as numbers, and back: so that what speaks of numbers (indexes, calibration) carries vectors of bits as well.

/// 0 or 1 for each bit: dimension `8 i + j` is bit `7 - j` of byte `i`.
pub(super) fn numbers_of(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().flat_map(|byte| (0..8).map(move |j| f32::from(byte >> (7 - j) & 1))).collect()
}

/// The bits of numbers, in the order of [`widened`](crate::widened): those above a half are set, NaN is not. What is missing
/// of the last byte is not set.
pub fn bits_of(values: &[f32]) -> Vec<u8> {
    let byte = |eight: &[f32]| {
        eight.iter().enumerate().fold(0u8, |byte, (j, value)| byte | u8::from(*value > 0.5) << (7 - j))
    };
    values.chunks(8).map(byte).collect()
}
