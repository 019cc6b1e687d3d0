//! I13 with several voters: one builds, a majority holds, the others fetch.

use super::peers::OWN;
use super::rig::{Rig, SHARD, VECTOR};
use std::sync::Arc;
use vecraft_index::IndexKind;
use vecraft_rpc::copies::{HoldIndex, IndexHolder};
use vecraft_storage::{Disk, OpenMode, SimDisk};
use vecraft_types::{BuildId, Code, IndexBuild, NodeId, SegmentId};

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 500);
    rig
}

/// Another node with the same rows that has built and named its index: its disk and the build.
async fn builder() -> (Arc<dyn Disk>, IndexBuild) {
    builder_of("HNSW").await
}

async fn builder_of(index_type: &str) -> (Arc<dyn Disk>, IndexBuild) {
    let rig = rig();
    rig.wishes.set(&[(1, index_type)]);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    life.end().await;
    (rig.files(), rig.ledger.build(1, 1).unwrap())
}

/// One of three nodes; the others' disks.
fn one_of_three(rig: &Rig, leader: u64, second: Option<Arc<dyn Disk>>, third: Option<Arc<dyn Disk>>) {
    rig.peers.set_other(2, second);
    rig.peers.set_other(3, third);
    rig.peers.set_leader(leader);
}

fn empty() -> Option<Arc<dyn Disk>> {
    Some(Arc::new(SimDisk::new(2)))
}

fn hold(build: IndexBuild) -> HoldIndex {
    HoldIndex { shard: SHARD, segment: SegmentId(1), build, from: NodeId(2) }
}

#[tokio::test]
async fn i13_a_build_is_named_when_a_majority_holds_its_file() {
    let rig = rig();
    one_of_three(&rig, 1, empty(), empty());
    rig.peers.set_refusing(&[2, 3]);
    let life = rig.live().await;
    life.until(|report| report.failed >= 2).await;
    assert_eq!((rig.ledger.entries(), rig.index_files().len()), (0, 1), "durable here, held by nobody else");
    assert!(life.segment(1).index(VECTOR).is_none());

    rig.peers.set_refusing(&[3]);
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, rig.ledger.entries()), (1, 1), "not built again");
    let held = rig.peers.held();
    let build = rig.ledger.build(1, 1).unwrap();
    assert_eq!(held, [(NodeId(2), HoldIndex { from: OWN, ..hold(build) })]);
    life.answers();
    life.end().await;
}

#[tokio::test]
async fn i13_a_replica_that_does_not_lead_holds_waits_and_never_builds() {
    let (theirs, build) = builder().await;
    let rig = rig();
    one_of_three(&rig, 2, Some(theirs), None);
    let life = rig.live().await;
    life.until(|report| report.awaited == 1).await;
    life.node.hold(hold(build)).await.unwrap();
    // Asked again: it is here.
    life.node.hold(hold(build)).await.unwrap();
    assert_eq!(life.node.sweep().await.unwrap(), 0, "it is kept for its name");
    let report = life.until(|_| true).await;
    assert_eq!((report.attached, report.built, report.fetched), (0, 0, 1), "held, and not in use yet");

    rig.ledger.names(1, build).unwrap();
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.fetched, report.opened, report.awaited), (0, 1, 1, 0));
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
    life.answers();
    life.end().await;

    // After a crash it is still here, and nobody is asked.
    rig.crash();
    one_of_three(&rig, 2, None, None);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.fetched, report.opened), (0, 1));
    life.end().await;
}

#[tokio::test]
async fn i13_what_the_builder_left_held_is_named_by_the_next_leader() {
    let (theirs, build) = builder().await;
    let rig = rig();
    one_of_three(&rig, 2, Some(theirs), None);
    let life = rig.live().await;
    life.until(|report| report.awaited == 1).await;
    life.node.hold(hold(build)).await.unwrap();
    // The builder dies before it could name it.
    one_of_three(&rig, 1, None, empty());
    life.node.wake();
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((rig.ledger.build(1, 1), rig.ledger.entries()), (Some(build), 1));
    assert_eq!(report.fetched, 1);
    life.answers();
    life.end().await;
}

#[tokio::test]
async fn i13_the_next_leader_builds_what_nobody_holds() {
    let rig = rig();
    one_of_three(&rig, 2, None, empty());
    let life = rig.live().await;
    life.until(|report| report.awaited == 1).await;
    one_of_three(&rig, 1, None, empty());
    life.node.wake();
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.awaited), (1, 0));
    life.end().await;
}

#[tokio::test]
async fn i13_a_file_that_is_missing_or_damaged_is_fetched_from_who_has_it() {
    let (theirs, build) = builder().await;
    let rig = rig();
    rig.ledger.names(1, build).unwrap();
    // Whoever leads: here this node itself does. Node 2 has not got it yet.
    one_of_three(&rig, 1, empty(), Some(theirs));
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.fetched, report.unusable), (0, 1, 0));
    life.answers();
    life.end().await;

    let path = rig.named_file(1, 1);
    let file = rig.disk.open(&path, OpenMode::Write).unwrap();
    file.write_at(100, &[0xee; 8]).unwrap();
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.fetched), (0, 1));
    assert_eq!((rig.ledger.build(1, 1), rig.ledger.entries()), (Some(build), 1));
    life.answers();
    life.end().await;
}

#[tokio::test]
async fn i13_while_who_has_the_file_does_not_answer_searches_scan() {
    let (theirs, build) = builder().await;
    let rig = rig();
    rig.ledger.names(1, build).unwrap();
    one_of_three(&rig, 2, None, empty());
    let life = rig.live().await;
    let report = life.until(|report| report.failed >= 3).await;
    assert_eq!((report.attached, report.built, report.unusable), (0, 0, 0));
    one_of_three(&rig, 2, Some(theirs), empty());
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.built, report.fetched), (0, 1));
    life.end().await;
}

#[tokio::test]
async fn i13_a_file_that_a_majority_lost_is_built_again_by_the_leader_alone() {
    let (_, build) = builder().await;
    for (checksum, version) in [(build.checksum, 1), (0xdead, 2)] {
        let named = IndexBuild { checksum, ..build };
        let rig = rig();
        rig.ledger.names(1, named).unwrap();
        one_of_three(&rig, 2, empty(), None);
        let life = rig.live().await;
        life.until(|report| report.failed >= 2).await;
        assert_eq!(life.node.report().built, 0, "not by one that follows");
        one_of_three(&rig, 1, empty(), None);
        life.node.wake();
        let report = life.until(|report| report.attached == 1).await;
        assert_eq!((report.built, report.unusable), (1, 1));
        // The same bytes fit the name; others become the next version, which a majority holds first.
        assert_eq!(rig.ledger.build(1, 1).unwrap().version, version);
        assert_eq!(rig.peers.held().len(), usize::from(version == 2));
        assert_eq!(rig.index_files(), [rig.named_file(1, 1)]);
        life.answers();
        life.end().await;
    }
}

#[tokio::test]
async fn i13_what_cannot_be_of_use_is_not_held() {
    let (theirs, build) = builder().await;
    let rig = rig();
    one_of_three(&rig, 2, Some(theirs), None);
    let life = rig.live().await;
    life.until(|report| report.awaited == 1).await;
    let refused = |build| {
        let node = life.node.clone();
        async move { node.hold(hold(build)).await.unwrap_err().code }
    };
    assert_eq!(refused(IndexBuild { over: 1, ..build }).await, Code::Io, "I22: other rows");
    rig.ledger.names(1, IndexBuild { build: BuildId(5), checksum: 5, ..build }).unwrap();
    assert_eq!(refused(build).await, Code::IndexDuplicate);
    assert!(rig.index_files().is_empty());
    // A segment that is not sealed here yet is waited for, but not beyond the node's stop.
    let later = HoldIndex { segment: SegmentId(9), ..hold(build) };
    let node = life.node.clone();
    let asked = tokio::spawn(async move { node.hold(later).await });
    life.node.wake();
    tokio::task::yield_now().await;
    life.end().await;
    assert_eq!(asked.await.unwrap().unwrap_err().code, Code::NotReady);
}

#[tokio::test]
async fn i13_another_build_that_was_named_first_is_fetched_in_the_place_of_our_own() {
    // Other bytes over the same rows, as another program version would have built them.
    let (theirs, rival) = builder_of("IVF_FLAT").await;
    let rig = rig();
    one_of_three(&rig, 1, Some(theirs), empty());
    rig.ledger.set_rival(1, rival);
    let life = rig.live().await;
    let report = life.until(|report| report.attached == 1).await;
    assert_eq!((report.fetched, rig.ledger.build(1, 1)), (1, Some(rival)));
    assert_eq!(life.segment(1).index(VECTOR).unwrap().kind(), IndexKind::IvfFlat);
    assert_eq!(rig.index_files(), [rig.named_file(1, 1)], "ours goes");
    life.answers();
    life.end().await;
}
