//! Recall against queries a second, for several indexes over the same vectors in one run.
//!
//! ```text
//! curves METRIC DIM BASE.f32 QUERIES.f32 INDEX... [KEY=VALUE ...]
//!   METRIC   L2 | IP | COSINE         *.f32   little-endian f32, row after row, nothing else
//!   INDEX    a type by its Milvus name, with build parameters and, behind a second colon, search parameters:
//!            HNSW:M=16,efConstruction=200   HNSW_SQ:sq_type=SQ4:refine_k=2   IVF_RABITQ:nlist=256:rbq_query_bits=4
//!   KEY      efforts=10,16,...              values of ef and nprobe to try
//!            filter=0.1,near:0.5            shares of rows that pass: at random, or nearest to one row; one table each
//!            repeat=3                       passes over the queries, alternating between the indexes; the fastest counts
//!            clock=cpu | wall               seconds of the thread (other work disturbs less; many systems count them in steps of
//!                                           4 ms, so passes must be long), or by the clock
//!            json=FILE                      the same figures for a program
//! ```
//! The truth is the exact scan, so recall needs no third file.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic)]

mod shared;

use shared::{
    clustered_filter, numbers, pairs, process_seconds, random_filter, read, recall, thread_seconds, truth,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use vecraft_index::{Hit, IndexSpec, SearchParams, Unwatched, VectorIndex, VectorRows, build};
use vecraft_types::{Bitmap, Metric};

const K: usize = 10;
const TARGETS: [f64; 3] = [0.90, 0.95, 0.99];

struct Options {
    efforts: Vec<usize>,
    repeat: usize,
    by_clock: bool,
}

/// One index and what was measured of it.
struct Subject {
    name: String,
    index: Arc<dyn VectorIndex>,
    params: SearchParams,
    build_cpu_s: f64,
    bytes_a_vector: f64,
    points: Vec<Point>,
}

/// One effort.
struct Point {
    effort: usize,
    recall: f64,
    /// On one thread, and on two.
    qps: [f64; 2],
    distances: usize,
}

impl Subject {
    fn build(text: &str, metric: Metric, rows: &VectorRows) -> Subject {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let [of_build, mut of_search] =
            [parts.next(), parts.next()].map(|words| pairs(words.unwrap_or_default().split(',')));
        let spec = IndexSpec::parse(kind, &of_build).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut number = |key: &str| of_search.remove(key).and_then(|word| word.parse().ok());
        let params = SearchParams {
            reorder_k: number("reorder_k"),
            rbq_query_bits: number("rbq_query_bits"),
            refine_k: of_search.remove("refine_k").and_then(|word| word.parse().ok()),
            ..SearchParams::default()
        };
        let before = process_seconds();
        let index = build(&spec, metric, rows.clone(), &Unwatched).unwrap();
        let build_cpu_s = process_seconds() - before;
        let bytes_a_vector = index.memory_bytes() as f64 / rows.len() as f64;
        Subject { name: text.to_owned(), index, params, build_cpu_s, bytes_a_vector, points: Vec::new() }
    }

    /// All queries once, every `step`th from `first`: hits, distances computed, and the seconds it took.
    fn pass(
        &self,
        queries: &VectorRows,
        effort: usize,
        filter: Option<&Bitmap>,
        (first, step): (u32, usize),
        by_clock: bool,
    ) -> (Vec<Vec<Hit>>, usize, f64) {
        let params = SearchParams { ef: Some(effort), nprobe: Some(effort), ..self.params };
        let clock = Instant::now();
        let now = || if by_clock { clock.elapsed().as_secs_f64() } else { thread_seconds(clock) };
        let start = now();
        let (mut answers, mut distances) = (Vec::new(), 0);
        for row in (first..queries.len() as u32).step_by(step) {
            let outcome = self.index.search_explained(queries.row(row), K, &params, filter).unwrap();
            distances += outcome.stats.distances;
            answers.push(outcome.hits);
        }
        (answers, distances, now() - start)
    }

    /// Queries a second at a recall, between the two efforts around it.
    fn at(&self, target: f64, threads: usize) -> Option<f64> {
        if self.points.first().is_some_and(|first| first.recall >= target) {
            return self.points.first().map(|first| first.qps[threads]);
        }
        self.points.windows(2).find(|pair| pair[0].recall <= target && target <= pair[1].recall).map(|pair| {
            let share = (target - pair[0].recall) / (pair[1].recall - pair[0].recall).max(1e-9);
            pair[0].qps[threads] + share * (pair[1].qps[threads] - pair[0].qps[threads])
        })
    }
}

/// Fills the points of all subjects; passes alternate, so that whatever else the machine does meets all of them.
fn measure(
    subjects: &mut [Subject],
    queries: &VectorRows,
    truth: &[Vec<Hit>],
    filter: Option<&Bitmap>,
    options: &Options,
) {
    for subject in &mut *subjects {
        subject.points.clear();
    }
    for &effort in &options.efforts {
        let mut best = vec![[f64::INFINITY; 2]; subjects.len()];
        let mut found = vec![(0.0, 0); subjects.len()];
        for _ in 0..options.repeat {
            for (at, subject) in subjects.iter().enumerate() {
                let by_clock = options.by_clock;
                let (answers, distances, alone) = subject.pass(queries, effort, filter, (0, 1), by_clock);
                let total: f64 = answers.iter().zip(truth).map(|(got, truth)| recall(got, truth)).sum();
                found[at] = (total / truth.len() as f64, distances / truth.len());
                let both = std::thread::scope(|scope| {
                    let half = |first| {
                        scope.spawn(move || subject.pass(queries, effort, filter, (first, 2), by_clock).2)
                    };
                    [0, 1].map(half).map(|thread| thread.join().unwrap()).into_iter().fold(0.0, f64::max)
                });
                best[at] = [best[at][0].min(alone), best[at][1].min(both)];
            }
        }
        for (at, subject) in subjects.iter_mut().enumerate() {
            let qps = best[at].map(|seconds| queries.len() as f64 / seconds);
            subject.points.push(Point { effort, recall: found[at].0, qps, distances: found[at].1 });
        }
    }
}

fn print(subjects: &[Subject]) {
    for subject in subjects {
        println!("{}\n  effort  recall@10  QPS 1 thread  QPS 2 threads  distances", subject.name);
        for point in &subject.points {
            let [one, two] = point.qps;
            println!(
                "  {:>6}  {:>9.4}  {one:>12.0}  {two:>13.0}  {:>9}",
                point.effort, point.recall, point.distances
            );
        }
    }
    for target in TARGETS {
        println!("at {target:.2}: QPS of 1 and 2 threads, beside the first");
        let first = subjects.first().map(|subject| [0, 1].map(|threads| subject.at(target, threads)));
        for subject in subjects {
            let [one, two] = [0, 1].map(|threads| {
                let (own, first) = (subject.at(target, threads), first.and_then(|first| first[threads]));
                match (own, first) {
                    (Some(own), Some(first)) => format!("{own:>8.0} x{:.2}", own / first),
                    (Some(own), None) => format!("{own:>8.0}"),
                    (None, _) => "not reached".to_owned(),
                }
            });
            println!("  {one}  {two}  {}", subject.name);
        }
    }
}

fn json(subjects: &[Subject], share: f64, is_near: bool) -> String {
    let mut text = String::new();
    for subject in subjects {
        let points: Vec<String> = subject
            .points
            .iter()
            .map(|p| {
                let [one, two] = p.qps;
                let (effort, recall, distances) = (p.effort, p.recall, p.distances);
                format!(
                    r#"{{"effort":{effort},"recall":{recall},"qps":[{one},{two}],"distances":{distances}}}"#
                )
            })
            .collect();
        let (name, cpu, bytes) = (&subject.name, subject.build_cpu_s, subject.bytes_a_vector);
        let points = points.join(",");
        let head = format!(
            r#"{{"name":"{name}","share":{share},"near":{is_near},"build_cpu_s":{cpu},"bytes_a_vector":{bytes}"#
        );
        writeln!(text, r#"{head},"points":[{points}]}}"#).unwrap();
    }
    text
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metric, dim, base, queries, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: curves METRIC DIM BASE.f32 QUERIES.f32 INDEX... [KEY=VALUE ...]");
        std::process::exit(2);
    };
    let is_index = |word: &&String| word.starts_with(|first: char| first.is_ascii_uppercase());
    let (indexes, keys): (Vec<&String>, Vec<&String>) = rest.iter().partition(is_index);
    let mut keys: BTreeMap<String, String> = pairs(keys.into_iter().map(String::as_str));
    let mut take = |key: &str, default: &str| keys.remove(key).unwrap_or_else(|| default.to_owned());
    let options = Options {
        efforts: numbers(&take("efforts", "10,12,16,20,24,32,48,64,96,128,192,256")),
        repeat: take("repeat", "3").parse().unwrap(),
        by_clock: take("clock", "cpu") == "wall",
    };
    let (filters, file) = (take("filter", ""), take("json", ""));
    if let Some(unknown) = keys.keys().next() {
        panic!("{unknown}: no such option");
    }
    let (dim, metric) = (dim.parse().unwrap(), Metric::parse(metric).unwrap());
    let (rows, queries) = (read(base, dim), read(queries, dim));

    println!("{rows:?}, {metric:?}, kernels {}", vecraft_kernel::Kernels::active().name());
    let mut subjects: Vec<Subject> = Vec::new();
    for text in indexes {
        let subject = Subject::build(text, metric, &rows);
        let (cpu, bytes, raw) = (subject.build_cpu_s, subject.bytes_a_vector, dim * 4);
        println!("{text}: {cpu:.2} s of CPU, {bytes:.0} bytes a vector beside {raw} of raw values");
        subjects.push(subject);
    }
    let mut told = String::new();
    for text in std::iter::once("1").chain(filters.split(',').filter(|text| !text.is_empty())) {
        let (is_near, share) = match text.strip_prefix("near:") {
            Some(share) => (true, share.parse::<f64>().unwrap()),
            None => (false, text.parse().unwrap()),
        };
        let filter = match is_near {
            true => Some(clustered_filter(&rows, metric, share)),
            false => (share < 1.0).then(|| random_filter(rows.len(), share)),
        };
        let truth = truth(&rows, metric, &queries, K, filter.as_ref());
        println!("\nshare of rows that pass the filter: {text}");
        measure(&mut subjects, &queries, &truth, filter.as_ref(), &options);
        print(&subjects);
        told += &json(&subjects, share, is_near);
    }
    if !file.is_empty() {
        std::fs::write(&file, told).unwrap();
    }
}
