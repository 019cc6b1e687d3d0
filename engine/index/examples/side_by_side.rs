//! Compares two graph indexes over the same vectors in one run: recall@10 against queries a second on one and two
//! threads, build CPU seconds, bytes a vector. Passes alternate between the two, so that whatever else the machine does
//! meets both; the ratios are what counts.
//!
//! ```text
//! side_by_side METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]
//!   METRIC   L2 | IP | COSINE         *.f32   little-endian f32, row after row, nothing else
//!   KEY      a=HNSW b=HNSW_SQ         the two types
//!            M, efConstruction        build parameters of both
//!            refine_k                 search parameter of HNSW_SQ
//!            efs=10,16,...  repeat=5  breadths; passes over the queries, of which the fastest counts
//! ```
//! The truth is the exact scan. Time is the thread's CPU time where the system tells it (Linux), by the clock else.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use vecraft_index::{Hit, IndexSpec, SearchParams, Unwatched, VectorIndex, VectorRows, build, flat_search};
use vecraft_types::Metric;

const K: usize = 10;

fn read(path: &str, dim: usize) -> VectorRows {
    let bytes = std::fs::read(path).unwrap();
    let values = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    VectorRows::from_vec(dim, values).unwrap()
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

fn recall(got: &[Hit], truth: &[Hit]) -> f64 {
    let Some(last) = truth.last() else { return 1.0 };
    let found = got.iter().filter(|hit| hit.distance <= last.distance).count();
    found.min(truth.len()) as f64 / truth.len() as f64
}

struct Run {
    index: Arc<dyn VectorIndex>,
    /// For each breadth: recall, queries a second on one and on two threads.
    points: Vec<(f64, f64, f64)>,
}

/// All queries once, every `step`th from `first`: the answers and the seconds they took.
fn pass(
    index: &dyn VectorIndex,
    queries: &VectorRows,
    params: &SearchParams,
    (first, step): (u32, usize),
) -> (Vec<Vec<Hit>>, f64) {
    let clock = Instant::now();
    let start = thread_seconds(clock);
    let answers = (first..queries.len() as u32)
        .step_by(step)
        .map(|row| index.search(queries.row(row), K, params, None).unwrap())
        .collect();
    (answers, thread_seconds(clock) - start)
}

/// Queries a second at a recall, between the two breadths around it.
fn at(points: &[(f64, f64, f64)], target: f64, qps: impl Fn(&(f64, f64, f64)) -> f64) -> f64 {
    points.windows(2).find(|pair| pair[0].0 <= target && target <= pair[1].0).map_or(f64::NAN, |pair| {
        let share = (target - pair[0].0) / (pair[1].0 - pair[0].0).max(1e-9);
        qps(&pair[0]) + share * (qps(&pair[1]) - qps(&pair[0]))
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metric, dim, base, queries, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: side_by_side METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]");
        std::process::exit(2);
    };
    let dim: usize = dim.parse().unwrap();
    let metric = Metric::parse(metric).unwrap();
    let mut keys: BTreeMap<String, String> = rest
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut take = |key: &str, default: &str| keys.remove(key).unwrap_or_else(|| default.to_owned());
    let types = [take("a", "HNSW"), take("b", "HNSW_SQ")];
    let repeat: usize = take("repeat", "5").parse().unwrap();
    let refine_k = take("refine_k", "").parse().ok();
    let efs = take("efs", "10,12,16,20,24,32,48,64,96,128");
    let efs: Vec<usize> = efs.split(',').map(|ef| ef.parse().unwrap()).collect();
    let (rows, queries) = (read(base, dim), read(queries, dim));

    println!("{rows:?}, {metric:?}, kernels {}", vecraft_kernel::Kernels::active().name());
    let mut runs = types.map(|name| {
        let spec = IndexSpec::parse(&name, &keys).unwrap();
        let cpu = process_seconds();
        let index = build(&spec, metric, rows.clone(), &Unwatched).unwrap();
        println!(
            "{name:<8} {:?}: built in {:.2} s of CPU, {:.0} bytes a vector beside {} of raw values",
            spec.params(),
            process_seconds() - cpu,
            index.memory_bytes() as f64 / rows.len() as f64,
            dim * 4
        );
        Run { index, points: Vec::new() }
    });
    let truth: Vec<Vec<Hit>> = (0..queries.len() as u32)
        .map(|row| flat_search(&rows, metric, queries.row(row), K, None).unwrap())
        .collect();
    println!("{:>4}   recall@10         QPS, 1 thread            QPS, 2 threads", "ef");
    for &ef in &efs {
        let params = SearchParams { ef: Some(ef), refine_k, ..SearchParams::default() };
        let mut best = [(f64::INFINITY, f64::INFINITY); 2];
        let mut found = [0.0; 2];
        for _ in 0..repeat {
            for (side, run) in runs.iter().enumerate() {
                let (answers, seconds) = pass(&*run.index, &queries, &params, (0, 1));
                let total: f64 = answers.iter().zip(&truth).map(|(got, truth)| recall(got, truth)).sum();
                found[side] = total / truth.len() as f64;
                let both = std::thread::scope(|scope| {
                    let threads = [0, 1].map(|first| {
                        let (queries, params) = (&queries, &params);
                        scope.spawn(move || pass(&*run.index, queries, params, (first, 2)).1)
                    });
                    threads.map(|thread| thread.join().unwrap()).into_iter().fold(0.0, f64::max)
                });
                best[side] = (best[side].0.min(seconds), best[side].1.min(both));
            }
        }
        let count = queries.len() as f64;
        for side in 0..2 {
            runs[side].points.push((found[side], count / best[side].0, count / best[side].1));
        }
        let [a, b] = [runs[0].points[runs[0].points.len() - 1], runs[1].points[runs[1].points.len() - 1]];
        println!(
            "{ef:>4}   {:.4} {:.4}   {:>7.0} {:>7.0} x{:.2}   {:>7.0} {:>7.0} x{:.2}",
            a.0,
            b.0,
            a.1,
            b.1,
            b.1 / a.1,
            a.2,
            b.2,
            b.2 / a.2
        );
    }
    for target in [0.90, 0.95, 0.99] {
        let of = |qps: fn(&(f64, f64, f64)) -> f64| runs.each_ref().map(|run| at(&run.points, target, qps));
        let (one, two) = (of(|point| point.1), of(|point| point.2));
        println!(
            "at {target:.2}: 1 thread {:.0} {:.0} x{:.2}, 2 threads {:.0} {:.0} x{:.2}",
            one[0],
            one[1],
            one[1] / one[0],
            two[0],
            two[1],
            two[1] / two[0]
        );
    }
}
