//! Seeded data: even, clustered, repeated.

use super::{Subject, bits};
use crate::VectorRows;
use crate::random::{mix, unit};
use vecraft_types::Bitmap;

/// Standard normal values.
pub(crate) fn normal(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            let (u, v) = (unit(seed, 2 * i), unit(seed, 2 * i + 1));
            ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
        })
        .collect()
}

pub(crate) fn random_rows(seed: u64, rows: usize, dim: usize) -> VectorRows {
    VectorRows::from_vec(dim, normal(seed, rows * dim)).unwrap()
}

/// Rows around `clusters` centres (standard normal, times 4), with standard deviation 0.5, sorted by cluster:
/// the order that is hardest for a graph built by insertion.
pub(crate) fn clustered_values(seed: u64, rows: usize, dim: usize, clusters: usize) -> Vec<f32> {
    let centres = normal(seed ^ 1, clusters * dim);
    let mut values = normal(seed ^ 2, rows * dim);
    for (row, vector) in values.chunks_exact_mut(dim).enumerate() {
        let centre = &centres[row * clusters / rows * dim..][..dim];
        vector.iter_mut().zip(centre).for_each(|(x, c)| *x = *x * 0.5 + c * 4.0);
    }
    values
}

pub(crate) fn clustered_rows(seed: u64, rows: usize, dim: usize, clusters: usize) -> VectorRows {
    VectorRows::from_vec(dim, clustered_values(seed, rows, dim, clusters)).unwrap()
}

/// Queries near stored rows.
pub(crate) fn queries_near(rows: &VectorRows, seed: u64, count: usize) -> Vec<Vec<f32>> {
    let noise = normal(seed, count * rows.dim());
    noise
        .chunks_exact(rows.dim())
        .enumerate()
        .map(|(i, noise)| {
            let row = rows.row((mix(seed, i as u64) % rows.len() as u64) as u32);
            row.iter().zip(noise).map(|(x, n)| x + 0.3 * n).collect()
        })
        .collect()
}

/// A filter that about `share` of the rows pass, at random.
pub(crate) fn random_filter(seed: u64, rows: usize, share: f64) -> Bitmap {
    (0..rows as u64).map(|row| unit(seed, row) <= share).collect()
}

/// Rows of numbers and rows of bits, with queries near them: for tests that every subject passes.
pub(crate) struct Both {
    numbers: (VectorRows, Vec<Vec<f32>>),
    bits: (VectorRows, Vec<Vec<f32>>),
}

impl Both {
    /// Numbers of 12 dimensions around 30 centres.
    pub(crate) fn clustered(seed: u64, rows: usize, queries: usize) -> Both {
        let numbers = clustered_rows(seed, rows, 12, 30);
        let bits = bits::clustered_bits(seed, rows, 0.5);
        Both {
            numbers: (numbers.clone(), queries_near(&numbers, seed + 1, queries)),
            bits: (bits.clone(), bits::queries_near(&bits, seed + 1, queries as u64)),
        }
    }

    /// Those a subject is built over, and what it is asked.
    pub(crate) fn of(&self, subject: &Subject) -> (&VectorRows, &[Vec<f32>]) {
        let (rows, queries) = if subject.is_of_bits() { &self.bits } else { &self.numbers };
        (rows, queries)
    }
}
