//! AVX-512 VPOPCNTDQ over bits: 512 counted by one instruction.

use std::arch::x86_64::{
    __mmask16, __mmask64, _mm_cvtsi64_si128, _mm512_add_epi64, _mm512_add_ps, _mm512_and_si512,
    _mm512_mask_add_ps, _mm512_maskz_loadu_epi8, _mm512_maskz_loadu_ps, _mm512_popcnt_epi64,
    _mm512_reduce_add_epi64, _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sll_epi64,
    _mm512_xor_si512,
};

const BYTES: usize = 64;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn fold<const XOR: bool>(a: &[u8], b: &[u8]) -> u32 {
    let mut sums = _mm512_setzero_si512();
    let mut at = 0;
    while at < a.len() {
        let mask: __mmask64 = if a.len() - at >= BYTES { !0 } else { (1 << (a.len() - at)) - 1 };
        // SAFETY (both loads): masked lanes end at the length, which both slices share (checked by `Kernels`).
        let x = unsafe { _mm512_maskz_loadu_epi8(mask, a.as_ptr().add(at).cast()) };
        let y = unsafe { _mm512_maskz_loadu_epi8(mask, b.as_ptr().add(at).cast()) };
        let bits = if XOR { _mm512_xor_si512(x, y) } else { _mm512_and_si512(x, y) };
        sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(bits));
        at += BYTES;
    }
    _mm512_reduce_add_epi64(sums) as u32
}

/// Bits that differ; same lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    fold::<true>(a, b)
}

/// Bits set in both; same lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
pub(crate) fn both(a: &[u8], b: &[u8]) -> u32 {
    fold::<false>(a, b)
}

/// Sum of the values whose bit is set; the bits are the masks of the additions. Eight values a byte.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
pub(crate) fn select(values: &[f32], bits: &[u8]) -> f32 {
    let mut sums = [_mm512_setzero_ps(); 4];
    let (words, rest) = bits.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        for (j, sum) in sums.iter_mut().enumerate() {
            let mask = (word >> (16 * j)) as __mmask16;
            // SAFETY (both loads): there are eight values for every byte (checked by `Kernels`).
            let values = unsafe { _mm512_maskz_loadu_ps(!0, values.as_ptr().add(64 * i + 16 * j)) };
            *sum = _mm512_mask_add_ps(*sum, mask, *sum, values);
        }
    }
    for (i, byte) in rest.iter().enumerate() {
        let at = 64 * words.len() + 8 * i;
        let values = unsafe { _mm512_maskz_loadu_ps(u16::from(*byte), values.as_ptr().add(at)) };
        sums[0] = _mm512_add_ps(sums[0], values);
    }
    let [a, b, c, d] = sums;
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
}

/// Sum of the numbers in `planes` whose bit is set, and how many bits are: the row is loaded once for all planes.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
pub(crate) fn weigh(planes: &[u8], bits: &[u8]) -> (u32, u32) {
    let (mut weighted, mut ones) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let count = planes.len() / bits.len().max(1);
    let mut at = 0;
    while at < bits.len() {
        let mask: __mmask64 = if bits.len() - at >= BYTES { !0 } else { (1 << (bits.len() - at)) - 1 };
        // SAFETY (both loads): masked lanes end at the length of the bits, which each plane has (checked by `Kernels`).
        let row = unsafe { _mm512_maskz_loadu_epi8(mask, bits.as_ptr().add(at).cast()) };
        ones = _mm512_add_epi64(ones, _mm512_popcnt_epi64(row));
        for i in 0..count {
            let start = i * bits.len() + at;
            let plane = unsafe { _mm512_maskz_loadu_epi8(mask, planes.as_ptr().add(start).cast()) };
            let set = _mm512_popcnt_epi64(_mm512_and_si512(row, plane));
            weighted = _mm512_add_epi64(weighted, _mm512_sll_epi64(set, _mm_cvtsi64_si128(i as i64)));
        }
        at += BYTES;
    }
    (_mm512_reduce_add_epi64(weighted) as u32, _mm512_reduce_add_epi64(ones) as u32)
}
