//! Outputs of compactions whose index will not come: the change of readers to them does not wait for ever.

use super::rig::{CALM, Life, Rig, VECTOR};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use vecraft_segment::SealedSegment;

/// A node that works, to which an output of so many rows comes; when.
async fn coming(rig: &mut Rig, rows: usize, index_type: &str) -> (Life, Arc<SealedSegment>, Duration) {
    rig.seal(1, rows);
    rig.wishes.set(&[(1, index_type)]);
    let life = rig.live().await;
    let begun = life.node.clock.monotonic();
    let segment = rig.show_coming(&life.views, 1);
    life.node.wake();
    (life, segment, begun)
}

async fn until_settled(life: &Life, segment: &SealedSegment) {
    life.until_some(|| segment.is_index_settled(VECTOR).then_some(())).await;
}

/// The same, which takes so many times as long as a calm at least.
async fn until_given_up(life: &Life, segment: &SealedSegment, begun: Duration, calms: u32) {
    until_settled(life, segment).await;
    let took = life.node.clock.monotonic() - begun;
    assert!(took >= CALM * calms, "given up after {took:?}");
    assert!(segment.index(VECTOR).is_none());
}

#[tokio::test]
async fn an_output_that_gets_its_index_is_waited_for() {
    let mut rig = Rig::new();
    let (life, segment, _) = coming(&mut rig, 2_000, "HNSW").await;
    until_settled(&life, &segment).await;
    assert!(segment.index(VECTOR).is_some());
    life.end().await;
}

#[tokio::test]
async fn an_output_too_small_for_autoindex_is_not_waited_for() {
    let mut rig = Rig::new();
    let (life, segment, _) = coming(&mut rig, 99, "AUTOINDEX").await;
    until_settled(&life, &segment).await;
    assert!(segment.index(VECTOR).is_none());
    life.end().await;
}

#[tokio::test]
async fn an_output_that_memory_has_no_room_to_index_is_waited_for_until_that_lasts() {
    let mut rig = Rig::new();
    rig.memory.limit.store(1_000, Relaxed);
    let (life, segment, begun) = coming(&mut rig, 2_000, "HNSW").await;
    life.until(|report| report.waiting == 1).await;
    until_given_up(&life, &segment, begun, 1).await;
    // Nobody forgets the index.
    rig.memory.limit.store(u64::MAX, Relaxed);
    life.until_some(|| segment.index(VECTOR)).await;
    life.end().await;
}

#[tokio::test]
async fn an_output_that_another_node_never_indexes_is_not_waited_for_without_end() {
    let mut rig = Rig::new();
    rig.peers.set_other(2, None);
    rig.peers.set_leader(2);
    let (life, segment, begun) = coming(&mut rig, 2_000, "HNSW").await;
    life.until(|report| report.awaited == 1).await;
    until_given_up(&life, &segment, begun, 15).await;
    assert_eq!(life.node.report().built, 0);
    life.end().await;
}
