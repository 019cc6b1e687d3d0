//! k-means over vectors of bits: centroids are vectors of bits themselves, and rows belong to the nearest by the index's
//! own metric.
//!
//! A bit of a centroid is what most of its rows say, which makes the sum of their Hamming distances least. JACCARD takes
//! the same vote: centroids with as many bits as their rows have on average found no more (measured on 20,000 rows of 128
//! bits, 64, 8 and 3 of them set, around 30 and 3,000 centres). Where rows are so sparse that a vote leaves nothing,
//! nobody is near such a centroid, and it becomes one of the rows.

use super::{ROUNDS, fill_empty, members, shuffled};
use crate::{BuildMonitor, Error, Result, VectorRows};
use rayon::prelude::*;
use vecraft_kernel::Kernels;
use vecraft_types::Metric;

/// `nlist` centroids, packed. `rows` are of bits and at least `nlist`; the metric is one of bits.
pub(crate) fn train(
    rows: &VectorRows,
    metric: Metric,
    nlist: usize,
    seed: u64,
    monitor: &dyn BuildMonitor,
) -> Result<Vec<u8>> {
    let mut sample = shuffled(rows.len(), nlist, seed);
    let mut centroids: Vec<u8> = sample[..nlist].iter().flat_map(|row| rows.bytes(*row).to_vec()).collect();
    // Rows in order are read faster.
    sample.sort_unstable();
    for _ in 0..ROUNDS {
        if monitor.cancelled() {
            return Err(Error::Cancelled { done: 0, total: rows.len() });
        }
        let lists: Vec<u32> =
            sample.par_iter().map(|&row| nearest(metric, &centroids, rows.bytes(row))).collect();
        let next = votes(rows, &members(&sample, &lists, nlist));
        if next == centroids {
            break;
        }
        centroids = next;
    }
    Ok(centroids)
}

/// The list a row belongs to; equal distances go to the lower list.
pub(crate) fn nearest(metric: Metric, centroids: &[u8], row: &[u8]) -> u32 {
    let mut best = (0, f32::INFINITY);
    for (list, centroid) in centroids.chunks_exact(row.len()).enumerate() {
        let distance = distance(metric, row, centroid);
        if distance < best.1 {
            best = (list as u32, distance);
        }
    }
    best.0
}

/// How far two vectors of bits are from each other.
pub(crate) fn distance(metric: Metric, a: &[u8], b: &[u8]) -> f32 {
    let kernels = Kernels::active();
    if metric == Metric::Jaccard { kernels.jaccard(a, b) } else { kernels.hamming(a, b) as f32 }
}

fn votes(rows: &VectorRows, members: &[Vec<u32>]) -> Vec<u8> {
    let mut centroids: Vec<u8> = members.par_iter().flat_map_iter(|list| vote(rows, list)).collect();
    let row_bytes = rows.dim() / 8;
    fill_empty(members, |list, row| {
        centroids[list * row_bytes..][..row_bytes].copy_from_slice(rows.bytes(row));
    });
    centroids
}

/// The bits that more than half of the rows have; none for no rows.
fn vote(rows: &VectorRows, list: &[u32]) -> Vec<u8> {
    let mut counts = vec![0u32; rows.dim()];
    for &row in list {
        for (eight, byte) in counts.chunks_exact_mut(8).zip(rows.bytes(row)) {
            (0..8).for_each(|j| eight[j] += u32::from(byte >> j & 1));
        }
    }
    let is_most = |count: u32| 2 * count as usize > list.len();
    let byte = |eight: &[u32]| (0..8).fold(0u8, |byte, j| byte | u8::from(is_most(eight[j])) << j);
    counts.chunks_exact(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_types::Packed;

    fn rows(bytes: &[[u8; 2]]) -> VectorRows {
        VectorRows::from_packed(Packed::Bit, 16, bytes.len(), bytes.concat().into()).unwrap()
    }

    #[test]
    fn a_majority_decides() {
        let three = rows(&[[0b111, 1], [0b011, 2], [0b001, 4]]);
        assert_eq!(vote(&three, &[0, 1, 2]), [0b011, 0]);
        assert_eq!(vote(&three, &[0, 2]), [0b001, 0], "half is no majority");
        assert_eq!(vote(&three, &[]), [0, 0]);
    }

    #[test]
    fn sparse_rows_of_which_no_two_agree_have_a_list_each() {
        let sparse = rows(&[[1, 0], [2, 0], [4, 0], [8, 0]]);
        let mut centroids = train(&sparse, Metric::Jaccard, 4, 3, &crate::Unwatched).unwrap();
        centroids.sort_unstable();
        assert_eq!(centroids, [0, 0, 0, 0, 1, 2, 4, 8]);
    }

    #[test]
    fn two_crowds_are_told_apart() {
        let crowd = |all: u8| (0..40u8).map(move |i| [all ^ 1 << (i % 8), all]);
        let both: Vec<[u8; 2]> = crowd(0x0f).chain(crowd(0xf0)).collect();
        for metric in [Metric::Hamming, Metric::Jaccard] {
            let rows = rows(&both);
            let centroids = train(&rows, metric, 2, 3, &crate::Unwatched).unwrap();
            let lists: Vec<u32> = (0..80).map(|row| nearest(metric, &centroids, rows.bytes(row))).collect();
            assert!(lists[..40].iter().all(|list| *list == lists[0]), "{lists:?}");
            assert!(lists[40..].iter().all(|list| *list == 1 - lists[0]), "{lists:?}");
        }
    }
}
