//! The growing graph: what it finds while rows come, in bad orders, under filters, from several threads.

use super::growing::GrowingHnsw;
use crate::conformance::data;
use crate::{BuildMonitor, Error, Hit, SearchParams, Unwatched, VectorRows, flat_search};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use vecraft_types::{Bitmap, Metric};

const DIM: usize = 16;

/// The first rows, in runs of uneven lengths as the chunks of a growing segment are.
fn first(values: &[f32], rows: usize) -> VectorRows {
    let mut runs = Vec::new();
    let (mut from, mut length) = (0, 100);
    while from < rows {
        let end = (from + length).min(rows);
        let bytes: Vec<u8> = bytemuck::cast_slice(&values[from * DIM..end * DIM]).to_vec();
        runs.push(bytes::Bytes::from_owner(Aligned::of(&bytes)));
        (from, length) = (end, length * 2 + 1);
    }
    VectorRows::from_runs(None, DIM, runs).unwrap()
}

/// Bytes that lie where f32 may lie.
struct Aligned(Vec<f32>);

impl Aligned {
    fn of(bytes: &[u8]) -> Aligned {
        Aligned(bytemuck::pod_collect_to_vec(bytes))
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Rows that come cluster after cluster: the worst order to insert them in.
fn sorted_clusters(rows: usize) -> Vec<f32> {
    data::clustered_values(5, rows, DIM, 40)
}

fn mean_recall(graph: &GrowingHnsw, rows: &VectorRows, limit: usize, filter: Option<&Bitmap>) -> f64 {
    let params = SearchParams { ef: Some(64), ..SearchParams::default() };
    let upto: Bitmap = (0..limit).map(|row| filter.is_none_or(|filter| filter.get(row))).collect();
    let mut found = 0.0;
    for number in 0..50u32 {
        let query = rows.row(number * 37 % rows.len() as u32).to_vec();
        let truth = flat_search(rows, graph.metric(), &query, 10, Some(&upto)).unwrap();
        let got = graph.search(&query, 10, &params, limit, filter).unwrap().hits;
        assert_eq!(got.len(), truth.len(), "min(k, matches)");
        assert!(got.iter().all(|hit| upto.get(hit.row as usize)), "rows behind the limit or the filter");
        let rows: HashSet<u32> = truth.iter().map(|hit: &Hit| hit.row).collect();
        found += got.iter().filter(|hit| rows.contains(&hit.row)).count() as f64 / truth.len() as f64;
    }
    found / 50.0
}

#[test]
fn rows_that_come_cluster_by_cluster_are_found() {
    for metric in [Metric::L2, Metric::Cosine, Metric::Ip] {
        let values = sorted_clusters(6_000);
        let graph = GrowingHnsw::new(metric, &first(&values, 0), 16, 100).unwrap();
        for rows in [500, 501, 2_000, 2_000, 6_000] {
            let shown = first(&values, rows);
            graph.extend(shown.clone(), &Unwatched).unwrap();
            assert_eq!(graph.covered(), rows);
            assert!(mean_recall(&graph, &shown, rows, None) >= 0.95, "{metric:?}, {rows} rows");
        }
        let all = first(&values, 6_000);
        let some: Bitmap = (0..6_000).map(|row| row % 3 == 0).collect();
        assert!(mean_recall(&graph, &all, 6_000, Some(&some)) >= 0.95, "{metric:?}, filtered");
        // An older view shows fewer rows than the graph has.
        assert!(mean_recall(&graph, &all, 1_300, None) >= 0.95, "{metric:?}, an older view");
        assert!(mean_recall(&graph, &all, 1_300, Some(&some)) >= 0.95, "{metric:?}, an older view, filtered");
    }
}

#[test]
fn searches_go_on_while_it_grows() {
    let values = sorted_clusters(5_000);
    let graph = GrowingHnsw::new(Metric::L2, &first(&values, 0), 8, 60).unwrap();
    graph.extend(first(&values, 1_000), &Unwatched).unwrap();
    let is_done = AtomicBool::new(false);
    let looked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for rows in (1_200..=5_000).step_by(200) {
                graph.extend(first(&values, rows), &Unwatched).unwrap();
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) || looked.load(Ordering::Relaxed) == 0 {
            let limit = graph.covered();
            let query = &values[(limit / 2) * DIM..(limit / 2 + 1) * DIM];
            let hits = graph.search(query, 10, &SearchParams::default(), limit, None).unwrap().hits;
            let rows: HashSet<u32> = hits.iter().map(|hit| hit.row).collect();
            assert_eq!((hits.len(), rows.len()), (10, 10));
            assert!(rows.iter().all(|row| (*row as usize) < limit));
            looked.fetch_add(1, Ordering::Relaxed);
        }
    });
    let all = first(&values, 5_000);
    assert!(mean_recall(&graph, &all, 5_000, None) >= 0.95);
}

/// Cancels after so many batches.
struct Impatient(AtomicUsize);

impl BuildMonitor for Impatient {
    fn cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[test]
fn what_was_cancelled_goes_on_with_the_next_call() {
    let values = sorted_clusters(3_000);
    let graph = GrowingHnsw::new(Metric::L2, &first(&values, 0), 8, 60).unwrap();
    graph.extend(first(&values, 1_000), &Unwatched).unwrap();
    let stopped = graph.extend(first(&values, 2_000), &Impatient(AtomicUsize::new(5)));
    assert!(matches!(stopped, Err(Error::Cancelled { total: 2_000, .. })), "{stopped:?}");
    assert_eq!(graph.covered(), 1_000, "half an extension is not shown");
    assert!(mean_recall(&graph, &first(&values, 2_000), 1_000, None) >= 0.95);
    graph.extend(first(&values, 3_000), &Unwatched).unwrap();
    assert_eq!(graph.covered(), 3_000);
    assert!(mean_recall(&graph, &first(&values, 3_000), 3_000, None) >= 0.95);
}

#[test]
fn other_rows_are_refused() {
    let values = sorted_clusters(300);
    let graph = GrowingHnsw::new(Metric::L2, &first(&values, 0), 8, 60).unwrap();
    graph.extend(first(&values, 300), &Unwatched).unwrap();
    let fewer = graph.extend(first(&values, 200), &Unwatched).unwrap_err();
    assert!(matches!(fewer, Error::OtherRows(_)), "{fewer}");
    let narrow = VectorRows::from_vec(8, vec![0.5; 8 * 400]).unwrap();
    assert!(matches!(graph.extend(narrow, &Unwatched).unwrap_err(), Error::OtherRows(_)));
    assert!(matches!(
        graph.search(&[0.0; 3], 1, &SearchParams::default(), 300, None).unwrap_err(),
        Error::Dimension { .. }
    ));
}
