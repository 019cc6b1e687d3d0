//! AVX-512 VPOPCNTDQ over bits: 512 counted by one instruction.

use std::arch::x86_64::{
    __mmask64, _mm512_add_epi64, _mm512_and_si512, _mm512_maskz_loadu_epi8, _mm512_popcnt_epi64,
    _mm512_reduce_add_epi64, _mm512_setzero_si512, _mm512_xor_si512,
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
