//! NEON over 16-bit floats: four are widened by one instruction.

use super::widen;
use crate::neon::total;
use std::arch::aarch64::{
    float32x4_t, uint16x4_t, vcvt_f32_f16, vdupq_n_f32, vfmaq_f32, vld1_u16, vld1q_f32, vreinterpret_f16_u16,
    vreinterpretq_f32_u32, vshll_n_u16, vsubq_f32,
};

const LANES: usize = 4;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "neon")]
fn wide<const BRAIN: bool>(halves: uint16x4_t) -> float32x4_t {
    if BRAIN {
        vreinterpretq_f32_u32(vshll_n_u16::<16>(halves))
    } else {
        vcvt_f32_f16(vreinterpret_f16_u16(halves))
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn fold<const BRAIN: bool, const L2: bool>(query: &[f32], row: &[u16]) -> f32 {
    let mut sums = [vdupq_n_f32(0.0); SUMS];
    let (mut at, mut turn) = (0, 0);
    while at + LANES <= query.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let q = unsafe { vld1q_f32(query.as_ptr().add(at)) };
        let r = wide::<BRAIN>(unsafe { vld1_u16(row.as_ptr().add(at)) });
        let (x, y) = if L2 { (vsubq_f32(q, r), vsubq_f32(q, r)) } else { (q, r) };
        sums[turn] = vfmaq_f32(sums[turn], x, y);
        turn = (turn + 1) % SUMS;
        at += LANES;
    }
    let mut total = total(sums);
    for (q, r) in query[at..].iter().zip(&row[at..]) {
        let r = widen::<BRAIN>(*r);
        total = if L2 { (q - r).mul_add(q - r, total) } else { q.mul_add(r, total) };
    }
    total
}

/// Dot product of an f32 query with a row of halves of the same length.
#[target_feature(enable = "neon")]
pub(crate) fn dot<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, false>(query, row)
}

/// Squared Euclidean distance of an f32 query from a row of halves of the same length.
#[target_feature(enable = "neon")]
pub(crate) fn l2<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, true>(query, row)
}
