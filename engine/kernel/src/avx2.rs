//! AVX2 with FMA: four sums of eight lanes. Sixteen registers do not hold four rows at once, so a batch is a
//! loop of single rows.

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_cvtss_f32, _mm_hadd_ps, _mm256_add_ps, _mm256_castps256_ps128,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

const LANES: usize = 8;
const SUMS: usize = 4;

#[inline]
#[target_feature(enable = "avx2,fma")]
fn step<const L2: bool>(a: __m256, b: __m256, sum: __m256) -> __m256 {
    if L2 {
        let difference = _mm256_sub_ps(a, b);
        _mm256_fmadd_ps(difference, difference, sum)
    } else {
        _mm256_fmadd_ps(a, b, sum)
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold<const L2: bool>(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len();
    let mut sums = [_mm256_setzero_ps(); SUMS];
    let mut at = 0;
    // SAFETY (all loads): `lane + LANES <= len`, and both slices have that length (checked by `Kernels`).
    while at + SUMS * LANES <= len {
        for (j, sum) in sums.iter_mut().enumerate() {
            let lane = at + j * LANES;
            let x = unsafe { _mm256_loadu_ps(a.as_ptr().add(lane)) };
            let y = unsafe { _mm256_loadu_ps(b.as_ptr().add(lane)) };
            *sum = step::<L2>(x, y, *sum);
        }
        at += SUMS * LANES;
    }
    let mut j = 0;
    while at + LANES <= len {
        let x = unsafe { _mm256_loadu_ps(a.as_ptr().add(at)) };
        let y = unsafe { _mm256_loadu_ps(b.as_ptr().add(at)) };
        sums[j] = step::<L2>(x, y, sums[j]);
        at += LANES;
        j += 1;
    }
    let all = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
    let half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
    let quarter = _mm_hadd_ps(half, half);
    let mut total = _mm_cvtss_f32(_mm_hadd_ps(quarter, quarter));
    for i in at..len {
        let (x, y) = (a[i], b[i]);
        total = if L2 { (x - y).mul_add(x - y, total) } else { x.mul_add(y, total) };
    }
    total
}

/// Dot product; both slices have the same length.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold::<false>(a, b)
}

/// Squared Euclidean distance; both slices have the same length.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn l2(a: &[f32], b: &[f32]) -> f32 {
    fold::<true>(a, b)
}

/// Dot product with `b`, and the squared norm of `b`; the second pass reads the row from cache.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (fold::<false>(a, b), fold::<false>(b, b))
}

/// Four dot products against one query.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn dot4(q: &[f32], [a, b, c, d]: [&[f32]; 4]) -> [f32; 4] {
    [fold::<false>(q, a), fold::<false>(q, b), fold::<false>(q, c), fold::<false>(q, d)]
}

/// Four squared distances from one query.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn l2_4(q: &[f32], [a, b, c, d]: [&[f32]; 4]) -> [f32; 4] {
    [fold::<true>(q, a), fold::<true>(q, b), fold::<true>(q, c), fold::<true>(q, d)]
}
