//! Asks an index for recalls and says what it gave: for each asked recall and filter the given recall, the estimate, and the cost.
//!
//! ```text
//! asked INDEX METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]
//!   INDEX    a type by its Milvus name (HNSW, HNSW_SQ, IVF_PQ, ...)      METRIC   L2 | IP | COSINE
//!   *.f32    little-endian f32, row after row, nothing else
//!   KEY      build parameters (M, efConstruction, nlist), or
//!            filter=0.5,0.01  shares of rows that pass; of each a random filter, and one of the rows nearest to a row
//!            k=10,100         numbers of neighbours
//! ```
//! The truth is the exact scan. A cell holds when the given recall is at most 0.01 below the asked one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic)]

mod shared;

use shared::{clustered_filter, numbers, pairs, random_filter, read, recall, truth};
use std::sync::Mutex;
use std::time::Instant;
use vecraft_index::{BuildMonitor, Hit, IndexSpec, SearchParams, VectorIndex, VectorRows, build};
use vecraft_types::{Bitmap, Metric};

const ASKED: [f32; 7] = [0.80, 0.85, 0.90, 0.95, 0.97, 0.98, 0.99];

/// When the last row was in the index.
struct LastRow(Mutex<Instant>);

impl BuildMonitor for LastRow {
    fn progress(&self, _: usize, _: usize) {
        *self.0.lock().unwrap() = Instant::now();
    }
}

/// Mean recall, mean estimate and mean number of distances.
fn ask(
    index: &dyn VectorIndex,
    queries: &VectorRows,
    truth: &[Vec<Hit>],
    params: &SearchParams,
    k: usize,
    filter: Option<&Bitmap>,
) -> (f64, f64, usize) {
    let (mut found, mut told, mut distances) = (0.0, 0.0, 0);
    for (row, truth) in truth.iter().enumerate() {
        let outcome = index.search_explained(queries.row(row as u32), k, params, filter).unwrap();
        found += recall(&outcome.hits, truth);
        told += f64::from(outcome.stats.recall.unwrap());
        distances += outcome.stats.distances;
    }
    let count = truth.len();
    (found / count as f64, told / count as f64, distances / count)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [index_type, metric, dim, base, queries, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: asked INDEX METRIC DIM BASE.f32 QUERIES.f32 [KEY=VALUE ...]");
        std::process::exit(2);
    };
    let dim: usize = dim.parse().unwrap();
    let metric = Metric::parse(metric).unwrap();
    let mut keys = pairs(rest.iter().map(String::as_str));
    let shares: Vec<f64> = keys.remove("filter").map(|text| numbers(&text)).unwrap_or_default();
    let wanted: Vec<usize> = numbers(&keys.remove("k").unwrap_or_else(|| "10".to_owned()));
    let spec = IndexSpec::parse(index_type, &keys).unwrap();
    let (rows, queries) = (read(base, dim), read(queries, dim));

    let start = Instant::now();
    let last_row = LastRow(Mutex::new(start));
    let index = build(&spec, metric, rows.clone(), &last_row).unwrap();
    let (took, measured) = (start.elapsed(), last_row.0.lock().unwrap().elapsed());
    println!("{index:?}, built in {took:.2?}, of it {measured:.2?} since the last row was in: its recall");
    let mut filters = vec![("all rows".to_owned(), None)];
    for share in shares {
        filters.push((format!("random {share}"), Some(random_filter(rows.len(), share))));
        filters.push((format!("near {share}"), Some(clustered_filter(&rows, metric, share))));
    }
    let (mut cells, mut held, mut worst) = (0, 0, 0.0f64);
    for k in wanted {
        println!("\nk = {k:<12} asked: given (told), distances");
        for (name, filter) in &filters {
            let truth = truth(&rows, metric, &queries, k, filter.as_ref());
            print!("{name:<16}");
            for asked in ASKED {
                let params = SearchParams { recall: Some(asked), ..SearchParams::default() };
                let (given, told, distances) = ask(&*index, &queries, &truth, &params, k, filter.as_ref());
                let holds = given >= f64::from(asked) - 0.01;
                let mark = if holds { ' ' } else { '!' };
                print!("  {asked}: {given:.3}{mark}({told:.3}) {distances:>5}");
                (cells, held) = (cells + 1, held + usize::from(holds));
                worst = worst.max((told - given).abs());
            }
            println!();
        }
    }
    println!("\n{held} of {cells} cells hold; the estimate is wrong by {worst:.3} at most");
}
