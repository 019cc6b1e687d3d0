//! NEON loops: four sums of four lanes a row, one or four rows at a time; every 64-bit ARM processor has them.
//!
//! Four rows share each load of the query. The order of additions of a row is the same in both shapes, so a batch
//! equals the single call bit for bit.

use std::arch::aarch64::{float32x4_t, vaddq_f32, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vsubq_f32};

const LANES: usize = 4;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "neon")]
fn step<const L2: bool>(q: float32x4_t, row: float32x4_t, sum: float32x4_t) -> float32x4_t {
    if L2 {
        let difference = vsubq_f32(q, row);
        vfmaq_f32(sum, difference, difference)
    } else {
        vfmaq_f32(sum, q, row)
    }
}

/// The sum of all lanes of four registers.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn total([a, b, c, d]: [float32x4_t; SUMS]) -> f32 {
    vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)))
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "neon")]
fn rows<const N: usize, const L2: bool>(q: &[f32], rows: [&[f32]; N]) -> [f32; N] {
    let len = q.len();
    let mut sums = [[vdupq_n_f32(0.0); SUMS]; N];
    let (mut at, mut j) = (0, 0);
    // SAFETY (all loads): they end at `len` at most, and every row is as long as the query (checked by `Kernels`).
    while at + SUMS * LANES <= len {
        for j in 0..SUMS {
            let lane = at + j * LANES;
            let query = unsafe { vld1q_f32(q.as_ptr().add(lane)) };
            for n in 0..N {
                let row = unsafe { vld1q_f32(rows[n].as_ptr().add(lane)) };
                sums[n][j] = step::<L2>(query, row, sums[n][j]);
            }
        }
        at += SUMS * LANES;
    }
    while at + LANES <= len {
        let query = unsafe { vld1q_f32(q.as_ptr().add(at)) };
        for n in 0..N {
            let row = unsafe { vld1q_f32(rows[n].as_ptr().add(at)) };
            sums[n][j] = step::<L2>(query, row, sums[n][j]);
        }
        at += LANES;
        j += 1;
    }
    let mut out = [0.0; N];
    for n in 0..N {
        out[n] = total(sums[n]);
        for i in at..len {
            let (x, y) = (q[i], rows[n][i]);
            out[n] = if L2 { (x - y).mul_add(x - y, out[n]) } else { x.mul_add(y, out[n]) };
        }
    }
    out
}

/// Dot product; both slices have the same length.
#[target_feature(enable = "neon")]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let [d] = rows::<1, false>(a, [b]);
    d
}

/// Squared Euclidean distance; both slices have the same length.
#[target_feature(enable = "neon")]
pub(crate) fn l2(a: &[f32], b: &[f32]) -> f32 {
    let [d] = rows::<1, true>(a, [b]);
    d
}

/// Dot product with `b`, and the squared norm of `b`; the second pass reads the row from cache.
#[target_feature(enable = "neon")]
pub(crate) fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (dot(a, b), dot(b, b))
}

/// Four dot products against one query.
#[target_feature(enable = "neon")]
pub(crate) fn dot4(q: &[f32], four: [&[f32]; 4]) -> [f32; 4] {
    rows::<4, false>(q, four)
}

/// Four squared distances from one query.
#[target_feature(enable = "neon")]
pub(crate) fn l2_4(q: &[f32], four: [&[f32]; 4]) -> [f32; 4] {
    rows::<4, true>(q, four)
}
