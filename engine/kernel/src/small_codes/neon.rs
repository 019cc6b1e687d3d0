//! NEON over packed codes. Codes below 64 times signed bytes: four products fit 16 bits, 4 * 63 * 128.

use std::arch::aarch64::{
    int8x16_t, vaddvq_s32, vandq_u8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u8, vget_high_s8, vget_low_s8,
    vld1q_s8, vld1q_u8, vmlal_s8, vorrq_u8, vpadalq_s16, vreinterpretq_s8_u8, vshlq_n_u8, vshrq_n_u8,
};

const BLOCK: usize = super::SMALL_CODES_BLOCK;

/// The 64 codes of the block at `at`, in order of the dimensions.
///
/// # Safety
/// The whole block lies inside the row.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn unpack<const SIX: bool>(row: &[u8], at: usize) -> [int8x16_t; 4] {
    let nibble = vdupq_n_u8(0x0f);
    // SAFETY (all loads): by the contract.
    let load = |offset: usize| unsafe { vld1q_u8(row.as_ptr().add(at + offset)) };
    let (first, second) = (load(0), load(16));
    let mut codes =
        [vandq_u8(first, nibble), vandq_u8(second, nibble), vshrq_n_u8::<4>(first), vshrq_n_u8::<4>(second)];
    if SIX {
        let (upper, two) = (load(32), vdupq_n_u8(0x30));
        // Of each byte two bits, moved to where the upper two of a code are.
        let uppers = [vshlq_n_u8::<4>(upper), vshlq_n_u8::<2>(upper), upper, vshrq_n_u8::<2>(upper)];
        for (code, upper) in codes.iter_mut().zip(uppers) {
            *code = vorrq_u8(*code, vandq_u8(upper, two));
        }
    }
    codes.map(|code| vreinterpretq_s8_u8(code))
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "neon")]
fn rows<const N: usize, const SIX: bool>(factors: &[i8], rows: [&[u8]; N]) -> [i32; N] {
    let bytes = if SIX { 48 } else { 32 };
    let mut sums = [vdupq_n_s32(0); N];
    for block in 0..factors.len() / BLOCK {
        for n in 0..N {
            // SAFETY (all loads): factors are whole blocks, and every row has as many (checked by `Kernels`).
            let codes = unsafe { unpack::<SIX>(rows[n], block * bytes) };
            for pair in 0..2 {
                let mut products = vdupq_n_s16(0);
                for half in 0..2 {
                    let i = 2 * pair + half;
                    let factors = unsafe { vld1q_s8(factors.as_ptr().add(block * BLOCK + 16 * i)) };
                    products = vmlal_s8(products, vget_low_s8(codes[i]), vget_low_s8(factors));
                    products = vmlal_s8(products, vget_high_s8(codes[i]), vget_high_s8(factors));
                }
                sums[n] = vpadalq_s16(sums[n], products);
            }
        }
    }
    let mut out = [0; N];
    for n in 0..N {
        out[n] = vaddvq_s32(sums[n]);
    }
    out
}

/// Codes of `row` times factors; whole blocks.
#[target_feature(enable = "neon")]
pub(crate) fn dot<const SIX: bool>(factors: &[i8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SIX>(factors, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "neon")]
pub(crate) fn dot4<const SIX: bool>(factors: &[i8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SIX>(factors, four)
}
