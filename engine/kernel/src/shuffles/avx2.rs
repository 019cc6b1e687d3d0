//! AVX2 over blocks of codes of four bits: two parts a shuffle.

use super::SHUFFLE_ROWS;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_and_si256, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
};

/// Additions of a byte to a u16 that cannot overflow.
const STEPS: usize = 256;

/// Adds the u16 sums of rows 0, 2, .. and 1, 3, .. of sixteen rows, each twice (a lane a part), to the totals.
#[inline]
#[target_feature(enable = "avx2")]
fn flush(even: __m256i, odd: __m256i, out: &mut [u32]) {
    let (mut evens, mut odds) = ([0u16; 16], [0u16; 16]);
    // SAFETY (both stores): sixteen lanes of room.
    unsafe { _mm256_storeu_si256(evens.as_mut_ptr().cast(), even) };
    unsafe { _mm256_storeu_si256(odds.as_mut_ptr().cast(), odd) };
    for i in 0..8 {
        out[2 * i] += u32::from(evens[i]) + u32::from(evens[8 + i]);
        out[2 * i + 1] += u32::from(odds[i]) + u32::from(odds[8 + i]);
    }
}

/// Sums of what the codes of a block count.
#[target_feature(enable = "avx2")]
pub(crate) fn scan(tables: &[u8], block: &[u8], out: &mut [u32; SHUFFLE_ROWS]) {
    out.fill(0);
    let (nibble, byte) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(0x00ff));
    for (tables, block) in tables.chunks(32 * STEPS).zip(block.chunks(32 * STEPS)) {
        // Even and odd rows of the lower half, of the upper half.
        let mut sums = [_mm256_setzero_si256(); 4];
        for at in (0..tables.len()).step_by(32) {
            // SAFETY (both loads): whole pairs of parts, as many in tables as in the block (checked by `Kernels`).
            let table = unsafe { _mm256_loadu_si256(tables.as_ptr().add(at).cast()) };
            let codes = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
            let halves = [
                _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble)),
                _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble)),
            ];
            for (half, counts) in halves.into_iter().enumerate() {
                sums[2 * half] = _mm256_add_epi16(sums[2 * half], _mm256_and_si256(counts, byte));
                sums[2 * half + 1] = _mm256_add_epi16(sums[2 * half + 1], _mm256_srli_epi16::<8>(counts));
            }
        }
        flush(sums[0], sums[1], &mut out[..16]);
        flush(sums[2], sums[3], &mut out[16..]);
    }
}
