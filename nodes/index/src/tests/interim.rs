//! Graphs for rows without an index: begun when a search misses them, extended, kept through the seal, gone with the index.

use super::rig::{Life, Rig, SHARD, VECTOR, append, schema, vector};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use vecraft_index::{IndexSpec, SearchParams, build_bytes};
use vecraft_segment::exec::{Cancel, SearchPlan, search_told};
use vecraft_segment::{GrowingSegment, SealedSegment, Segment, ShardView};
use vecraft_types::{LogPosition, Metric, PartitionId, QueryVectors, SegmentId, Timestamp};

fn show(life: &Life, segment: Segment) {
    life.views.publish(ShardView::of(SHARD, LogPosition(9), Timestamp(9), schema(), [segment]));
}

/// Searches as the query role does, which finds the row; whether every row was compared for it.
fn search(life: &Life, row: usize) -> bool {
    let view = life.views.get(SHARD).unwrap();
    let queries = QueryVectors::Float(vector(row).to_vec());
    let plan = SearchPlan {
        field: VECTOR,
        metric: Metric::L2,
        queries: &queries,
        k: 3,
        partitions: None,
        filter: None,
        range: None,
        params: SearchParams::default(),
    };
    let found = search_told(&view, &plan, Cancel::never(), None).unwrap().remove(0);
    assert_eq!((found.hits.len(), found.hits[0].address.row), (3, row as u32));
    if view.misses_graph() {
        life.node.graphs_missed.notify_one();
    }
    found.recall == Some(1.0)
}

fn index_bytes(rows: usize) -> u64 {
    let spec = IndexSpec::parse("HNSW", &BTreeMap::new()).unwrap();
    build_bytes(&spec, Metric::L2, rows, 4, 1)
}

#[tokio::test]
async fn a_graph_comes_when_searches_miss_it_and_serves_until_the_index_is_there() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    let life = rig.live().await;
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(1), schema()));
    append(&growing, 5_000);
    show(&life, Segment::Growing(growing.clone()));
    assert!(search(&life, 4_321), "no graph yet");
    life.until(|report| report.graphs == 1).await;
    let graph = life.until_graph(5_000).await;
    assert!(!search(&life, 4_321));

    append(&growing, 4_500);
    show(&life, Segment::Growing(growing.clone()));
    assert!(!search(&life, 9_400), "among those that are compared behind the graph");
    assert!(Arc::ptr_eq(&graph, &life.until_graph(9_500).await));

    append(&growing, 500);
    let manifest = rig.write(&growing);
    let sealed = SealedSegment::replacing(rig.files().as_ref(), &manifest, schema(), &growing).unwrap();
    drop(growing);
    // Room for the graph of all rows; that for the index comes later.
    let limit = 10_000 * 300;
    assert!(index_bytes(10_000) > limit);
    rig.memory.limit.store(limit, Relaxed);
    show(&life, Segment::Sealed(Arc::new(sealed)));
    life.node.wake();
    life.until(|report| report.waiting == 1).await;
    life.until_graph(10_000).await;
    assert!(life.segment(1).index(VECTOR).is_none());
    assert!(!search(&life, 9_999));

    rig.memory.limit.store(u64::MAX, Relaxed);
    drop(graph);
    life.until(|report| report.attached == 1 && report.graphs == 0).await;
    assert!(life.segment(1).interim().fields().is_empty());
    assert!(!search(&life, 9_999));
    life.end().await;
}

#[tokio::test]
async fn a_graph_of_many_rows_serves_before_it_has_all_of_them() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    let life = rig.live().await;
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(1), schema()));
    append(&growing, 14_000);
    show(&life, Segment::Growing(growing.clone()));
    assert!(search(&life, 13_000), "no graph yet");
    let graph = life.until_graph(8_192).await;
    assert!(!search(&life, 13_000), "behind those that it has, and missed again");
    assert!(Arc::ptr_eq(&graph, &life.until_graph(14_000).await));

    append(&growing, 10_000);

    let manifest = rig.write(&growing);
    let sealed = SealedSegment::replacing(rig.files().as_ref(), &manifest, schema(), &growing).unwrap();
    drop(growing);
    // No room for the index.
    let limit = 24_000 * 300;
    assert!(index_bytes(24_000) > limit);
    rig.memory.limit.store(limit, Relaxed);
    show(&life, Segment::Sealed(Arc::new(sealed)));
    life.node.wake();
    assert!(Arc::ptr_eq(&graph, &life.until_graph(24_000).await), "without another search");
    life.until_mapped().await;
    assert!(!search(&life, 23_999));
    life.end().await;
}

#[tokio::test]
async fn nobody_gets_a_graph_who_wants_none_or_has_no_memory() {
    let rig = Rig::new();
    rig.wishes.set(&[(1, "FLAT")]);
    let life = rig.live().await;
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(1), schema()));
    append(&growing, 5_000);
    show(&life, Segment::Growing(growing.clone()));
    assert!(search(&life, 4_321));
    life.until_nobody_misses(&growing).await;
    assert!(growing.interim().fields().is_empty());

    rig.wishes.set(&[(1, "IVF_FLAT")]);
    rig.memory.limit.store(1_000, Relaxed);
    assert!(search(&life, 4_321));
    life.until_nobody_misses(&growing).await;
    assert!(search(&life, 4_321), "there is no room");
    rig.memory.limit.store(u64::MAX, Relaxed);
    life.node.graphs_missed.notify_one();
    life.until_graph(5_000).await;
    assert!(!search(&life, 4_321));
    life.end().await;
}

#[tokio::test]
async fn a_graph_gives_way_to_flat_and_to_an_index_without_room() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    let life = rig.live().await;
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(1), schema()));
    append(&growing, 5_000);
    show(&life, Segment::Growing(growing.clone()));
    assert!(search(&life, 4_321));
    drop(life.until_graph(5_000).await);
    rig.wishes.set(&[(2, "FLAT")]);
    life.node.wake();
    life.until(|report| report.graphs == 0).await;
    assert!(search(&life, 4_321), "FLAT compares every row");

    rig.wishes.set(&[(3, "HNSW")]);
    assert!(search(&life, 4_321));
    drop(life.until_graph(5_000).await);
    let graph_bytes = rig.memory.used.load(Relaxed);
    let manifest = rig.write(&growing);
    let sealed = SealedSegment::replacing(rig.files().as_ref(), &manifest, schema(), &growing).unwrap();
    drop(growing);
    // Enough for the index, and not for both.
    rig.memory.limit.store(index_bytes(5_000) + graph_bytes / 2, Relaxed);
    show(&life, Segment::Sealed(Arc::new(sealed)));
    life.node.wake();
    life.until(|report| report.attached == 1 && report.graphs == 0).await;
    assert!(life.segment(1).interim().fields().is_empty());
    life.end().await;
}
