//! AVX2 over packed codes. Of codes below 64 `maddubs` never saturates: two products are at most 2 * 63 * 128.

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_and_si128, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_set1_epi8,
    _mm_shuffle_epi32, _mm_srli_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_or_si256,
    _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_slli_epi16,
    _mm256_srli_epi16,
};

const BLOCK: usize = super::SMALL_CODES_BLOCK;

#[inline]
#[target_feature(enable = "avx2")]
fn sum(lanes: __m256i) -> i32 {
    let half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// The 64 codes of the block at `at`.
///
/// # Safety
/// The whole block lies inside the row.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn unpack<const SIX: bool>(row: &[u8], at: usize) -> [__m256i; 2] {
    let low_mask = _mm256_set1_epi8(0x0f);
    // SAFETY (both loads): by the contract.
    let nibbles = unsafe { _mm256_loadu_si256(row.as_ptr().add(at).cast()) };
    let low = _mm256_and_si256(nibbles, low_mask);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(nibbles), low_mask);
    if !SIX {
        return [low, high];
    }
    let two = _mm_set1_epi8(3);
    let upper = unsafe { _mm_loadu_si128(row.as_ptr().add(at + 32).cast()) };
    let first = _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16::<2>(upper), two), _mm_and_si128(upper, two));
    let second = _mm256_set_m128i(
        _mm_and_si128(_mm_srli_epi16::<6>(upper), two),
        _mm_and_si128(_mm_srli_epi16::<4>(upper), two),
    );
    // Two bits a byte do not leave their byte when shifted by four.
    [
        _mm256_or_si256(low, _mm256_slli_epi16::<4>(first)),
        _mm256_or_si256(high, _mm256_slli_epi16::<4>(second)),
    ]
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx2")]
fn rows<const N: usize, const SIX: bool>(factors: &[i8], rows: [&[u8]; N]) -> [i32; N] {
    let bytes = if SIX { 48 } else { 32 };
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); N];
    for block in 0..factors.len() / BLOCK {
        // SAFETY (all loads): factors are whole blocks, and every row has as many (checked by `Kernels`).
        let start = unsafe { factors.as_ptr().add(block * BLOCK) };
        let first = unsafe { _mm256_loadu_si256(start.cast()) };
        let second = unsafe { _mm256_loadu_si256(start.add(32).cast()) };
        for n in 0..N {
            let [low, high] = unsafe { unpack::<SIX>(rows[n], block * bytes) };
            let low = _mm256_madd_epi16(_mm256_maddubs_epi16(low, first), ones);
            let high = _mm256_madd_epi16(_mm256_maddubs_epi16(high, second), ones);
            sums[n] = _mm256_add_epi32(sums[n], _mm256_add_epi32(low, high));
        }
    }
    let mut out = [0; N];
    for n in 0..N {
        out[n] = sum(sums[n]);
    }
    out
}

/// SmallCodes codes of `row` times factors; whole blocks.
#[target_feature(enable = "avx2")]
pub(crate) fn dot<const SIX: bool>(factors: &[i8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SIX>(factors, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "avx2")]
pub(crate) fn dot4<const SIX: bool>(factors: &[i8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SIX>(factors, four)
}
