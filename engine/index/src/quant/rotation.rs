//! A random rotation, so that no dimension matters more than another and one step fits all.
//!
//! Twice: signs are flipped at random, then the first and the last `2^n` dimensions (the most that fit; they overlap)
//! go through a Walsh-Hadamard transform. Every dimension then depends on all, lengths and products stay, and it costs
//! `4 n` additions a dimension where a random matrix costs as many as there are dimensions.

use crate::random::mix;

const ROUNDS: u64 = 2;

/// A rotation, a function of its seed and the dimension.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    seed: u64,
    /// `ROUNDS` rows of the sign bits of f32, 0 or the highest bit.
    signs: Vec<u32>,
    /// Dimensions transformed at a time.
    width: usize,
}

impl Rotation {
    /// `seed` must not be 0, `dim` neither.
    pub(crate) fn new(seed: u64, dim: usize) -> Rotation {
        let signs = (0..ROUNDS * dim as u64).map(|i| (mix(seed, i) >> 63 << 31) as u32).collect();
        let width = if dim.is_power_of_two() { dim } else { dim.next_power_of_two() / 2 };
        Rotation { seed, signs, width }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.signs.as_slice())
    }

    /// Rotates a vector in place.
    pub(crate) fn apply(&self, values: &mut [f32]) {
        let scale = 1.0 / (self.width as f32).sqrt();
        let rest = values.len() - self.width;
        for signs in self.signs.chunks_exact(values.len()) {
            flip(values, signs);
            transform(&mut values[..self.width], scale);
            if rest > 0 {
                transform(&mut values[rest..], scale);
            }
        }
    }
}

fn flip(values: &mut [f32], signs: &[u32]) {
    for (value, sign) in values.iter_mut().zip(signs) {
        *value = f32::from_bits(value.to_bits() ^ sign);
    }
}

/// The Walsh-Hadamard transform of `2^n` values, each times `scale`.
fn transform(values: &mut [f32], scale: f32) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    values.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::data::normal;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    }

    #[test]
    fn products_stay_and_the_seed_decides() {
        for dim in [1, 2, 3, 7, 64, 100, 784] {
            let (mut a, mut b) = (normal(1, dim), normal(2, dim));
            let (before, lengths) = (dot(&a, &b), dot(&a, &a).sqrt() * dot(&b, &b).sqrt());
            let raw = a.clone();
            let rotation = Rotation::new(9, dim);
            rotation.apply(&mut a);
            rotation.apply(&mut b);
            assert!((dot(&a, &b) - before).abs() <= 1e-5 * lengths, "{dim}");
            let mut again = raw.clone();
            Rotation::new(9, dim).apply(&mut again);
            assert_eq!(a, again, "{dim}");
        }
    }

    #[test]
    fn one_dimension_becomes_all() {
        for dim in [64, 100, 784] {
            let mut values = vec![0.0; dim];
            values[3] = 1.0;
            Rotation::new(5, dim).apply(&mut values);
            let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let zeros = values.iter().filter(|x| **x == 0.0).count();
            assert!(largest < 0.55 && zeros < dim / 2, "{dim}: {largest}, {zeros} zeros");
        }
    }
}
