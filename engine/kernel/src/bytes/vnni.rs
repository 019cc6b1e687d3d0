//! AVX-512 VNNI over signed bytes: widened to 16 bits, then one instruction multiplies pairs and adds them to 32-bit
//! sums without saturating. (The one that takes bytes wants one side unsigned, and differences need 9 bits.)

use std::arch::x86_64::{
    __mmask32, _mm256_maskz_loadu_epi8, _mm512_add_epi32, _mm512_cvtepi8_epi16, _mm512_dpwssd_epi32,
    _mm512_reduce_add_epi32, _mm512_setzero_si512, _mm512_sub_epi16,
};

const LANES: usize = 32;
const SUMS: usize = 2;

/// Sum of products, or of squared differences when `L2`. Same lengths, at most [`super::BYTES_MAX`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(crate) fn sum<const L2: bool>(a: &[i8], b: &[i8]) -> i32 {
    let len = a.len();
    let mut sums = [_mm512_setzero_si512(); SUMS];
    let mut at = 0;
    while at < len {
        for sum in &mut sums {
            let left = len.saturating_sub(at);
            let mask: __mmask32 = if left >= LANES { !0 } else { (1 << left) - 1 };
            // Clamped, so that the address of an empty load is inside too. Lanes past the end are zero in both.
            let start = at.min(len);
            // SAFETY (both loads): masked lanes end at the length, which both slices share (checked by `Kernels`).
            let x = _mm512_cvtepi8_epi16(unsafe { _mm256_maskz_loadu_epi8(mask, a.as_ptr().add(start)) });
            let y = _mm512_cvtepi8_epi16(unsafe { _mm256_maskz_loadu_epi8(mask, b.as_ptr().add(start)) });
            let (x, y) = if L2 { (_mm512_sub_epi16(x, y), _mm512_sub_epi16(x, y)) } else { (x, y) };
            *sum = _mm512_dpwssd_epi32(*sum, x, y);
            at += LANES;
        }
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
}
