//! The role's life with files: built, opened, mended, dropped, cancelled.

use super::rig::{Rig, SHARD, VECTOR, vector};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use vecraft_index::{IndexKind, SearchParams};
use vecraft_rpc::services::ShardStats;
use vecraft_storage::{Disk, OpenMode};
use vecraft_types::{IndexId, SegmentId};

#[tokio::test]
async fn i13_a_built_index_is_opened_after_a_power_cut_and_answers() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 500);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.opened, report.failed), (1, 0, 0));
    life.end().await;
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);

    rig.crash();
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.opened, report.unusable), (0, 1, 0));
    let index = life.segment(1).index(VECTOR).unwrap();
    assert_eq!(index.kind(), IndexKind::Hnsw);
    let hits = index.search(&vector(123), 1, &SearchParams::default(), None).unwrap();
    assert_eq!(hits[0].row, 123);
    life.end().await;
}

#[tokio::test]
async fn a_damaged_or_missing_file_is_built_again_and_never_served() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 500);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    life.end().await;
    let path = rig.index_files().remove(0);
    let good = rig.disk.read_all(&path).unwrap();

    let file = rig.disk.open(&path, OpenMode::Write).unwrap();
    file.write_at(good.len() as u64 / 2, &[good[good.len() / 2] ^ 1]).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.unusable, report.built, report.opened), (1, 1, 0));
    assert_eq!(rig.disk.read_all(&path).unwrap(), good, "the same vectors give the same bytes");
    life.end().await;

    rig.disk.remove_file(&path).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.unusable, report.built, report.opened), (1, 1, 0));
    life.end().await;
    assert_eq!(rig.ledger.entries(), 1, "the same bytes need no new version");
}

#[tokio::test]
async fn dropped_indexes_segments_and_collections_take_their_files_along() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 300);
    rig.seal(2, 200);
    let life = rig.live().await;
    life.until(|report| report.attached == 2).await;

    rig.show(&life.views, &[2]);
    rig.ledger.drop_segment(2);
    life.until(|report| report.dropped == 1).await;
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);

    // Another index on the same field: the old one goes, the new one comes.
    rig.wishes.set(&[(2, "IVF_FLAT")]);
    life.node.wake();
    let report = life.until(|report| report.attached == 1 && report.built == 3).await;
    assert_eq!(report.dropped, 2);
    assert_eq!(life.segment(1).index(VECTOR).unwrap().kind(), IndexKind::IvfFlat);
    assert_eq!(rig.index_files(), [rig.named_file(1, 2)]);
    assert_eq!(rig.ledger.build(1, 1), None, "the log forgot it");

    // A collection takes its shards along, and they take their indexes: that is no business of index entries.
    let (segment, entries) = (life.segment(1), rig.ledger.entries());
    rig.wishes.drop_collection();
    rig.ledger.drop_shard();
    life.views.remove(SHARD);
    life.node.wake();
    life.until(|report| report.dropped == 3).await;
    assert!(segment.index(VECTOR).is_none());
    assert!(rig.index_files().is_empty());
    assert_eq!(rig.ledger.entries(), entries);
    life.end().await;
}

#[tokio::test]
async fn what_was_dropped_while_the_node_was_down_goes_at_start() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 300);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    life.end().await;
    rig.files().open("indexes/3-0/9-9.idx.tmp", OpenMode::Create).unwrap();

    rig.wishes.set(&[]);
    let life = rig.live().await;
    life.until(|report| report.dropped == 1).await;
    life.node.sweep().await.unwrap();
    assert!(rig.index_files().is_empty(), "{:?}", rig.index_files());
    assert_eq!(rig.ledger.build(1, 1), None);
    life.end().await;
}

#[tokio::test]
async fn a_build_nobody_wants_any_more_is_cancelled() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 60_000);
    let life = rig.live().await;
    while life.node.report().working_on.is_none() {
        tokio::task::yield_now().await;
    }
    rig.wishes.set(&[]);
    life.node.wake();
    let report = life.until(|_| true).await;
    assert_eq!((report.built, report.attached, report.failed), (0, 0, 0));
    assert!(rig.index_files().is_empty());

    // The same when the node stops.
    rig.wishes.set(&[(2, "HNSW")]);
    life.node.wake();
    while life.node.report().working_on.is_none() {
        tokio::task::yield_now().await;
    }
    let node = life.node.clone();
    life.end().await;
    assert_eq!((node.report().built, node.report().working_on), (0, None));
    assert_eq!(rig.ledger.entries(), 0);
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 300);
    rig.disk.set_capacity(Some(0));
    let life = rig.live().await;
    life.until(|report| report.failed >= 2).await;
    assert!(life.segment(1).index(VECTOR).is_none());
    rig.disk.set_capacity(None);
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!(report.built, 1);
    life.end().await;
}

#[tokio::test]
async fn i21_an_index_waits_for_room_in_memory_and_gives_it_back() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 2_000);
    rig.seal(2, 300);
    let (limit, used) = (|bytes| rig.memory.limit.store(bytes, Relaxed), || rig.memory.used.load(Relaxed));
    limit(300 << 10);
    let life = rig.live().await;
    // The small one is built, the large one does not fit; nobody calls that a failure.
    let report = life.until(|report| report.attached == 1 && report.waiting == 1).await;
    assert_eq!((report.built, report.failed), (1, 0));
    assert!(life.segment(1).index(VECTOR).is_none() && life.segment(2).index(VECTOR).is_some());
    assert_eq!(used(), life.segment(2).index(VECTOR).unwrap().memory_bytes() as u64);

    // Memory comes free, and nobody tells.
    limit(64 << 20);
    let report = life.until(|report| report.attached == 2).await;
    assert_eq!((report.built, report.waiting), (2, 0));
    let held = [1, 2].map(|id| life.segment(id).index(VECTOR).unwrap().memory_bytes() as u64);
    assert_eq!(used(), held.iter().sum::<u64>());
    life.end().await;

    // After a restart with less memory the files stay and wait, too.
    assert_eq!(used(), 0, "a role that is gone holds nothing");
    limit(0);
    let life = rig.live().await;
    life.until(|report| report.waiting == 2).await;
    assert_eq!(rig.index_files().len(), 2);
    limit(64 << 20);
    let report = life.until(|report| report.attached == 2).await;
    assert_eq!((report.opened, report.built), (2, 0));
    rig.wishes.set(&[]);
    life.node.wake();
    life.until(|report| report.dropped == 2).await;
    assert_eq!(used(), 0);
    life.end().await;
}

#[tokio::test]
async fn i24_a_column_file_that_no_index_can_be_built_over_takes_its_shard_out() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    // Keys take 8 bytes a row, vectors 16: this byte is in a block that holds vectors only.
    rig.seal(1, 20_000);
    rig.disk.corrupt("groups/1.seg", 300_000, 0x40).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.failed > 0).await;
    assert_eq!((report.attached, report.built), (0, 0));
    let [(shard, why)] = &life.views.damaged()[..] else { panic!("nobody was told") };
    assert!(*shard == SHARD && why.contains("groups/1.seg at byte"), "{why}");
    rig.show(&life.views, &[1]);
    assert_eq!(life.views.damaged(), [], "the segment is gone");
    life.end().await;
}

#[tokio::test]
async fn pending_rows_are_those_of_sealed_segments_without_their_index() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "AUTOINDEX")]);
    rig.seal(1, 300);
    rig.seal(2, 99);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    let pending = |segments: &[(u64, u64, bool)]| {
        let segments = segments.iter().map(|(id, rows, sealed)| (SegmentId(*id), *rows, *sealed)).collect();
        let mut stats = ShardStats { segments, ..ShardStats::default() };
        life.node.add_pending(SHARD, &mut stats);
        stats.pending_index_rows
    };
    let rows = |count| BTreeMap::from([(IndexId(1), count)]);
    assert_eq!(pending(&[]), rows(0), "nothing to build is finished");
    assert_eq!(pending(&[(1, 300, true), (2, 99, true)]), rows(0), "built, and too small for a graph");
    assert_eq!(pending(&[(1, 300, true), (3, 700, true), (4, 800, false)]), rows(700), "sealed, growing");
    life.end().await;
}

#[tokio::test]
async fn a_mapped_index_serves_from_its_file_when_built_and_when_opened() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW mapped")]);
    rig.seal(1, 5_000);
    for built in [1, 0] {
        let life = rig.live().await;
        let report = life.until(|report| report.attached == 1).await;
        assert_eq!((report.built, report.opened), (built, 1 - built));
        life.answers();
        let used = rig.memory.used.load(Relaxed);
        assert!(used < 5_000 * 40 && used < report.file_bytes / 4, "{used} of {} bytes", report.file_bytes);
        life.end().await;
    }
}

#[tokio::test]
async fn an_index_that_is_being_built_says_how_far_it_is() {
    const ROWS: u64 = 20_000;
    let mut rig = Rig::new();
    rig.seal(1, ROWS as usize);
    rig.wishes.set(&[(1, "HNSW")]);
    let life = rig.live().await;
    let pending = || {
        let mut stats = ShardStats { segments: vec![(SegmentId(1), ROWS, true)], ..ShardStats::default() };
        life.node.add_pending(SHARD, &mut stats);
        stats.pending_index_rows[&IndexId(1)]
    };
    let report = life
        .until_some(|| {
            let is_half_done = (1..ROWS).contains(&pending());
            is_half_done.then(|| life.node.report()).filter(|report| report.building_seconds_left.is_some())
        })
        .await;
    let (done, all) = report.building_rows;
    assert!(0 < done && done < all && all == ROWS, "{done} of {all}");
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((pending(), report.building_rows, report.building_seconds_left), (0, (0, 0), None));
    life.end().await;
}
