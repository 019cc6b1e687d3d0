//! NEON over bits: one instruction counts those of each byte.

use super::scalar;
use std::arch::aarch64::{
    vaddq_f32, vaddvq_f32, vaddvq_u32, vandq_u8, vandq_u32, vcntq_u8, vdupq_n_f32, vdupq_n_u32, veorq_u8,
    vld1q_f32, vld1q_u8, vld1q_u32, vpadalq_u16, vpaddlq_u8, vreinterpretq_f32_u32, vreinterpretq_u32_f32,
    vtstq_u32,
};

const BYTES: usize = 16;

#[inline]
#[target_feature(enable = "neon")]
fn fold<const XOR: bool>(a: &[u8], b: &[u8]) -> u32 {
    let mut sums = vdupq_n_u32(0);
    let mut at = 0;
    while at + BYTES <= a.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let (x, y) = unsafe { (vld1q_u8(a.as_ptr().add(at)), vld1q_u8(b.as_ptr().add(at))) };
        let bits = if XOR { veorq_u8(x, y) } else { vandq_u8(x, y) };
        sums = vpadalq_u16(sums, vpaddlq_u8(vcntq_u8(bits)));
        at += BYTES;
    }
    let tail = if XOR { scalar::differ(&a[at..], &b[at..]) } else { scalar::both(&a[at..], &b[at..]) };
    vaddvq_u32(sums) + tail
}

/// Bits that differ; same lengths.
#[target_feature(enable = "neon")]
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    fold::<true>(a, b)
}

/// Bits set in both; same lengths.
#[target_feature(enable = "neon")]
pub(crate) fn both(a: &[u8], b: &[u8]) -> u32 {
    fold::<false>(a, b)
}

/// Sum of the values whose bit is set; eight values a byte.
#[target_feature(enable = "neon")]
pub(crate) fn select(values: &[f32], bits: &[u8]) -> f32 {
    // SAFETY (both loads): four words each.
    let each = unsafe { [vld1q_u32([1, 2, 4, 8].as_ptr()), vld1q_u32([16, 32, 64, 128].as_ptr())] };
    let mut sums = [vdupq_n_f32(0.0); 2];
    for (i, byte) in bits.iter().enumerate() {
        let byte = vdupq_n_u32(u32::from(*byte));
        for (j, (sum, each)) in sums.iter_mut().zip(each).enumerate() {
            // SAFETY: there are eight values for every byte (checked by `Kernels`).
            let values = unsafe { vld1q_f32(values.as_ptr().add(8 * i + 4 * j)) };
            let set = vandq_u32(vreinterpretq_u32_f32(values), vtstq_u32(byte, each));
            *sum = vaddq_f32(*sum, vreinterpretq_f32_u32(set));
        }
    }
    vaddvq_f32(vaddq_f32(sums[0], sums[1]))
}
