//! AVX2 with FMA and F16C over 16-bit floats: eight are widened by one instruction.

use super::widen;
use std::arch::x86_64::{
    __m128i, __m256, _mm_loadu_si128, _mm256_add_ps, _mm256_castsi256_ps, _mm256_cvtepu16_epi32,
    _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_storeu_ps, _mm256_sub_ps,
};

const LANES: usize = 8;
const SUMS: usize = 2;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn wide<const BRAIN: bool>(halves: __m128i) -> __m256 {
    if BRAIN {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
    } else {
        _mm256_cvtph_ps(halves)
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fold<const BRAIN: bool, const L2: bool>(query: &[f32], row: &[u16]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); SUMS];
    let (mut at, mut turn) = (0, 0);
    while at + LANES <= query.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let q = unsafe { _mm256_loadu_ps(query.as_ptr().add(at)) };
        let r = wide::<BRAIN>(unsafe { _mm_loadu_si128(row.as_ptr().add(at).cast()) });
        let (x, y) = if L2 { (_mm256_sub_ps(q, r), _mm256_sub_ps(q, r)) } else { (q, r) };
        sums[turn] = _mm256_fmadd_ps(x, y, sums[turn]);
        turn ^= 1;
        at += LANES;
    }
    let mut lanes = [0.0f32; LANES];
    // SAFETY: eight lanes of room.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(sums[0], sums[1])) };
    let mut total: f32 = lanes.iter().sum();
    for (q, r) in query[at..].iter().zip(&row[at..]) {
        let r = widen::<BRAIN>(*r);
        total = if L2 { (q - r).mul_add(q - r, total) } else { q.mul_add(r, total) };
    }
    total
}

/// Dot product of an f32 query with a row of halves of the same length.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn dot<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, false>(query, row)
}

/// Squared Euclidean distance of an f32 query from a row of halves of the same length.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn l2<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, true>(query, row)
}
