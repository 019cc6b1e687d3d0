//! I13: between a durable file and its use stands the log's word.

use super::rig::{Rig, SHARD, VECTOR};
use vecraft_storage::{Disk, OpenMode};
use vecraft_types::{BuildId, IndexBuild, IndexId};

/// What another replica built: other bytes over the same rows.
fn foreign(rig: &Rig) -> IndexBuild {
    IndexBuild {
        index: IndexId(1),
        field: VECTOR,
        version: 1,
        build: BuildId(77),
        checksum: 0xdead,
        file_bytes: 10,
        over: rig.column_file(1),
    }
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 500);
    rig
}

#[tokio::test]
async fn i13_an_index_is_named_before_it_is_used() {
    let rig = rig();
    rig.ledger.set_mute(u32::MAX);
    let life = rig.live().await;
    life.until(|report| report.failed >= 1).await;
    assert_eq!(rig.index_files().len(), 1, "durable");
    assert!(life.segment(1).index(VECTOR).is_none(), "and not in use");
    assert_eq!(life.node.sweep().await.unwrap(), 0, "it waits to be named");

    // No room for another file: the one that is there is named, not built again.
    rig.disk.set_capacity(Some(0));
    rig.ledger.set_mute(0);
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, rig.ledger.entries()), (1, 1));
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.answers();
    life.end().await;
}

#[tokio::test]
async fn i13_a_file_that_a_crash_left_unnamed_is_garbage() {
    let rig = rig();
    rig.ledger.set_mute(u32::MAX);
    let life = rig.live().await;
    life.until(|report| report.failed >= 1).await;
    life.end().await;
    rig.crash();
    assert_eq!(rig.index_files().len(), 1);
    rig.wishes.set(&[]);
    let life = rig.live().await;
    assert_eq!(life.node.sweep().await.unwrap(), 1);
    assert!(rig.index_files().is_empty());
    life.end().await;
}

#[tokio::test]
async fn i13_a_named_file_that_nobody_has_is_built_again_as_the_next_version() {
    let rig = rig();
    rig.ledger.names(1, foreign(&rig)).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.unusable, report.built), (1, 1));
    let build = rig.ledger.build(1, 1).unwrap();
    assert_eq!(build.version, 2);
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.answers();
    life.end().await;

    // And that one is in force from now on.
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.opened, report.built), (1, 0));
    assert_eq!(rig.ledger.build(1, 1), Some(build));
    life.end().await;
}

#[tokio::test]
async fn i13_a_build_that_comes_second_is_not_used() {
    let rig = rig();
    let rival = foreign(&rig);
    rig.ledger.set_rival(1, rival);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    // The one in force was not here, so it counted as lost: built again, and named as the next version.
    assert_eq!((report.built, report.unusable, rig.ledger.entries()), (1, 1, 3));
    let build = rig.ledger.build(1, 1).unwrap();
    assert_eq!(build.version, 2);
    assert_ne!(build.checksum, rival.checksum);
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.end().await;
}

#[tokio::test]
async fn i13_equal_bytes_of_another_builder_are_as_good_as_our_own() {
    let first = rig();
    let life = first.live().await;
    life.until(|report| report.attached == 1).await;
    life.end().await;
    let theirs = IndexBuild { build: BuildId(77), ..first.ledger.build(1, 1).unwrap() };

    let rig = rig();
    rig.ledger.set_rival(1, theirs);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.unusable), (1, 0));
    assert_eq!(rig.ledger.build(1, 1), Some(theirs));
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.end().await;
}

#[tokio::test]
async fn i13_a_damaged_file_whose_rebuild_has_other_bytes_gets_the_next_version() {
    let rig = rig();
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    life.end().await;
    // The same file under another checksum, as an older builder would have made it.
    let old = rig.index_files().remove(0);
    let forged = IndexBuild { version: 2, checksum: 5, build: BuildId(8), ..rig.ledger.build(1, 1).unwrap() };
    rig.ledger.names(1, forged).unwrap();
    rig.disk.rename(&old, &rig.named_file(1, 1)).unwrap();

    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.unusable, report.built), (1, 1), "a whole file with another checksum is not served");
    assert_eq!(rig.ledger.build(1, 1).unwrap().version, 3);
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)], "the useless one is gone");
    life.end().await;
}

#[tokio::test]
async fn i13_a_newer_build_takes_the_place_of_the_one_in_use() {
    let rig = rig();
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    // Another replica names the next version with the same bytes: nothing to fetch, nothing to build.
    let next = IndexBuild { version: 2, build: BuildId(9), ..rig.ledger.build(1, 1).unwrap() };
    rig.ledger.names(1, next).unwrap();
    life.node.wake();
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.opened, report.unusable), (1, 0, 0));

    // With other bytes: this replica has no such file, so it is built again; searches use the old one meanwhile.
    rig.ledger.names(1, IndexBuild { version: 3, checksum: 5, ..next }).unwrap();
    let report = life.until(|report| report.built == 2).await;
    assert_eq!((report.attached, report.unusable), (1, 1));
    assert_eq!(rig.ledger.build(1, 1).unwrap().version, 4);
    life.answers();
    life.end().await;
}

#[tokio::test]
async fn i13_an_index_that_this_catalogue_does_not_know_yet_is_not_forgotten() {
    let mut rig = rig();
    rig.seal(2, 500);
    let newer = IndexBuild { index: IndexId(5), ..foreign(&rig) };
    rig.ledger.names(1, newer).unwrap();
    rig.wishes.set_after_barrier(&[(1, "HNSW"), (5, "FROM_THE_FUTURE")]);
    let life = rig.live().await;
    life.until(|report| report.attached == 2).await;
    assert_eq!(rig.ledger.build(1, 5), Some(newer));

    // Once it is dropped, it is.
    rig.wishes.set(&[(1, "HNSW")]);
    rig.ledger.set_mute(2);
    life.node.wake();
    life.until(|report| report.failed == 2 && rig.ledger.build(1, 5).is_none()).await;
    assert_eq!(life.node.report().attached, 2);
    life.end().await;
}

#[tokio::test]
async fn a_directory_that_is_no_shard_is_swept() {
    let rig = rig();
    for path in ["indexes/03-0/1-1-00.idx", "indexes/nonsense/file", "indexes/4-0/1-1-00.idx"] {
        rig.disk.create_dir_all(path.rsplit_once('/').unwrap().0).unwrap();
        rig.disk.open(path, OpenMode::Create).unwrap();
    }
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    assert_eq!(life.node.sweep().await.unwrap(), 3);
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.end().await;
}

#[tokio::test]
async fn i24_a_group_out_of_service_keeps_its_index_files() {
    let mut rig = rig();
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    let files = rig.index_files();
    rig.ledger.set_out_of_service(true);
    life.views.remove(SHARD);
    // When the role looks a second time, what followed from the first look is done.
    for _ in 0..2 {
        let looks = rig.ledger.looks();
        life.node.wake();
        life.until(|_| rig.ledger.looks() > looks).await;
    }
    assert_eq!(life.node.sweep().await.unwrap(), 0);
    life.end().await;
    assert_eq!(rig.index_files(), files);

    rig.seal(2, 200);
    let life = rig.live().await;
    assert_eq!(life.node.sweep().await.unwrap(), 0);
    rig.ledger.set_out_of_service(false);
    life.node.wake();
    let report = life.until(|report| report.attached == 2).await;
    assert_eq!((report.opened, report.built, report.dropped), (1, 1, 0));
    life.end().await;
}
