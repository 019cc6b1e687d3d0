//! AVX-512F loops: four sums of sixteen lanes a row, masked tail, one or four rows at a time.
//!
//! Four rows share each load of the query, which is what bounds a single row (two loads a lane). The order of
//! additions of a row is the same in both shapes, so a batch equals the single call bit for bit.

use std::arch::x86_64::{
    __m512, __mmask16, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps,
    _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_sub_ps,
};

const LANES: usize = 16;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "avx512f")]
fn step<const L2: bool>(q: __m512, row: __m512, sum: __m512) -> __m512 {
    if L2 {
        let difference = _mm512_sub_ps(q, row);
        _mm512_fmadd_ps(difference, difference, sum)
    } else {
        _mm512_fmadd_ps(q, row, sum)
    }
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx512f")]
fn rows<const N: usize, const L2: bool>(q: &[f32], rows: [&[f32]; N]) -> [f32; N] {
    let len = q.len();
    let mut sums = [[_mm512_setzero_ps(); SUMS]; N];
    let mut at = 0;
    // SAFETY (all loads): `at + j * LANES + LANES <= len` for full loads, masked lanes end at `len`, and every
    // row is as long as the query (checked by `Kernels` before the call).
    while at + SUMS * LANES <= len {
        for j in 0..SUMS {
            let lane = at + j * LANES;
            let query = unsafe { _mm512_loadu_ps(q.as_ptr().add(lane)) };
            for n in 0..N {
                let row = unsafe { _mm512_loadu_ps(rows[n].as_ptr().add(lane)) };
                sums[n][j] = step::<L2>(query, row, sums[n][j]);
            }
        }
        at += SUMS * LANES;
    }
    let mut j = 0;
    while at + LANES <= len {
        let query = unsafe { _mm512_loadu_ps(q.as_ptr().add(at)) };
        for n in 0..N {
            let row = unsafe { _mm512_loadu_ps(rows[n].as_ptr().add(at)) };
            sums[n][j] = step::<L2>(query, row, sums[n][j]);
        }
        at += LANES;
        j += 1;
    }
    if at < len {
        let mask: __mmask16 = (1u16 << (len - at)) - 1;
        let query = unsafe { _mm512_maskz_loadu_ps(mask, q.as_ptr().add(at)) };
        for n in 0..N {
            let row = unsafe { _mm512_maskz_loadu_ps(mask, rows[n].as_ptr().add(at)) };
            sums[n][j] = step::<L2>(query, row, sums[n][j]);
        }
    }
    let mut out = [0.0; N];
    for n in 0..N {
        let [a, b, c, d] = sums[n];
        out[n] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
    }
    out
}

/// Dot product; both slices have the same length.
#[target_feature(enable = "avx512f")]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let [d] = rows::<1, false>(a, [b]);
    d
}

/// Squared Euclidean distance; both slices have the same length.
#[target_feature(enable = "avx512f")]
pub(crate) fn l2(a: &[f32], b: &[f32]) -> f32 {
    let [d] = rows::<1, true>(a, [b]);
    d
}

/// Dot product with `b`, and the squared norm of `b`; the second pass reads the row from cache.
#[target_feature(enable = "avx512f")]
pub(crate) fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (dot(a, b), dot(b, b))
}

/// Four dot products against one query.
#[target_feature(enable = "avx512f")]
pub(crate) fn dot4(q: &[f32], four: [&[f32]; 4]) -> [f32; 4] {
    rows::<4, false>(q, four)
}

/// Four squared distances from one query.
#[target_feature(enable = "avx512f")]
pub(crate) fn l2_4(q: &[f32], four: [&[f32]; 4]) -> [f32; 4] {
    rows::<4, true>(q, four)
}
