//! AVX2 over bits: each half byte is looked up in a table of sixteen counts.

use super::scalar;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256,
    _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_extract_epi64, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setr_epi32,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_ps,
    _mm256_xor_si256,
};

const BYTES: usize = 32;

/// Set bits of each 64-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
fn counts(bits: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let low_mask = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, low_mask));
    let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bits), low_mask));
    _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256())
}

#[inline]
#[target_feature(enable = "avx2")]
fn fold<const XOR: bool>(a: &[u8], b: &[u8]) -> u32 {
    let mut sums = _mm256_setzero_si256();
    let mut at = 0;
    while at + BYTES <= a.len() {
        // SAFETY (both loads): just checked, and both slices have the same length (checked by `Kernels`).
        let x = unsafe { _mm256_loadu_si256(a.as_ptr().add(at).cast()) };
        let y = unsafe { _mm256_loadu_si256(b.as_ptr().add(at).cast()) };
        let bits = if XOR { _mm256_xor_si256(x, y) } else { _mm256_and_si256(x, y) };
        sums = _mm256_add_epi64(sums, counts(bits));
        at += BYTES;
    }
    let total = _mm256_extract_epi64::<0>(sums)
        + _mm256_extract_epi64::<1>(sums)
        + _mm256_extract_epi64::<2>(sums)
        + _mm256_extract_epi64::<3>(sums);
    let tail = if XOR { scalar::differ(&a[at..], &b[at..]) } else { scalar::both(&a[at..], &b[at..]) };
    total as u32 + tail
}

/// Bits that differ; same lengths.
#[target_feature(enable = "avx2")]
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    fold::<true>(a, b)
}

/// Bits set in both; same lengths.
#[target_feature(enable = "avx2")]
pub(crate) fn both(a: &[u8], b: &[u8]) -> u32 {
    fold::<false>(a, b)
}

/// Sum of the values whose bit is set; eight values a byte.
#[target_feature(enable = "avx2")]
pub(crate) fn select(values: &[f32], bits: &[u8]) -> f32 {
    let each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    let mut sums = [_mm256_setzero_ps(); 2];
    for (i, bytes) in bits.chunks(2).enumerate() {
        for (j, (sum, byte)) in sums.iter_mut().zip(bytes).enumerate() {
            let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(*byte)), each);
            let mask = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, each));
            // SAFETY: there are eight values for every byte (checked by `Kernels`).
            let values = unsafe { _mm256_loadu_ps(values.as_ptr().add(16 * i + 8 * j)) };
            *sum = _mm256_add_ps(*sum, _mm256_and_ps(values, mask));
        }
    }
    let mut lanes = [0.0f32; 8];
    // SAFETY: eight lanes of room.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(sums[0], sums[1])) };
    lanes.iter().sum()
}
