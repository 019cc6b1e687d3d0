//! Memory runs short while indexes have some (I21): they are used in their mapped files, and come back when it is calm.

use super::rig::{Life, Rig, SHARD, VECTOR, vector};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use vecraft_index::{IndexSpec, SearchParams, build_bytes};
use vecraft_rpc::services::ShardStats;
use vecraft_types::{IndexId, Metric, SegmentId};

fn hnsw_bytes(rows: usize) -> u64 {
    let spec = IndexSpec::parse("HNSW", &BTreeMap::new()).unwrap();
    build_bytes(&spec, Metric::L2, rows, 4, 1)
}

/// A node whose first segment has its index in memory.
async fn indexed(rig: &mut Rig, rows: usize, index_type: &str) -> Life {
    rig.seal(1, rows);
    rig.wishes.set(&[(1, index_type)]);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    life
}

fn finds(life: &Life, segment: u64, row: usize) {
    let index = life.segment(segment).index(VECTOR).unwrap();
    let hits = index.search(&vector(row), 1, &SearchParams::default(), None).unwrap();
    assert_eq!(hits[0].row, row as u32);
}

#[tokio::test]
async fn i21_an_index_is_mapped_when_rows_are_refused_and_comes_back_when_it_is_calm() {
    let mut rig = Rig::new();
    let life = indexed(&mut rig, 5_000, "HNSW").await;
    let in_memory = rig.memory.used.load(Relaxed);

    rig.memory.limit.store(in_memory / 2, Relaxed);
    rig.memory.pressed.notify_one();
    let report = life.until(|report| report.squeezed == 1).await;
    assert_eq!((report.attached, report.opened, report.built), (1, 1, 1));
    assert!(rig.memory.used.load(Relaxed) < in_memory / 2, "{} bytes", rig.memory.used.load(Relaxed));
    finds(&life, 1, 4_321);

    rig.memory.limit.store(u64::MAX, Relaxed);
    let report = life.until(|report| report.squeezed == 0 && report.opened == 2).await;
    assert_eq!((report.attached, report.built, rig.memory.used.load(Relaxed)), (1, 1, in_memory));
    finds(&life, 1, 4_321);
    life.end().await;
}

#[tokio::test]
async fn i21_an_index_that_memory_has_no_room_for_is_opened_mapped() {
    let mut rig = Rig::new();
    let life = indexed(&mut rig, 5_000, "HNSW").await;
    let in_memory = rig.memory.used.load(Relaxed);
    life.end().await;

    rig.memory.limit.store(in_memory / 3, Relaxed);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.squeezed, report.opened, report.built, report.waiting), (1, 1, 0, 0));
    assert!(rig.memory.used.load(Relaxed) < in_memory / 3);
    finds(&life, 1, 4_321);
    life.end().await;
}

#[tokio::test]
async fn i21_others_are_mapped_for_one_that_is_to_be_built() {
    let mut rig = Rig::new();
    rig.seal(1, 6_000);
    rig.seal(2, 5_000);
    rig.wishes.set(&[(1, "HNSW")]);
    // For either of them while it is built, and not for one beside the other.
    rig.memory.limit.store(hnsw_bytes(6_000), Relaxed);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 2).await;
    assert_eq!((report.built, report.waiting), (2, 0));
    assert!(rig.memory.used.load(Relaxed) <= hnsw_bytes(6_000));
    finds(&life, 1, 4_321);
    finds(&life, 2, 1_234);
    life.end().await;
}

#[tokio::test]
async fn i21_what_can_never_be_built_squeezes_nobody() {
    let mut rig = Rig::new();
    let life = indexed(&mut rig, 4_000, "HNSW").await;
    life.end().await;
    rig.seal(2, 9_000);
    rig.memory.limit.store(hnsw_bytes(8_000), Relaxed);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1 && report.waiting == 1).await;
    assert_eq!(report.squeezed, 0);
    // When it has lasted, whoever asks for the index's state is told.
    let (pending, why) = life
        .until_some(|| {
            let mut stats =
                ShardStats { segments: vec![(SegmentId(2), 9_000, true)], ..ShardStats::default() };
            life.node.add_pending(SHARD, &mut stats);
            Some((stats.pending_index_rows[&IndexId(1)], stats.index_failures.remove(&IndexId(1))?))
        })
        .await;
    assert_eq!(pending, 9_000);
    assert!(why.starts_with("no room for it yet, searches scan: memory limit exceeded"), "{why}");
    life.end().await;
}

#[tokio::test]
async fn i21_lists_of_whole_rows_stay_as_they_are() {
    let mut rig = Rig::new();
    let life = indexed(&mut rig, 5_000, "IVF_FLAT").await;
    rig.memory.limit.store(1, Relaxed);
    life.node.squeeze_for_rows();
    life.node.wake();
    life.until(|report| report.pending == 0).await;
    assert_eq!(life.node.report().squeezed, 0);
    finds(&life, 1, 4_321);
    life.end().await;
}

#[tokio::test]
async fn i13_a_damaged_file_is_found_when_it_is_to_be_mapped_and_the_index_in_memory_serves_on() {
    let mut rig = Rig::new();
    let life = indexed(&mut rig, 5_000, "HNSW").await;
    let in_memory = rig.memory.used.load(Relaxed);
    rig.disk.corrupt(&rig.named_file(1, 1), 1_000, 0x40).unwrap();
    rig.memory.limit.store(in_memory / 2, Relaxed);
    rig.memory.pressed.notify_one();
    let report = life.until(|report| report.unusable == 1 && report.waiting == 1).await;
    assert_eq!(report.attached, 1);
    assert_eq!(rig.memory.used.load(Relaxed), in_memory, "what is in memory still counts");
    finds(&life, 1, 4_321);

    rig.memory.limit.store(u64::MAX, Relaxed);
    let report = life.until(|report| report.built == 2).await;
    assert_eq!((report.attached, report.waiting), (1, 0));
    finds(&life, 1, 4_321);
    life.end().await;
}
