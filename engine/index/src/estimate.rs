//! How much memory an index will take while it is built: said before, so that it can be refused instead of tried.

use crate::{IndexSpec, PqShape, SqType};
use vecraft_types::Metric;

/// Rows whose links are chosen at one time: at most this many, and this share of those already linked ([`crate::hnsw`]).
const BATCH_ROWS: u64 = 1_024;
const BATCH_SHARE: u64 = 64;

/// Bytes beside the vectors that building an index takes at its peak, rounded up rather than down. What stays when it is
/// built is [`crate::VectorIndex::memory_bytes`].
///
/// `threads`: how many walk the graph at one time.
pub fn build_bytes(spec: &IndexSpec, metric: Metric, rows: usize, dim: usize, threads: usize) -> u64 {
    let (rows, dim, threads) = (rows as u64, dim as u64, threads as u64);
    let norms = if metric == Metric::Cosine { 4 * rows } else { 0 };
    let spec = spec.resolve(rows as usize);
    match spec {
        IndexSpec::Flat | IndexSpec::Auto => 0,
        IndexSpec::Hnsw { m, .. }
        | IndexSpec::HnswSq { m, .. }
        | IndexSpec::HnswPq { m, .. }
        | IndexSpec::AutoGraph { m, .. } => {
            let m = (m as u64).clamp(2, rows.max(2));
            // Level 0, levels, places; of the upper levels each holds 1/M of the one below.
            let links = rows * (4 * (2 * m).next_multiple_of(16) + 5) + 4 * m * rows.div_ceil(m - 1);
            let codes = match &spec {
                IndexSpec::Hnsw { .. } => 0,
                // A code row with its tail on whole cache lines; the mean. Coarser codes are walked by graphs that
                // were built by these.
                _ => rows * (dim + 16).next_multiple_of(64) + 4 * dim,
            };
            let walked = match &spec {
                IndexSpec::HnswPq { shape, .. } => pq_bytes(*shape, rows, dim, threads),
                IndexSpec::HnswSq { sq_type: SqType::Sq8, .. } => 0,
                // Half floats are the largest; two means and the signs of the rotation.
                IndexSpec::HnswSq { .. } => rows * (2 * dim).next_multiple_of(64) + 24 * dim,
                _ => 0,
            };
            // Order of insertion; which rows a walk has seen; links of a batch, both ways.
            let work =
                4 * rows + threads * rows + BATCH_ROWS.min(rows.div_ceil(BATCH_SHARE)) * 2 * m * 3 * 16;
            norms + links + work + codes + walked
        }
        IndexSpec::IvfFlat { nlist, .. } => norms + list_bytes(nlist, rows, dim),
        // Centroids twice, and how often each bit is set in a list of each thread.
        IndexSpec::BinIvfFlat { nlist, .. } => {
            16 * rows + (nlist as u64).min(rows) * (dim / 2 + 64) + threads * 12 * dim
        }
        // As above; the code rows with their tail, and the list of each.
        IndexSpec::IvfSq8 { nlist, .. } => {
            norms + list_bytes(nlist, rows, dim) + 4 * rows + rows * (dim + 20) + 4 * dim
        }
        IndexSpec::IvfPq { nlist, shape, .. } => {
            let means = 8 * (nlist as u64).min(rows) * dim;
            norms + list_bytes(nlist, rows, dim) + 4 * rows + means + pq_bytes(shape, rows, dim, threads)
        }
        IndexSpec::IvfRabitq { nlist, .. } => {
            let means = 8 * (nlist as u64).min(rows) * dim;
            let code = dim.div_ceil(64) * 8 + 8;
            norms + list_bytes(nlist, rows, dim) + rows * (4 + code) + means + 24 * dim
        }
        IndexSpec::Scann { nlist, .. } => {
            // Twice, list by list and together; blocks of 32 rows and groups of 4 parts are filled up.
            let lists = (nlist as u64).min(rows);
            let (shape, filled) = (PqShape { m: (dim as usize).div_ceil(2), nbits: 4 }, rows + 32 * lists);
            let blocks = 2 * filled * ((dim.div_ceil(2).next_multiple_of(4)) / 2 + 4);
            norms
                + list_bytes(nlist, rows, dim)
                + 4 * rows
                + 8 * lists * (dim + 1)
                + blocks
                + pq_bytes(shape, 0, dim, threads)
                + threads * rows.min(1 << 10) * 24
        }
        // The library's own structures, and a copy of all of it while the file is written.
        IndexSpec::Hnswlib { m, .. } => {
            let m = (m as u64).clamp(2, rows.max(2));
            norms + 2 * rows * (4 * (1 + 2 * m) + 64)
        }
    }
}

/// Lists, their number for each row, the sample; centroids, and the sums they are averaged from.
fn list_bytes(nlist: usize, rows: u64, dim: u64) -> u64 {
    16 * rows + (nlist as u64).min(rows) * (dim * 16 + 8)
}

/// Code rows; codebooks and what they are learned from.
fn pq_bytes(shape: PqShape, rows: u64, dim: u64, threads: u64) -> u64 {
    let (m, entries) = ((shape.m as u64).min(dim), 1u64 << shape.nbits.clamp(4, 16));
    let entries = if (5..8).contains(&shape.nbits) { 256 } else { entries };
    let sample = rows.min(64 * entries).min(1 << 16);
    let a_part = dim.div_ceil(m.max(1));
    let code = if shape.nbits <= 4 { m.div_ceil(2) } else { m * (shape.nbits as u64).div_ceil(8).min(2) };
    rows * (code + 8) + 8 * entries * (dim + m) + threads * sample * (4 * a_part + 16) + 8 * dim
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Unwatched, VectorRows, build};
    use std::collections::BTreeMap;

    #[test]
    fn i21_the_estimate_covers_what_is_built_and_is_not_many_times_as_large() {
        let params = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let specs = [
            ("HNSW", params(&[("M", "4"), ("efConstruction", "20")])),
            ("HNSW", params(&[("M", "48"), ("efConstruction", "60")])),
            ("HNSW_SQ", params(&[("M", "16"), ("efConstruction", "20")])),
            ("IVF_FLAT", params(&[("nlist", "64")])),
            ("IVF_SQ8", params(&[("nlist", "64")])),
            ("IVF_PQ", params(&[("nlist", "64"), ("m", "4")])),
            ("IVF_PQ", params(&[("nlist", "4"), ("m", "3"), ("nbits", "4")])),
            ("HNSW_PQ", params(&[("M", "16"), ("efConstruction", "20"), ("m", "8")])),
            ("HNSW_SQ", params(&[("M", "16"), ("efConstruction", "20"), ("sq_type", "SQ4")])),
            ("HNSW_SQ", params(&[("M", "16"), ("efConstruction", "20"), ("sq_type", "FP16")])),
            ("IVF_RABITQ", params(&[("nlist", "64")])),
            ("SCANN", params(&[("nlist", "64")])),
            ("HNSWLIB", params(&[("M", "8"), ("efConstruction", "20")])),
        ];
        let count = 3_000;
        for dim in [8, 200] {
            let values = (0..count * dim).map(|i| ((i * 2_654_435_761_usize) % 1_000) as f32).collect();
            let rows = VectorRows::from_vec(dim, values).unwrap();
            for (name, params) in &specs {
                let spec = IndexSpec::parse(name, params).unwrap();
                for metric in [Metric::L2, Metric::Cosine] {
                    let index = build(&spec, metric, rows.clone(), &Unwatched).unwrap();
                    let (held, estimate) =
                        (index.memory_bytes() as u64, build_bytes(&spec, metric, count, dim, 2));
                    let what = format!("{name} {params:?}, {dim} dimensions: {held} of {estimate}");
                    assert!(held > 0 && held <= estimate, "{what}");
                    assert!(estimate <= 6 * held + (1 << 20), "{what}");
                }
            }
        }
        let bits = crate::conformance::bits::clustered_bits(1, count, 0.5);
        let spec = IndexSpec::BinIvfFlat { nlist: 64, seed: 1 };
        let held = build(&spec, Metric::Hamming, bits, &Unwatched).unwrap().memory_bytes() as u64;
        let estimate = build_bytes(&spec, Metric::Hamming, count, 128, 2);
        assert!(held > 0 && held <= estimate && estimate <= 6 * held, "bits: {held} of {estimate}");
        assert_eq!(build_bytes(&IndexSpec::Auto, Metric::L2, count, 8, 2), 0, "a scan needs nothing");
    }
}
