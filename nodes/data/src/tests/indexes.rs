//! I13: the shard's log names index builds, and a node that comes back knows them.

use super::rig::{GROUP, PARTITION, Rig, SHARD, until};
use crate::ShardLedger;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use vecraft_rpc::services::{IndexLedger, ShardAdmin};
use vecraft_types::*;

const SEGMENT: SegmentId = SegmentId(1);
const INDEX: IndexId = IndexId(4);

fn build(version: u32, number: u64) -> IndexBuild {
    IndexBuild {
        index: INDEX,
        field: FieldId(101),
        version,
        build: BuildId(u128::from(number)),
        checksum: number,
        file_bytes: 1,
        over: 77,
    }
}

impl Rig {
    fn ledger(&self) -> ShardLedger {
        ShardLedger::new(self.node.clone(), Arc::new(self.node.clone()))
    }

    async fn ready(&self, segment: SegmentId, build: IndexBuild) -> Option<IndexBuild> {
        self.ledger().index_ready(SHARD, segment, build).await.unwrap()
    }

    fn named(&self) -> Vec<(SegmentId, IndexBuild)> {
        self.ledger().builds(SHARD).unwrap().unwrap()
    }

    /// Whether the index role was told to look since the last question.
    fn was_told(&self) -> bool {
        let mut told = pin!(self.changed.notified());
        matches!(told.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_proposer_hears_which_build_is_in_force() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.ready(SEGMENT, build(1, 1)).await, None, "no such segment");
    rig.insert(0..10).await;
    assert_eq!(rig.ready(SEGMENT, build(1, 1)).await, None, "it takes rows");
    rig.flush().await;
    rig.was_told();

    assert_eq!(rig.ready(SEGMENT, build(1, 1)).await, Some(build(1, 1)));
    assert!(rig.was_told(), "a build that counts is work for the index role");
    let members = rig.node.shard_members(NodeId(1), SHARD).unwrap();
    assert!(members.is_alone() && members.builds_here(), "{members:?}");
    assert_eq!(rig.ready(SEGMENT, build(1, 2)).await, Some(build(1, 1)));
    assert!(!rig.was_told());
    assert_eq!(rig.ready(SEGMENT, build(2, 3)).await, Some(build(2, 3)));
    rig.ledger().settle().await.unwrap();
    assert_eq!(rig.named(), [(SEGMENT, build(2, 3))]);

    rig.was_told();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    assert!(rig.was_told(), "a segment that vanished is, too");
    assert!(rig.named().is_empty());
    assert_eq!(rig.ready(SEGMENT, build(3, 4)).await, None);
    rig.node.drop_shard(GROUP, SHARD).await.unwrap();
    assert!(rig.was_told());
    assert_eq!(rig.ledger().builds(SHARD).unwrap(), None);
    assert_eq!(rig.node.shard_members(NodeId(1), SHARD), None);
    assert_eq!(rig.ready(SEGMENT, build(3, 4)).await, None);
    rig.ledger().index_dropped(SHARD, INDEX).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_builds_come_back_from_the_log_and_from_the_checkpoint() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.flush().await;
    rig.ready(SEGMENT, build(1, 1)).await;
    rig.crash().await;
    assert_eq!(rig.named(), [(SEGMENT, build(1, 1))], "from the log");

    rig.group().checkpoint().await.unwrap();
    rig.crash().await;
    assert_eq!(rig.named(), [(SEGMENT, build(1, 1))], "from the checkpoint");
    assert_eq!(rig.ready(SEGMENT, build(1, 2)).await, Some(build(1, 1)), "still the first");

    rig.ledger().index_dropped(SHARD, INDEX).await.unwrap();
    rig.crash().await;
    until("the drop is applied again", || rig.named().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_of_a_group_out_of_service_nobody_says_that_nothing_is_named() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.flush().await;
    rig.ready(SEGMENT, build(1, 1)).await;
    let group = rig.group();
    rig.node.take_out(GROUP, [], "as asked".to_owned());
    assert!(rig.ledger().builds(SHARD).is_err());
    assert!(rig.ledger().index_ready(SHARD, SEGMENT, build(2, 2)).await.is_err());
    assert!(rig.ledger().index_dropped(SHARD, INDEX).await.is_err());
    group.stop().await;
}
