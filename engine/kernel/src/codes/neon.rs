//! NEON over byte codes: both sides widened to 16 bits, products added to 32-bit sums.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vaddvq_s32, vdupq_n_s32, vdupq_n_u8, veorq_u8, vget_high_u8,
    vget_low_s8, vget_low_s16, vget_low_u8, vld1q_u8, vmlal_high_s16, vmlal_s16, vmovl_high_s8, vmovl_s8,
    vmovl_u8, vreinterpretq_s8_u8, vreinterpretq_s16_u16,
};

const LANES: usize = 16;

/// Adds sixteen products.
#[inline]
#[target_feature(enable = "neon")]
fn add(sum: int32x4_t, factors: int8x16_t, codes: uint8x16_t) -> int32x4_t {
    let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    let high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(codes)));
    let (first, second) = (vmovl_s8(vget_low_s8(factors)), vmovl_high_s8(factors));
    let sum = vmlal_s16(sum, vget_low_s16(first), vget_low_s16(low));
    let sum = vmlal_high_s16(sum, first, low);
    let sum = vmlal_s16(sum, vget_low_s16(second), vget_low_s16(high));
    vmlal_high_s16(sum, second, high)
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "neon")]
fn rows<const N: usize, const SHIFT: bool>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
    let flip = vdupq_n_u8(if SHIFT { 0x80 } else { 0 });
    let mut sums = [vdupq_n_s32(0); N];
    let mut at = 0;
    while at + LANES <= query.len() {
        // SAFETY (both loads): just checked, and every row is as long as the query (checked by `Kernels`).
        let factors = vreinterpretq_s8_u8(veorq_u8(unsafe { vld1q_u8(query.as_ptr().add(at)) }, flip));
        for n in 0..N {
            sums[n] = add(sums[n], factors, unsafe { vld1q_u8(rows[n].as_ptr().add(at)) });
        }
        at += LANES;
    }
    let mut out = [0; N];
    for n in 0..N {
        out[n] = vaddvq_s32(sums[n]) + super::scalar::dot::<SHIFT>(&query[at..], &rows[n][at..]);
    }
    out
}

/// Codes of `row` times factors: the bytes of `query` as signed, or less 128 when `SHIFT`. Same lengths.
#[target_feature(enable = "neon")]
pub(crate) fn dot<const SHIFT: bool>(query: &[u8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SHIFT>(query, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "neon")]
pub(crate) fn dot4<const SHIFT: bool>(query: &[u8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SHIFT>(query, four)
}
