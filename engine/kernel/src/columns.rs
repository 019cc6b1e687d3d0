//! One short vector against many columns: the loops of small codebooks.
//!
//! A codebook of `n` entries is kept turned: all first values, then all second values. The sums of neighbouring entries
//! lie side by side, so that short vectors (2 to 32 values) fill whole registers, which row loops cannot. Each sum adds
//! its terms in order of the dimensions, so its error is that of [`crate::Kernels::dot`].

use crate::Kernels;

type Columns = unsafe fn(&[f32], &[f32], &mut [f32]);

/// The loop of one instruction set.
#[derive(Debug)]
pub(crate) struct ColumnLoops {
    dot: Columns,
}

pub(crate) static SCALAR: ColumnLoops = ColumnLoops { dot: scalar };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX2: ColumnLoops = ColumnLoops { dot: avx2 };

#[cfg(target_arch = "x86_64")]
pub(crate) static AVX512: ColumnLoops = ColumnLoops { dot: avx512 };

#[cfg(target_arch = "aarch64")]
pub(crate) static NEON: ColumnLoops = ColumnLoops { dot: neon };

/// Sums kept at a time: four registers of the widest set.
const WIDE: usize = 64;
const NARROW: usize = 16;

#[inline(always)]
fn block<const LANES: usize, const FUSED: bool>(x: &[f32], columns: &[f32], at: usize, out: &mut [f32]) {
    let width = out.len();
    let mut sums = [0.0f32; LANES];
    for (d, &value) in x.iter().enumerate() {
        if let Some(lane) = columns[d * width + at..].first_chunk::<LANES>() {
            for i in 0..LANES {
                sums[i] = if FUSED { value.mul_add(lane[i], sums[i]) } else { value * lane[i] + sums[i] };
            }
        }
    }
    out[at..at + LANES].copy_from_slice(&sums);
}

#[inline(always)]
fn all<const FUSED: bool>(x: &[f32], columns: &[f32], out: &mut [f32]) {
    let width = out.len();
    let mut at = 0;
    while at + WIDE <= width {
        block::<WIDE, FUSED>(x, columns, at, out);
        at += WIDE;
    }
    while at + NARROW <= width {
        block::<NARROW, FUSED>(x, columns, at, out);
        at += NARROW;
    }
    while at < width {
        block::<1, FUSED>(x, columns, at, out);
        at += 1;
    }
}

fn scalar(x: &[f32], columns: &[f32], out: &mut [f32]) {
    all::<false>(x, columns, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(x: &[f32], columns: &[f32], out: &mut [f32]) {
    all::<true>(x, columns, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn avx512(x: &[f32], columns: &[f32], out: &mut [f32]) {
    all::<true>(x, columns, out);
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn neon(x: &[f32], columns: &[f32], out: &mut [f32]) {
    all::<true>(x, columns, out);
}

impl Kernels {
    /// Dot products of `x` with the columns of a turned codebook: value `d` of entry `i` stands at
    /// `columns[d * out.len() + i]`. Panics unless `columns.len() == x.len() * out.len()`.
    #[inline]
    pub fn dot_columns(&self, x: &[f32], columns: &[f32], out: &mut [f32]) {
        assert_eq!(columns.len(), x.len() * out.len(), "dimensions differ");
        // SAFETY: the table exists only if the CPU has the features; the loops check their own bounds.
        unsafe { (self.columns.dot)(x, columns, out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn every_instruction_set_is_within_the_stated_error(
            (x, entries) in (1usize..40, 0usize..150).prop_flat_map(|(dim, entries)| {
                let value = || -100.0f32..100.0;
                (prop::collection::vec(value(), dim), prop::collection::vec(value(), dim * entries))
            }),
        ) {
            let (dim, count) = (x.len(), entries.len() / x.len());
            let turned: Vec<f32> = (0..entries.len()).map(|i| entries[i % count * dim + i / count]).collect();
            for set in Kernels::available() {
                let mut out = vec![f32::NAN; count];
                set.dot_columns(&x, &turned, &mut out);
                for (entry, got) in entries.chunks_exact(dim).zip(&out) {
                    let terms = || x.iter().zip(entry).map(|(a, b)| f64::from(*a) * f64::from(*b));
                    let (sum, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                    let bound = (dim as f64 + 4.0) * f64::from(f32::EPSILON) * size + f64::from(f32::MIN_POSITIVE);
                    prop_assert!((f64::from(*got) - sum).abs() <= bound, "{} {got} {sum}", set.name());
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "dimensions differ")]
    fn other_lengths_are_refused() {
        Kernels::active().dot_columns(&[1.0, 2.0], &[1.0; 5], &mut [0.0; 2]);
    }
}
