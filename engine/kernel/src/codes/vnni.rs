//! AVX-512 VNNI over byte codes: 64 products an instruction, added to 32-bit sums without saturating.

use std::arch::x86_64::{
    __m512i, __mmask64, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi8,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

const LANES: usize = 64;

/// Two sums a row, so that one addition need not wait for the one before.
const SUMS: usize = 2;

// Index loops keep the sums in registers; the array must not be borrowed as a whole.
#[allow(clippy::needless_range_loop)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rows<const N: usize, const SHIFT: bool>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
    let len = query.len();
    let flip = _mm512_set1_epi8(if SHIFT { i8::MIN } else { 0 });
    let factors = |bytes: __m512i| if SHIFT { _mm512_xor_si512(bytes, flip) } else { bytes };
    let mut sums = [[_mm512_setzero_si512(); SUMS]; N];
    let mut at = 0;
    // SAFETY (all loads): full loads end at `len` at most, masked lanes end at `len`, and every row is as long
    // as the query (checked by `Kernels` before the call).
    while at + SUMS * LANES <= len {
        for j in 0..SUMS {
            let lane = at + j * LANES;
            let factors = factors(unsafe { _mm512_loadu_si512(query.as_ptr().add(lane).cast()) });
            for n in 0..N {
                let codes = unsafe { _mm512_loadu_si512(rows[n].as_ptr().add(lane).cast()) };
                sums[n][j] = _mm512_dpbusd_epi32(sums[n][j], codes, factors);
            }
        }
        at += SUMS * LANES;
    }
    let mut j = 0;
    while at < len {
        // Lanes past the end are zero codes, which add nothing whatever the factor.
        let mask: __mmask64 = if len - at >= LANES { !0 } else { (1 << (len - at)) - 1 };
        let factors = factors(unsafe { _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(at).cast()) });
        for n in 0..N {
            let codes = unsafe { _mm512_maskz_loadu_epi8(mask, rows[n].as_ptr().add(at).cast()) };
            sums[n][j] = _mm512_dpbusd_epi32(sums[n][j], codes, factors);
        }
        at += LANES;
        j += 1;
    }
    let mut out = [0; N];
    for n in 0..N {
        let [a, b] = sums[n];
        out[n] = _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
    }
    out
}

/// Codes of `row` times factors: the bytes of `query` as signed, or less 128 when `SHIFT`. Same lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(crate) fn dot<const SHIFT: bool>(query: &[u8], row: &[u8]) -> i32 {
    let [sum] = rows::<1, SHIFT>(query, [row]);
    sum
}

/// [`dot`] with four rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(crate) fn dot4<const SHIFT: bool>(query: &[u8], four: [&[u8]; 4]) -> [i32; 4] {
    rows::<4, SHIFT>(query, four)
}
