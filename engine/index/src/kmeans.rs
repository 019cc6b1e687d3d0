//! Seeded k-means for coarse centroids: the same centroids for the same rows and seed, on any number of threads.
//!
//! Shared by the inverted lists, whose centroids they are, and by product quantizers, whose codebooks they are.
//! Trained on a sample of at most [`SAMPLE_PER_LIST`] rows a list. For IP and COSINE the centroids are unit
//! vectors and a row belongs to the one with the largest dot product (spherical k-means).

pub(crate) mod bits;

use crate::random::mix;
use crate::scorer::Scorer;
use crate::{BuildMonitor, Error, Result};
use rayon::prelude::*;
use vecraft_kernel::{Kernels, Query, normalise};
use vecraft_types::Metric;

/// Rows of the training sample for each list; more costs time and moves centroids little.
const SAMPLE_PER_LIST: usize = 128;
/// Rounds of assignment and averaging; the lists hardly change after ten.
const ROUNDS: usize = 10;

/// `nlist` centroids, packed. `rows` must hold at least `nlist` rows.
pub(crate) fn train(
    scorer: &Scorer,
    nlist: usize,
    values: Values,
    seed: u64,
    monitor: &dyn BuildMonitor,
) -> Result<Vec<f32>> {
    let (rows, dim) = (scorer.rows.len(), scorer.rows.dim());
    let mut sample = shuffled(rows, nlist, seed);
    let mut centroids = Vec::with_capacity(nlist * dim);
    for &row in &sample[..nlist] {
        centroids.extend_from_slice(&scorer.rows.values(row));
    }
    make_unit(scorer.metric, &mut centroids, dim);
    // Rows in order are read faster.
    sample.sort_unstable();
    for _ in 0..ROUNDS {
        if monitor.cancelled() {
            return Err(Error::Cancelled { done: 0, total: rows });
        }
        let near = Centroids::new(scorer.metric, &centroids, dim, values);
        let lists: Vec<u32> =
            sample.par_iter().map(|&row| near.nearest(&scorer.rows.values(row)).0).collect();
        centroids = averages(scorer, &sample, &lists, &centroids);
        make_unit(scorer.metric, &mut centroids, dim);
    }
    Ok(centroids)
}

/// Rows to train on, in an order by chance.
fn shuffled(rows: usize, nlist: usize, seed: u64) -> Vec<u32> {
    let mut sample: Vec<u32> = (0..rows as u32).collect();
    sample.sort_unstable_by_key(|&row| (mix(seed, u64::from(row)), row));
    sample.truncate(nlist.saturating_mul(SAMPLE_PER_LIST));
    sample
}

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// Users' vectors, perhaps far from the origin.
    Raw,
    /// Differences from a mean: squared lengths are no larger than the distances, so that these may be taken from
    /// dot products.
    Centred,
}

/// Centred rows this short are compared with turned centroids ([`Kernels::dot_columns`]): ten times as fast at 8 values.
const SHORT: usize = 32;
/// Centroids compared at a time.
const BLOCK: usize = 64;

/// Centroids made ready for finding the nearest one of many rows.
pub(crate) struct Centroids<'c> {
    metric: Metric,
    packed: &'c [f32],
    dim: usize,
    is_turned: bool,
    /// When turned: all first values, all second values, ...; and half the squared length of each (L2).
    turned: Vec<f32>,
    halves: Vec<f32>,
}

impl<'c> Centroids<'c> {
    /// `packed` holds whole rows of `dim` values.
    pub(crate) fn new(metric: Metric, packed: &'c [f32], dim: usize, values: Values) -> Centroids<'c> {
        let count = packed.len() / dim;
        let (mut turned, mut halves) = (Vec::new(), Vec::new());
        let is_turned = dim <= SHORT && values == Values::Centred;
        if is_turned {
            turned = (0..packed.len()).map(|i| packed[i % count * dim + i / count]).collect();
            halves =
                packed.chunks_exact(dim).map(|row| row.iter().map(|x| x * x).sum::<f32>() / 2.0).collect();
        }
        Centroids { metric, packed, dim, is_turned, turned, halves }
    }

    /// The list a row belongs to and, for comparing rows of one list, a number that grows with the distance to its
    /// centroid; equal distances go to the lower list.
    pub(crate) fn nearest(&self, row: &[f32]) -> (u32, f32) {
        if self.is_turned { self.nearest_turned(row) } else { self.nearest_packed(row) }
    }

    fn nearest_packed(&self, row: &[f32]) -> (u32, f32) {
        let query = centroid_query(self.metric, row);
        let mut best = (0, f32::INFINITY);
        let mut out = [0.0f32; BLOCK];
        for (block, centroids) in self.packed.chunks(BLOCK * self.dim).enumerate() {
            let out = &mut out[..centroids.len() / self.dim];
            query.batch(centroids, out);
            for (i, &distance) in out.iter().enumerate() {
                if distance < best.1 {
                    best = ((block * BLOCK + i) as u32, distance);
                }
            }
        }
        best
    }

    /// Half the squared distance without the row's own part, or minus the dot product.
    fn nearest_turned(&self, row: &[f32]) -> (u32, f32) {
        let mut dots = vec![0.0f32; self.halves.len()];
        Kernels::active().dot_columns(row, &self.turned, &mut dots);
        if self.metric == Metric::L2 {
            dots.iter_mut().zip(&self.halves).for_each(|(dot, half)| *dot = half - *dot);
        } else {
            dots.iter_mut().for_each(|dot| *dot = -*dot);
        }
        lowest(&dots)
    }
}

/// Place and value of the lowest number, the first of equals; NaN is never it.
pub(crate) fn lowest(values: &[f32]) -> (u32, f32) {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::INFINITY; 16];
    for block in blocks {
        for i in 0..16 {
            lanes[i] = if block[i] < lanes[i] { block[i] } else { lanes[i] };
        }
    }
    let low = lanes.iter().chain(rest).copied().fold(f32::INFINITY, |low, x| if x < low { x } else { low });
    (values.iter().position(|value| *value == low).unwrap_or(0) as u32, low)
}

/// Centroids are unit vectors where the metric is a dot product, so the dot product orders them.
pub(crate) fn centroid_query(metric: Metric, values: &[f32]) -> Query<'_> {
    let metric = if metric == Metric::L2 { Metric::L2 } else { Metric::Ip };
    Query::with_kernels(metric, values, Kernels::active())
}

fn make_unit(metric: Metric, centroids: &mut [f32], dim: usize) {
    if metric != Metric::L2 {
        centroids.chunks_exact_mut(dim).for_each(|centroid| {
            normalise(centroid);
        });
    }
}

/// New centroids: the mean of each list (of unit rows for COSINE), or what [`fill_empty`] gives it.
fn averages(scorer: &Scorer, sample: &[u32], lists: &[u32], old: &[f32]) -> Vec<f32> {
    let dim = scorer.rows.dim();
    let members = members(sample, lists, old.len() / dim);
    let mut centroids: Vec<f32> = members.par_iter().flat_map_iter(|rows| scorer.mean(rows)).collect();
    fill_empty(&members, |list, row| {
        centroids[list * dim..][..dim].copy_from_slice(&scorer.rows.values(row));
    });
    centroids
}

/// The rows of each list.
fn members(sample: &[u32], lists: &[u32], nlist: usize) -> Vec<Vec<u32>> {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); nlist];
    for (&row, &list) in sample.iter().zip(lists) {
        members[list as usize].push(row);
    }
    members
}

/// A list without rows takes half of the largest list: its centroid becomes one of that list's rows.
fn fill_empty(members: &[Vec<u32>], mut set: impl FnMut(usize, u32)) {
    let mut by_size: Vec<usize> = (0..members.len()).collect();
    by_size.sort_by_key(|&list| (std::cmp::Reverse(members[list].len()), list));
    let mut donors = by_size.iter().cycle();
    for list in 0..members.len() {
        if members[list].is_empty()
            && let Some(donor) = donors.next()
            && let Some(&row) = members[*donor].last()
        {
            set(list, row);
        }
    }
}
