//! AVX-512 VNNI over packed codes: a block is unpacked into one register and multiplied by one instruction.

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm256_srli_epi16, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_castsi256_si512, _mm512_dpbusd_epi32, _mm512_inserti64x4,
    _mm512_loadu_si512, _mm512_or_si512, _mm512_reduce_add_epi32, _mm512_set_epi64, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_slli_epi16, _mm512_srlv_epi64,
};

const BLOCK: usize = super::SMALL_CODES_BLOCK;

/// The 64 codes of the block at `at`.
///
/// # Safety
/// The whole block lies inside the row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
unsafe fn unpack<const SIX: bool>(row: &[u8], at: usize) -> __m512i {
    // SAFETY (both loads): by the contract.
    let nibbles = unsafe { _mm256_loadu_si256(row.as_ptr().add(at).cast()) };
    let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(nibbles), _mm256_srli_epi16::<4>(nibbles));
    let lower = _mm512_and_si512(both, _mm512_set1_epi8(0x0f));
    if !SIX {
        return lower;
    }
    let upper = unsafe { _mm_loadu_si128(row.as_ptr().add(at + 32).cast()) };
    // Each lane of 16 bytes has its own two bits; those shifted in from the neighbouring byte are masked away.
    let shifts = _mm512_set_epi64(6, 6, 4, 4, 2, 2, 0, 0);
    let two = _mm512_and_si512(_mm512_srlv_epi64(_mm512_broadcast_i32x4(upper), shifts), _mm512_set1_epi8(3));
    _mm512_or_si512(lower, _mm512_slli_epi16::<4>(two))
}

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
fn rows<const N: usize, const SIX: bool>(factors: &[i8], rows: [&[u8]; N]) -> [i32; N] {
    let bytes = if SIX { 48 } else { 32 };
    let mut sums = [_mm512_setzero_si512(); N];
    for block in 0..factors.len() / BLOCK {
        // SAFETY (all loads): factors are whole blocks, and every row has as many (checked by `Kernels`).
        let factors = unsafe { _mm512_loadu_si512(factors.as_ptr().add(block * BLOCK).cast()) };
        for n in 0..N {
            let codes = unsafe { unpack::<SIX>(rows[n], block * bytes) };
            sums[n] = _mm512_dpbusd_epi32(sums[n], codes, factors);
        }
    }
    let mut out = [0; N];
    for n in 0..N {
        out[n] = _mm512_reduce_add_epi32(sums[n]);
    }
    out
}

/// SmallCodes codes of `row` times factors; whole blocks.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
pub(crate) fn dot<const SIX: bool>(factors: &[i8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SIX>(factors, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2")]
pub(crate) fn dot4<const SIX: bool>(factors: &[i8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SIX>(factors, four)
}
