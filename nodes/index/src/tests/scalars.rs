//! Scalar indexes: built beside the others, opened after a restart, mended, dropped; each node from its own column files.

use super::rig::{KEY, Life, Rig, SHARD};
use crate::IndexReport;
use std::sync::atomic::Ordering::Relaxed;
use vecraft_expr::Ask;
use vecraft_rpc::services::ShardStats;
use vecraft_segment::Segment;
use vecraft_storage::{Disk, OpenMode};
use vecraft_types::{Bitmap, IndexId, SegmentId};

fn sealed(life: &Life, id: u64) -> std::sync::Arc<vecraft_segment::SealedSegment> {
    let Segment::Sealed(segment) = life.segment(id) else { panic!("{id} grows") };
    segment
}

/// The index of a segment is in use, and right.
#[track_caller]
fn answers(life: &Life, segment: u64, index: u64) {
    let segment = sealed(life, segment);
    let scalars = segment.scalars();
    let index = scalars.get(IndexId(index)).unwrap();
    assert_eq!(scalars.of(KEY).len(), scalars.ids().count());
    let mut sure = vec![0; index.rows().div_ceil(64)];
    index.mark(&Ask::IntRange(120, 122), &mut sure, &mut vec![0; index.rows().div_ceil(64)]);
    assert_eq!(Bitmap::from_words(index.rows(), sure).iter_ones().collect::<Vec<_>>(), [120, 121, 122]);
}

fn made(report: &IndexReport) -> (u64, u64, usize) {
    (report.scalars_built, report.scalars_opened, report.scalars_attached)
}

#[tokio::test]
async fn a_scalar_index_is_built_once_and_opened_after_a_power_cut() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED"), (2, "HNSW")]);
    rig.seal(1, 500);
    rig.seal(2, 300);
    let life = rig.live().await;
    let report = life.until(|report| report.scalars_attached == 2 && report.attached == 2).await;
    assert_eq!(made(&report), (2, 0, 2));
    answers(&life, 1, 1);
    answers(&life, 2, 1);
    life.end().await;
    let over = |segment| rig.column_file(segment);
    let files = [1, 2].map(|segment| format!("scalars/3-0/{segment}-1-{:016x}.sci", over(segment)));
    assert_eq!(rig.scalar_files(), files);
    assert_eq!(rig.ledger.entries(), 2, "no log names a scalar index");

    rig.crash();
    let life = rig.live().await;
    let report = life.until(|report| report.scalars_attached == 2).await;
    assert_eq!(made(&report), (0, 2, 2));
    answers(&life, 1, 1);
    life.end().await;
}

#[tokio::test]
async fn a_damaged_file_is_built_again_and_never_served() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "STL_SORT")]);
    rig.seal(1, 500);
    let life = rig.live().await;
    life.until(|report| report.scalars_attached == 1).await;
    life.end().await;
    let path = rig.scalar_files().remove(0);
    let good = rig.disk.read_all(&path).unwrap();
    // A byte in the head, in the middle, in the sums at the end.
    for at in [9, good.len() / 2, good.len() - 50] {
        let file = rig.disk.open(&path, OpenMode::Write).unwrap();
        file.write_at(at as u64, &[good[at] ^ 0x10]).unwrap();
        let life = rig.live().await;
        let report = life.until(|report| report.scalars_attached == 1).await;
        assert_eq!(made(&report), (1, 0, 1), "byte {at}");
        answers(&life, 1, 1);
        life.end().await;
        assert_eq!(rig.disk.read_all(&path).unwrap(), good, "the same column gives the same bytes");
    }
    rig.disk.remove_file(&path).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.scalars_attached == 1).await;
    assert_eq!(made(&report), (1, 0, 1));
    life.end().await;
}

#[tokio::test]
async fn what_nobody_wants_is_not_used_and_its_files_go() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED")]);
    rig.seal(1, 300);
    rig.seal(2, 200);
    let life = rig.live().await;
    life.until(|report| report.scalars_attached == 2).await;
    let gone = sealed(&life, 2);
    rig.show(&life.views, &[2]);
    life.node.wake();
    life.until(|report| report.scalars_dropped == 1).await;
    assert_eq!(rig.scalar_files().len(), 1);
    assert_eq!(gone.scalars().ids().count(), 1, "who still reads the segment keeps it");

    rig.wishes.set(&[(2, "STL_SORT")]);
    life.node.wake();
    let report = life.until(|report| report.scalars_dropped == 2 && report.scalars_attached == 1).await;
    assert_eq!(made(&report), (3, 0, 1));
    answers(&life, 1, 2);
    assert!(sealed(&life, 1).scalars().get(IndexId(1)).is_none());
    assert_eq!(rig.scalar_files(), [format!("scalars/3-0/1-2-{:016x}.sci", rig.column_file(1))]);
    life.end().await;

    // What a crash left, and what was dropped while the node was down.
    rig.files().open("scalars/3-0/9-9-0000000000000001.new", OpenMode::Create).unwrap();
    rig.files().create_dir_all("scalars/no shard").unwrap();
    rig.wishes.set(&[]);
    let life = rig.live().await;
    life.node.sweep().await.unwrap();
    life.until(|report| report.scalars_dropped == 2).await;
    assert!(rig.scalar_files().is_empty(), "{:?}", rig.scalar_files());
    life.end().await;
}

#[tokio::test]
async fn pending_rows_are_those_of_sealed_segments_without_their_scalar_index() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED")]);
    rig.seal(1, 30);
    let life = rig.live().await;
    life.until(|report| report.scalars_attached == 1).await;
    let pending = |segments: &[(u64, u64, bool)]| {
        let segments = segments.iter().map(|(id, rows, sealed)| (SegmentId(*id), *rows, *sealed)).collect();
        let mut stats = ShardStats { segments, ..ShardStats::default() };
        life.node.add_pending(SHARD, &mut stats);
        stats.pending_index_rows[&IndexId(1)]
    };
    assert_eq!(pending(&[]), 0);
    assert_eq!(pending(&[(1, 30, true)]), 0, "built, however small the segment is");
    assert_eq!(pending(&[(1, 30, true), (3, 700, true), (4, 800, false)]), 700);
    life.end().await;
}

#[tokio::test]
async fn a_full_disk_is_waited_for_and_a_build_takes_room_only_while_it_lasts() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED")]);
    rig.seal(1, 300);
    rig.disk.set_capacity(Some(0));
    let life = rig.live().await;
    life.until(|report| report.failed >= 2).await;
    assert_eq!(sealed(&life, 1).scalars().ids().count(), 0);
    rig.disk.set_capacity(None);
    life.until(|report| report.scalars_attached == 1).await;
    answers(&life, 1, 1);
    assert_eq!(rig.memory.used.load(Relaxed), 0);
    life.end().await;
}

#[tokio::test]
async fn an_index_that_gets_no_room_again_and_again_is_told_with_the_reason() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED")]);
    rig.seal(1, 300);
    rig.memory.limit.store(100, Relaxed);
    let life = rig.live().await;
    let stats = || {
        let segments = vec![(SegmentId(1), 300, true)];
        let mut stats = ShardStats { segments, ..ShardStats::default() };
        life.node.add_pending(SHARD, &mut stats);
        (stats.pending_index_rows[&IndexId(1)], stats.index_failures.get(&IndexId(1)).cloned())
    };
    life.until(|report| report.failed >= 7).await;
    let (pending, why) = stats();
    let why = why.unwrap();
    assert_eq!(pending, 300);
    assert!(why.contains("building the INVERTED index of a segment takes"), "{why}");
    assert!(why.contains("bytes of memory"), "{why}");
    // It is tried on, and nothing is told any more once it is there.
    rig.memory.limit.store(u64::MAX, Relaxed);
    life.until(|report| report.scalars_attached == 1).await;
    assert_eq!(stats(), (0, None));
    life.end().await;
}

#[tokio::test]
async fn i24_a_damaged_column_takes_its_shard_out() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "INVERTED")]);
    rig.seal(1, 20_000);
    // The keys come first: this byte is one of theirs.
    rig.disk.corrupt("groups/1.seg", 10_000, 0x40).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.failed > 0).await;
    assert_eq!(made(&report), (0, 0, 0));
    let [(shard, why)] = &life.views.damaged()[..] else { panic!("nobody was told") };
    assert!(*shard == SHARD && why.contains("groups/1.seg at byte"), "{why}");
    life.end().await;
}
