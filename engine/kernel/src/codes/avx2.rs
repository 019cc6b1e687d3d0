//! AVX2 over byte codes: widened to 16 bits before they are multiplied, since the instruction that takes bytes
//! (`maddubs`) saturates at the products of full 8-bit codes.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_set1_epi8, _mm_shuffle_epi32,
    _mm_xor_si128, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_setzero_si256,
};

const LANES: usize = 16;

#[inline]
#[target_feature(enable = "avx2")]
fn sum(lanes: __m256i) -> i32 {
    let half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// Sixteen bytes at `at`.
///
/// # Safety
/// `at + LANES <= bytes.len()`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(bytes: &[u8], at: usize) -> __m128i {
    // SAFETY: by the contract.
    unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) }
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx2")]
fn rows<const N: usize, const SHIFT: bool>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
    let len = query.len();
    let flip = _mm_set1_epi8(if SHIFT { i8::MIN } else { 0 });
    let mut sums = [_mm256_setzero_si256(); N];
    let mut at = 0;
    while at + LANES <= len {
        // SAFETY (both loads): just checked, and every row is as long as the query (checked by `Kernels`).
        let factors = _mm256_cvtepi8_epi16(_mm_xor_si128(unsafe { load(query, at) }, flip));
        for n in 0..N {
            let codes = _mm256_cvtepu8_epi16(unsafe { load(rows[n], at) });
            sums[n] = _mm256_add_epi32(sums[n], _mm256_madd_epi16(factors, codes));
        }
        at += LANES;
    }
    let mut out = [0; N];
    for n in 0..N {
        out[n] = sum(sums[n]) + super::scalar::dot::<SHIFT>(&query[at..], &rows[n][at..]);
    }
    out
}

/// Codes of `row` times factors: the bytes of `query` as signed, or less 128 when `SHIFT`. Same lengths.
#[target_feature(enable = "avx2")]
pub(crate) fn dot<const SHIFT: bool>(query: &[u8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SHIFT>(query, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "avx2")]
pub(crate) fn dot4<const SHIFT: bool>(query: &[u8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SHIFT>(query, four)
}
