//! AVX-512 BF16: one instruction multiplies 32 pairs of brain floats and adds them, two to each f32 sum.
//!
//! Nothing is widened and half as much of the query is read, but the instruction takes subnormal factors as zero and
//! makes subnormal sums zero, whatever the thread's control register says. See [`super`] for the error.

use std::arch::x86_64::{
    __m512bh, __m512i, __mmask32, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_maskz_loadu_epi16,
    _mm512_reduce_add_ps, _mm512_setzero_ps,
};

const LANES: usize = 32;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "avx512f")]
fn brains(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes without padding, and every bit pattern is a brain float.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// Dot product of two rows of brain floats of the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) fn dot(query: &[u16], row: &[u16]) -> f32 {
    let len = query.len();
    let mut sums = [_mm512_setzero_ps(); SUMS];
    let mut at = 0;
    while at < len {
        for sum in &mut sums {
            let left = len.saturating_sub(at);
            let mask: __mmask32 = if left >= LANES { !0 } else { (1 << left) - 1 };
            // Clamped, so that the address of an empty load is inside too. Lanes past the end are zero in both.
            let start = at.min(len);
            // SAFETY (both loads): masked lanes end at the length, which both slices share (checked by `Kernels`).
            let q = brains(unsafe { _mm512_maskz_loadu_epi16(mask, query.as_ptr().add(start).cast()) });
            let r = brains(unsafe { _mm512_maskz_loadu_epi16(mask, row.as_ptr().add(start).cast()) });
            *sum = _mm512_dpbf16_ps(*sum, q, r);
            at += LANES;
        }
    }
    let [a, b, c, d] = sums;
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
}
