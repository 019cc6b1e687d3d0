//! Searches by an interim graph: with rows behind it, deletes, filters, older views, and after the seal.
#![allow(clippy::unwrap_used)]

use crate::exec::*;
use crate::testing::{AGE, DIM, KEY, Row, VECTOR, batch, mix, schema};
use crate::{GRAPH_ROWS_MIN, GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use std::sync::Arc;
use vecraft_expr::Filter;
use vecraft_index::{GrowingHnsw, SearchParams, Unwatched};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::api::{KeyVerdict, SegmentStrategy};
use vecraft_types::{LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp};

const ROWS: u64 = 9_000;

/// Rows that are not on a grid: few equal distances, and no row's neighbours are all the same.
fn row(seed: u64) -> Row {
    let part = |at: u64| (mix(seed * 8 + at) % 100_000) as f32 / 1_000.0;
    Row { vector: [part(0), part(1), part(2), part(3)], ..Row::random(seed) }
}

fn growing() -> Arc<GrowingSegment> {
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(0), Arc::new(schema()));
    for first in (0..ROWS).step_by(500) {
        let rows: Vec<Row> = (first..first + 500).map(row).collect();
        growing.append(&batch(&rows), LogPosition(first / 500 + 1), Timestamp(1)).unwrap();
    }
    Arc::new(growing)
}

fn view(segment: Segment) -> ShardView {
    ShardView::of(ShardId::default(), LogPosition(100), Timestamp(1), Arc::new(schema()), [segment])
}

fn plan<'a>(queries: &'a QueryVectors, filter: Option<&'a Filter>, params: SearchParams) -> SearchPlan<'a> {
    SearchPlan {
        field: VECTOR,
        metric: Metric::L2,
        queries,
        k: 10,
        partitions: None,
        filter,
        range: None,
        params,
    }
}

/// The share of the true neighbours that is found, and whether the estimate says that all rows were compared.
fn recall(view: &ShardView, filter: Option<&Filter>) -> (f64, bool) {
    let values: Vec<f32> = (0..40).flat_map(|at| row(at * 131 + 7).vector.map(|x| x + 0.4)).collect();
    let queries = QueryVectors::Float(values);
    let exact = SearchParams { recall: Some(1.0), ..SearchParams::default() };
    let truth = search_told(view, &plan(&queries, filter, exact), Cancel::never(), None).unwrap();
    let found =
        search_told(view, &plan(&queries, filter, SearchParams::default()), Cancel::never(), None).unwrap();
    let mut share = 0.0;
    for (truth, found) in truth.iter().zip(&found) {
        assert_eq!(truth.recall, Some(1.0));
        assert_eq!(truth.hits.len(), found.hits.len(), "min(k, matches)");
        let rows: Vec<RowAddress> = truth.hits.iter().map(|hit| hit.address).collect();
        let mut seen: Vec<RowAddress> = found.hits.iter().map(|hit| hit.address).collect();
        share += seen.iter().filter(|row| rows.contains(row)).count() as f64 / rows.len() as f64;
        seen.dedup();
        assert_eq!(seen.len(), found.hits.len(), "a row twice");
    }
    (share / truth.len() as f64, found.iter().all(|found| found.recall == Some(1.0)))
}

fn graph_over(growing: &GrowingSegment, rows: u32) -> Arc<GrowingHnsw> {
    let vectors = growing.vector_rows(VECTOR, rows).unwrap();
    assert_eq!((vectors.len(), vectors.dim()), (rows as usize, DIM));
    let graph = GrowingHnsw::new(Metric::L2, &vectors, 16, 100).unwrap();
    graph.extend(vectors, &Unwatched).unwrap();
    Arc::new(graph)
}

#[test]
fn a_graph_over_some_rows_and_the_others_are_one_answer() {
    let growing = growing();
    let shown = view(Segment::Growing(growing.clone()));
    assert_eq!(recall(&shown, None), (1.0, true));
    assert!(growing.interim().take_missed(), "so many rows were compared");
    growing.interim().set(VECTOR, Some(graph_over(&growing, 7_777)));

    let some = Filter::parse("age > 30", &schema()).unwrap();
    let few = Filter::parse("age > 30 and id % 50 == 3", &schema()).unwrap();
    assert!(some.fields().contains(&AGE));
    let check = |shown: &ShardView, what: &str| {
        for filter in [None, Some(&some), Some(&few)] {
            let (share, _) = recall(shown, filter);
            assert!(share >= 0.95, "{what}, {filter:?}: {share}");
        }
        assert!(!recall(shown, None).1, "{what}: nobody measured the graph");
    };
    check(&shown, "some rows behind the graph");
    assert!(!growing.interim().is_missed(), "1,223 rows are compared without asking");
    for at in (0..ROWS as u32).step_by(3) {
        growing.deletes().delete(at, LogPosition(50));
    }
    check(&shown, "a third deleted");
    check(&shown.at(LogPosition(12), Timestamp(1)).unwrap(), "a view of fewer rows than the graph has");

    // Sealed: the same graph, over the mapped file.
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let file = write_segment(&disk, "1.seg", &growing, growing.rows()).unwrap();
    let sealed = SealedSegment::replacing(&*disk, &file, Arc::new(schema()), &growing).unwrap();
    let graph = sealed.interim().get(VECTOR).unwrap();
    let sealed = Arc::new(sealed);
    check(&view(Segment::Sealed(sealed.clone())), "sealed");
    graph.extend(sealed.vector_rows(VECTOR).unwrap(), &Unwatched).unwrap();
    drop((shown, growing));
    assert_eq!(graph.covered(), ROWS as usize);
    check(&view(Segment::Sealed(sealed.clone())), "sealed, all rows in the graph");

    let rows = sealed.vector_rows(VECTOR).unwrap();
    sealed.attach_index(VECTOR, Arc::new(vecraft_index::Flat::new(Metric::L2, rows))).unwrap();
    assert!(sealed.interim().get(VECTOR).is_none(), "the index takes its place");
}

#[test]
fn few_matches_ask_for_no_graph() {
    let growing = growing();
    let shown = view(Segment::Growing(growing.clone()));
    let few = Filter::parse("id % 50 == 3", &schema()).unwrap();
    assert_eq!(recall(&shown, Some(&few)).0, 1.0);
    assert!(!growing.interim().is_missed());
    assert!(growing.rows() > GRAPH_ROWS_MIN);
}

#[test]
fn an_explanation_says_what_the_graph_covers_and_what_it_lost() {
    let growing = growing();
    let shown = view(Segment::Growing(growing.clone()));
    growing.interim().set(VECTOR, Some(graph_over(&growing, 7_777)));
    let (mut lost, mut found) = (0, 0);
    for at in 0..60 {
        let queries = QueryVectors::Float(row(at * 131 + 7).vector.map(|x| x + 0.4).to_vec());
        let narrow = SearchPlan {
            k: 1,
            ..plan(&queries, None, SearchParams { ef: Some(1), ..SearchParams::default() })
        };
        let now_us = || 0;
        let book = Notebook::new(&now_us);
        let hits = search_told(&shown, &narrow, Cancel::never(), Some(&book)).unwrap().remove(0).hits;
        let told = book.into_segments().remove(0);
        assert_eq!((told.strategy, told.expected_recall), (SegmentStrategy::GraphWalk, None));
        assert_eq!(told.index.unwrap().kind, "INTERIM_HNSW");
        assert!(told.why.contains("covers 7777 of 9000 rows, 1223 matches behind it"), "{}", told.why);
        assert!(told.exact_distances > 1_223 && told.exact_distances < ROWS, "{}", told.exact_distances);
        let exact = SearchParams { recall: Some(1.0), ..SearchParams::default() };
        let best =
            search(&shown, &SearchPlan { k: 1, ..plan(&queries, None, exact) }, Cancel::never()).unwrap();
        let key = fetch(&shown, &[best[0][0].address], &[KEY]).unwrap().columns[0].data.key(0).unwrap();
        let told = why_missing(&shown, &narrow, &[key], &hits, Cancel::never()).unwrap().remove(0).told;
        assert_eq!(told.rank, Some(1));
        match told.verdict {
            KeyVerdict::LostByIndex => {
                lost += 1;
                let by = told.lost.unwrap();
                assert_eq!((by.kind.as_str(), by.parameter.as_str(), by.used), ("INTERIM_HNSW", "ef", 1));
            }
            verdict => {
                found += 1;
                assert_eq!(verdict, KeyVerdict::Found);
            }
        }
    }
    assert!(lost > 0 && found > lost, "{lost} lost, {found} found with ef 1");
}
