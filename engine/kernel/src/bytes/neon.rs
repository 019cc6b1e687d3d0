//! NEON over signed bytes: products and differences of two fit 16 bits, sums 32.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vaddvq_s32, vdupq_n_s32, vget_high_s8, vget_high_s16, vget_low_s8,
    vget_low_s16, vld1q_s8, vmlal_s16, vmull_s8, vpadalq_s16, vsubl_s8,
};

const LANES: usize = 16;
const SUMS: usize = 2;

#[inline]
#[target_feature(enable = "neon")]
fn add<const L2: bool>(sums: &mut [int32x4_t; SUMS], x: int8x16_t, y: int8x16_t) {
    let (low, high) = ((vget_low_s8(x), vget_low_s8(y)), (vget_high_s8(x), vget_high_s8(y)));
    for (sum, (x, y)) in sums.iter_mut().zip([low, high]) {
        *sum = if L2 {
            let d = vsubl_s8(x, y);
            let first = vmlal_s16(*sum, vget_low_s16(d), vget_low_s16(d));
            vmlal_s16(first, vget_high_s16(d), vget_high_s16(d))
        } else {
            vpadalq_s16(*sum, vmull_s8(x, y))
        };
    }
}

/// Sum of products, or of squared differences when `L2`. Same lengths, at most [`super::BYTES_MAX`].
#[target_feature(enable = "neon")]
pub(crate) fn sum<const L2: bool>(a: &[i8], b: &[i8]) -> i32 {
    let mut sums = [vdupq_n_s32(0); SUMS];
    let mut at = 0;
    while at + LANES <= a.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let (x, y) = unsafe { (vld1q_s8(a.as_ptr().add(at)), vld1q_s8(b.as_ptr().add(at))) };
        add::<L2>(&mut sums, x, y);
        at += LANES;
    }
    vaddvq_s32(vaddq_s32(sums[0], sums[1])) + super::scalar::sum::<L2>(&a[at..], &b[at..])
}
