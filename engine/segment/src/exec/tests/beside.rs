//! Several queries of one call in one index: at the same time, with the answers of one by one.
#![allow(clippy::unwrap_used)]

use super::explain::{plan, shard};
use super::fakes::{Fake, attach};
use crate::exec::*;
use crate::testing::{DIM, mix};
use crate::{GrowingSegment, Segment, ShardView};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vecraft_index::{GrowingHnsw, Range, Unwatched};
use vecraft_types::{LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp};

fn queries(count: usize) -> Vec<f32> {
    (0..count * DIM).map(|at| (mix(at as u64) >> 40) as f32 / (1u64 << 24) as f32).collect()
}

fn by_threads<T: Send>(threads: usize, job: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(job)
}

/// The answers of all queries in one call by two threads are those of one call each by one thread.
fn check_one_by_one(view: &ShardView, values: &[f32], range: Option<Range>) {
    let all = QueryVectors::Float(values.to_vec());
    let together = SearchPlan { range, ..plan(&all, 10) };
    let answers = by_threads(2, || search_told(view, &together, Cancel::never(), None).unwrap());
    assert_eq!(answers.len(), values.len() / DIM);
    for (query, answer) in values.chunks(DIM).zip(&answers) {
        let lone = QueryVectors::Float(query.to_vec());
        let lone = SearchPlan { range, ..plan(&lone, 10) };
        let alone = by_threads(1, || search_told(view, &lone, Cancel::never(), None).unwrap().remove(0));
        assert_eq!(&alone, answer);
    }
}

#[test]
fn queries_of_one_call_are_in_an_index_at_the_same_time() {
    let view = shard(2_000, None, 0);
    let fake = attach(&view, Fake::new(0, 2));
    let values = queries(64);
    let all = QueryVectors::Float(values.clone());
    by_threads(2, || search(&view, &plan(&all, 10), Cancel::never()).unwrap());
    assert_eq!(fake.most_inside(), 2, "two threads search, and nobody waited in vain");
    assert_eq!(fake.searches.load(Ordering::Relaxed), 64);
    check_one_by_one(&view, &values, None);
}

#[test]
fn a_lone_thread_searches_one_after_the_other() {
    let view = shard(2_000, None, 0);
    let fake = attach(&view, Fake::new(0, 0));
    let all = QueryVectors::Float(queries(64));
    by_threads(1, || search(&view, &plan(&all, 10), Cancel::never()).unwrap());
    assert_eq!(fake.most_inside(), 1);
}

#[test]
fn answers_and_notes_keep_the_order_of_the_queries() {
    let graph = ("HNSW", &[("M", "8"), ("efConstruction", "40")][..]);
    let view = shard(4_000, Some(graph), 0);
    let values = queries(100);
    for range in [None, Some(Range { from: 0.001, below: 0.02 }), Some(Range { from: 0.0, below: 0.5 })] {
        check_one_by_one(&view, &values, range);
    }
    let all = QueryVectors::Float(values);
    let told = |threads| {
        let now_us = || 0;
        let book = Notebook::new(&now_us);
        by_threads(threads, || search_told(&view, &plan(&all, 10), Cancel::never(), Some(&book)).unwrap());
        format!("{:?}", book.into_segments())
    };
    assert_eq!(told(1), told(2));
}

#[test]
fn walks_of_an_interim_graph_go_beside_each_other_with_the_same_answers() {
    let schema = Arc::new(crate::testing::schema());
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(1), Arc::clone(&schema));
    let rows: Vec<_> = (0..5_000).map(super::explain::spread).collect();
    growing.append(&crate::testing::batch(&rows), LogPosition(1), Timestamp(1)).unwrap();
    let vectors = growing.vector_rows(crate::testing::VECTOR, 4_800).unwrap();
    let graph = GrowingHnsw::new(Metric::L2, &vectors, 8, 40).unwrap();
    graph.extend(vectors, &Unwatched).unwrap();
    growing.interim().set(crate::testing::VECTOR, Some(Arc::new(graph)));
    let segments = [Segment::Growing(Arc::new(growing))];
    let view = ShardView::of(ShardId::default(), LogPosition(9), Timestamp(9), schema, segments);
    check_one_by_one(&view, &queries(64), None);
}
