//! Measures an index on real vectors: build seconds, recall@10 against effort, queries a second on one thread.
//!
//! ```text
//! recall INDEX METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]
//!   INDEX    a type by its Milvus name (HNSW_SQ, IVF_RABITQ, ...)      METRIC   L2 | IP | COSINE
//!   *.f32    little-endian f32, row after row, nothing else
//!   KEY      build parameters (M, efConstruction, nlist), or
//!            filter=0.1,0.5   shares of rows that pass a random filter; one table each
//!            efforts=10,64    values of ef or nprobe to try
//!            refine_k=4, reorder_k=100, rbq_query_bits=4   search parameters of indexes of codes
//!            repeat=3         passes over the queries; the fastest counts
//! ```
//! The truth is the exact scan, so recall needs no third file. Queries a second are counted by the thread's CPU
//! time where the system tells it (Linux), so that other work on the machine disturbs less; by the clock else.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Instant;
use vecraft_index::{
    Hit, IndexSpec, SearchParams, SearchStats, Unwatched, VectorIndex, VectorRows, build, flat_search,
};
use vecraft_types::{Bitmap, Metric};

const K: usize = 10;

fn read(path: &str, dim: usize) -> VectorRows {
    let bytes = std::fs::read(path).unwrap();
    let values = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    VectorRows::from_vec(dim, values).unwrap()
}

fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(',').filter_map(|part| part.parse().ok()).collect()
}

/// Seconds this thread has run.
fn thread_seconds(start: Instant) -> f64 {
    let nanos = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()));
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

/// Seconds of CPU the process has used, all threads.
fn process_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |at| stat.split_whitespace().nth(at).and_then(|field: &str| field.parse::<f64>().ok());
    (ticks(13).unwrap_or(0.0) + ticks(14).unwrap_or(0.0)) / 100.0
}

/// A seeded filter that about `share` of the rows pass.
fn random_filter(rows: usize, share: f64) -> Bitmap {
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

fn recall(got: &[Hit], truth: &[Hit]) -> f64 {
    let Some(last) = truth.last() else { return 1.0 };
    got.iter().filter(|hit| hit.distance <= last.distance).count().min(truth.len()) as f64
        / truth.len() as f64
}

/// One line: recall, QPS and distances for one effort.
fn measure(
    index: &dyn VectorIndex,
    queries: &VectorRows,
    truth: &[Vec<Hit>],
    params: &SearchParams,
    filter: Option<&Bitmap>,
    repeat: usize,
) -> (f64, f64, usize, SearchStats) {
    let count = queries.len() as u32;
    let mut best = f64::INFINITY;
    let mut outcomes = Vec::new();
    let clock = Instant::now();
    for _ in 0..repeat {
        let start = thread_seconds(clock);
        outcomes = (0..count)
            .map(|row| index.search_explained(queries.row(row), K, params, filter).unwrap())
            .collect();
        best = best.min(thread_seconds(clock) - start);
    }
    let found: f64 = outcomes.iter().zip(truth).map(|(got, truth)| recall(&got.hits, truth)).sum();
    let distances = outcomes.iter().map(|outcome| outcome.stats.distances).sum::<usize>() / outcomes.len();
    (found / f64::from(count), f64::from(count) / best, distances, outcomes[0].stats)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [index_type, metric, dim, base, queries, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: recall INDEX METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]");
        std::process::exit(2);
    };
    let dim: usize = dim.parse().unwrap();
    let metric = Metric::parse(metric).unwrap();
    let mut keys: BTreeMap<String, String> = rest
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let shares: Vec<f64> = keys.remove("filter").map(|text| numbers(&text)).unwrap_or_default();
    let repeat: usize = keys.remove("repeat").and_then(|text| text.parse().ok()).unwrap_or(3);
    let refine_k: Option<f32> = keys.remove("refine_k").and_then(|text| text.parse().ok());
    let mut number = |name: &str| -> Option<usize> { keys.remove(name).and_then(|text| text.parse().ok()) };
    let (reorder_k, rbq_query_bits) = (number("reorder_k"), number("rbq_query_bits"));
    let efforts = keys.remove("efforts").unwrap_or_else(|| "10,16,24,32,48,64,96,128,192,256".to_owned());
    let efforts: Vec<usize> = numbers(&efforts);
    let spec = IndexSpec::parse(index_type, &keys).unwrap();
    let rows = read(base, dim);
    let queries = read(queries, dim);

    println!("kernels {}", vecraft_kernel::Kernels::active().name());
    let (start, cpu) = (Instant::now(), process_seconds());
    let index = build(&spec, metric, rows.clone(), &Unwatched).unwrap();
    println!("{index:?}");
    println!(
        "built in {:.2} s, {:.2} s of CPU, on {} threads, {:.1} MB beside the rows",
        start.elapsed().as_secs_f64(),
        process_seconds() - cpu,
        rayon::current_num_threads(),
        index.memory_bytes() as f64 / 1e6
    );
    let filters = std::iter::once(None).chain(shares.iter().map(|share| Some(*share)));
    for share in filters {
        let filter = share.map(|share| random_filter(rows.len(), share));
        let truth: Vec<Vec<Hit>> = (0..queries.len() as u32)
            .map(|row| flat_search(&rows, metric, queries.row(row), K, filter.as_ref()).unwrap())
            .collect();
        println!("share {:<6} effort recall@10       QPS  distances  strategy", share.unwrap_or(1.0));
        for &effort in &efforts {
            let given = Some(effort);
            let coded = SearchParams { refine_k, reorder_k, rbq_query_bits, ..SearchParams::default() };
            let params = SearchParams { ef: given, nprobe: given, ..coded };
            let (found, qps, distances, stats) =
                measure(&*index, &queries, &truth, &params, filter.as_ref(), repeat);
            println!("{effort:>19} {found:>9.4} {qps:>9.0} {distances:>10}  {:?}", stats.strategy);
        }
    }
}
