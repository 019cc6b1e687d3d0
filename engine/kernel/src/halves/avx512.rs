//! AVX-512 over 16-bit floats: sixteen are widened by one instruction, a masked tail.

use std::arch::x86_64::{
    __m256i, __m512, __mmask16, _mm256_maskz_loadu_epi16, _mm512_add_ps, _mm512_castsi512_ps,
    _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps,
    _mm512_setzero_ps, _mm512_slli_epi32, _mm512_sub_ps,
};

const LANES: usize = 16;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn wide<const BRAIN: bool>(halves: __m256i) -> __m512 {
    if BRAIN {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    } else {
        _mm512_cvtph_ps(halves)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn fold<const BRAIN: bool, const L2: bool>(query: &[f32], row: &[u16]) -> f32 {
    let len = query.len();
    let mut sums = [_mm512_setzero_ps(); SUMS];
    let mut at = 0;
    while at < len {
        for sum in &mut sums {
            let left = len.saturating_sub(at);
            let mask: __mmask16 = if left >= LANES { !0 } else { (1 << left) - 1 };
            // Clamped, so that the address of an empty load is inside too.
            let start = at.min(len);
            // SAFETY (both loads): masked lanes end at the length, which both slices share (checked by `Kernels`).
            let q = unsafe { _mm512_maskz_loadu_ps(mask, query.as_ptr().add(start)) };
            let r = wide::<BRAIN>(unsafe { _mm256_maskz_loadu_epi16(mask, row.as_ptr().add(start).cast()) });
            let (x, y) = if L2 { (_mm512_sub_ps(q, r), _mm512_sub_ps(q, r)) } else { (q, r) };
            *sum = _mm512_fmadd_ps(x, y, *sum);
            at += LANES;
        }
    }
    let [a, b, c, d] = sums;
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
}

/// Dot product of an f32 query with a row of halves of the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) fn dot<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, false>(query, row)
}

/// Squared Euclidean distance of an f32 query from a row of halves of the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) fn l2<const BRAIN: bool>(query: &[f32], row: &[u16]) -> f32 {
    fold::<BRAIN, true>(query, row)
}
