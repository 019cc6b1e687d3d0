//! AVX-512BW over blocks of codes of four bits: four parts a shuffle.

use super::SHUFFLE_ROWS;
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_storeu_si256,
    _mm256_unpackhi_epi32, _mm256_unpacklo_epi32, _mm512_add_epi16, _mm512_add_epi32, _mm512_and_si512,
    _mm512_castsi512_si256, _mm512_cvtepu16_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_set1_epi8, _mm512_set1_epi16, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16,
};

/// Additions of a byte to a u16 that cannot overflow.
const STEPS: usize = 256;

/// Eight u32 sums of eight u16 lanes that are there four times (a lane of 16 bytes a part).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn fold(sums: __m512i) -> __m256i {
    let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(sums));
    let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(sums));
    let both = _mm512_add_epi32(low, high);
    _mm256_add_epi32(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64::<1>(both))
}

/// Adds the sums of rows 0, 2, .. and 1, 3, .. of sixteen rows to the totals.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx2")]
fn flush(even: __m512i, odd: __m512i, out: &mut [u32; 16]) {
    let (even, odd) = (fold(even), fold(odd));
    // Rows 0 to 3 and 8 to 11; 4 to 7 and 12 to 15.
    let (low, high) = (_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
    let rows = [_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high)];
    for (half, rows) in out.as_chunks_mut::<8>().0.iter_mut().zip(rows) {
        // SAFETY (load and store): eight lanes of room.
        let before = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), _mm256_add_epi32(before, rows)) };
    }
}

/// Sums of what the codes of a block count.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub(crate) fn scan(tables: &[u8], block: &[u8], out: &mut [u32; SHUFFLE_ROWS]) {
    out.fill(0);
    let (nibble, byte) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi16(0x00ff));
    for (tables, block) in tables.chunks(64 * STEPS).zip(block.chunks(64 * STEPS)) {
        // Even and odd rows of the lower half, of the upper half.
        let mut sums = [_mm512_setzero_si512(); 4];
        for at in (0..tables.len()).step_by(64) {
            // SAFETY (both loads): whole groups of four parts, as many in tables as in the block (checked by `Kernels`).
            let table = unsafe { _mm512_loadu_si512(tables.as_ptr().add(at).cast()) };
            let codes = unsafe { _mm512_loadu_si512(block.as_ptr().add(at).cast()) };
            let low = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble));
            let high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble));
            sums[0] = _mm512_add_epi16(sums[0], _mm512_and_si512(low, byte));
            sums[1] = _mm512_add_epi16(sums[1], _mm512_srli_epi16::<8>(low));
            sums[2] = _mm512_add_epi16(sums[2], _mm512_and_si512(high, byte));
            sums[3] = _mm512_add_epi16(sums[3], _mm512_srli_epi16::<8>(high));
        }
        if let ([lower, upper], _) = out.as_chunks_mut::<16>() {
            flush(sums[0], sums[1], lower);
            flush(sums[2], sums[3], upper);
        }
    }
}
