//! Seeded k-means for coarse centroids: the same centroids for the same rows and seed, on any number of threads.
//!
//! Trained on a sample of at most [`SAMPLE_PER_LIST`] rows a list. For IP and COSINE the centroids are unit
//! vectors and a row belongs to the one with the largest dot product (spherical k-means).

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
pub(super) fn train(
    scorer: &Scorer,
    nlist: usize,
    seed: u64,
    monitor: &dyn BuildMonitor,
) -> Result<Vec<f32>> {
    let (rows, dim) = (scorer.rows.len(), scorer.rows.dim());
    let mut sample: Vec<u32> = (0..rows as u32).collect();
    sample.sort_unstable_by_key(|&row| (mix(seed, u64::from(row)), row));
    sample.truncate(nlist.saturating_mul(SAMPLE_PER_LIST));
    let mut centroids = Vec::with_capacity(nlist * dim);
    for &row in &sample[..nlist] {
        centroids.extend_from_slice(scorer.rows.row(row));
    }
    make_unit(scorer.metric, &mut centroids, dim);
    // Rows in order are read faster.
    sample.sort_unstable();
    for _ in 0..ROUNDS {
        if monitor.cancelled() {
            return Err(Error::Cancelled { done: 0, total: rows });
        }
        let lists: Vec<u32> = sample.par_iter().map(|&row| nearest(scorer, row, &centroids).0).collect();
        centroids = averages(scorer, &sample, &lists, &centroids);
        make_unit(scorer.metric, &mut centroids, dim);
    }
    Ok(centroids)
}

/// The list a row belongs to and the distance to its centroid; equal distances go to the lower list.
pub(super) fn nearest(scorer: &Scorer, row: u32, centroids: &[f32]) -> (u32, f32) {
    let row = scorer.rows.row(row);
    let query = centroid_query(scorer.metric, row);
    let mut best = (0, f32::INFINITY);
    let mut out = [0.0f32; 64];
    for (block, centroids) in centroids.chunks(64 * row.len()).enumerate() {
        let out = &mut out[..centroids.len() / row.len()];
        query.batch(centroids, out);
        for (i, &distance) in out.iter().enumerate() {
            if distance < best.1 {
                best = ((block * 64 + i) as u32, distance);
            }
        }
    }
    best
}

/// Centroids are unit vectors where the metric is a dot product, so the dot product orders them.
pub(super) fn centroid_query(metric: Metric, values: &[f32]) -> Query<'_> {
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

/// New centroids: the mean of each list (of unit rows for COSINE). A list without rows takes half of the
/// largest list: its centroid is one of that list's rows.
fn averages(scorer: &Scorer, sample: &[u32], lists: &[u32], old: &[f32]) -> Vec<f32> {
    let dim = scorer.rows.dim();
    let nlist = old.len() / dim;
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); nlist];
    for (&row, &list) in sample.iter().zip(lists) {
        members[list as usize].push(row);
    }
    let mut centroids: Vec<f32> = members
        .par_iter()
        .flat_map_iter(|rows| {
            let mut sum = vec![0.0f64; dim];
            for &row in rows {
                let weight = f64::from(scorer.weight(row));
                sum.iter_mut().zip(scorer.rows.row(row)).for_each(|(s, x)| *s += f64::from(*x) * weight);
            }
            let count = rows.len().max(1) as f64;
            sum.into_iter().map(move |s| (s / count) as f32)
        })
        .collect();
    let mut by_size: Vec<usize> = (0..nlist).collect();
    by_size.sort_by_key(|&list| (std::cmp::Reverse(members[list].len()), list));
    let mut donors = by_size.iter().cycle();
    for list in 0..nlist {
        if members[list].is_empty()
            && let Some(donor) = donors.next()
            && let Some(&row) = members[*donor].last()
        {
            centroids[list * dim..][..dim].copy_from_slice(scorer.rows.row(row));
        }
    }
    centroids
}
