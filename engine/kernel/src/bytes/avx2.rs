//! AVX2 over signed bytes: widened to 16 bits, where neither a product of two nor a difference overflows.

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256, _mm256_madd_epi16,
    _mm256_setzero_si256, _mm256_sub_epi16,
};

const LANES: usize = 16;
const SUMS: usize = 2;

#[inline]
#[target_feature(enable = "avx2")]
fn total(lanes: __m256i) -> i32 {
    let half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// Sum of products, or of squared differences when `L2`. Same lengths, at most [`super::BYTES_MAX`].
#[target_feature(enable = "avx2")]
pub(crate) fn sum<const L2: bool>(a: &[i8], b: &[i8]) -> i32 {
    let mut sums = [_mm256_setzero_si256(); SUMS];
    let (mut at, mut turn) = (0, 0);
    while at + LANES <= a.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let x = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(a.as_ptr().add(at).cast()) });
        let y = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(b.as_ptr().add(at).cast()) });
        let (x, y) = if L2 { (_mm256_sub_epi16(x, y), _mm256_sub_epi16(x, y)) } else { (x, y) };
        sums[turn] = _mm256_add_epi32(sums[turn], _mm256_madd_epi16(x, y));
        turn ^= 1;
        at += LANES;
    }
    total(_mm256_add_epi32(sums[0], sums[1])) + super::scalar::sum::<L2>(&a[at..], &b[at..])
}
