//! What the examples share: reading vectors and options, clocks, filters, recall.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::collections::BTreeMap;
use std::time::Instant;
use vecraft_index::{Hit, VectorRows, flat_search};
use vecraft_types::{Bitmap, Metric};

/// The rows of a file of little-endian f32, row after row, nothing else.
pub fn read(path: &str, dim: usize) -> VectorRows {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let values = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    VectorRows::from_vec(dim, values).unwrap()
}

/// Numbers between commas.
pub fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(',').filter_map(|part| part.parse().ok()).collect()
}

/// `KEY=VALUE` between separators.
pub fn pairs<'a>(parts: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    parts
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Seconds this thread has run, where the system tells it (Linux); by the clock else.
pub fn thread_seconds(start: Instant) -> f64 {
    let nanos = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()));
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

/// Seconds of CPU the process has used, all threads.
pub fn process_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |at| stat.split_whitespace().nth(at).and_then(|field: &str| field.parse::<f64>().ok());
    (ticks(13).unwrap_or(0.0) + ticks(14).unwrap_or(0.0)) / 100.0
}

/// A seeded filter that about `share` of the rows pass.
pub fn random_filter(rows: usize, share: f64) -> Bitmap {
    let mut state = 0x9E37_79B9u64;
    (0..rows)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 <= share
        })
        .collect()
}

/// The share of the rows that is nearest to one of them: a filter that goes with the vectors.
pub fn clustered_filter(rows: &VectorRows, metric: Metric, share: f64) -> Bitmap {
    let centre = rows.row(rows.len() as u32 / 3).to_vec();
    let wanted = (rows.len() as f64 * share) as usize;
    let mut filter = Bitmap::new(rows.len(), false);
    for hit in flat_search(rows, metric, &centre, wanted, None).unwrap() {
        filter.set(hit.row as usize, true);
    }
    filter
}

/// The true nearest rows of each query, by comparing all.
pub fn truth(
    rows: &VectorRows,
    metric: Metric,
    queries: &VectorRows,
    k: usize,
    filter: Option<&Bitmap>,
) -> Vec<Vec<Hit>> {
    (0..queries.len() as u32)
        .map(|row| flat_search(rows, metric, queries.row(row), k, filter).unwrap())
        .collect()
}

/// The share of the true neighbours among the hits; one as near as the last of them counts too.
pub fn recall(got: &[Hit], truth: &[Hit]) -> f64 {
    let Some(last) = truth.last() else { return 1.0 };
    let limit = last.distance + last.distance.abs() * 1e-5;
    let found = got.iter().filter(|hit| hit.distance <= limit).count();
    found.min(truth.len()) as f64 / truth.len() as f64
}
