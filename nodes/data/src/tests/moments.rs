//! I18: a pinned moment shows the same rows after anything.

use super::rig::{GROUP, PARTITION, Rig, SHARD};
use crate::compaction::CompactionPolicy;
use crate::maintenance::compact_once as compact;
use std::collections::BTreeSet;
use vecraft_rpc::services::{PinReply, ReadBarrier, RowChange, ShardAdmin, ShardPin, ShardWriter};
use vecraft_segment::exec::{self, Cancel};
use vecraft_types::api::Consistency;
use vecraft_types::*;

impl Rig {
    async fn pin(&self, millis: u64) -> Result<PinReply> {
        let timestamp = Timestamp::from_millis(millis);
        self.node
            .pin(ShardPin { shard: SHARD, timestamp, newest_partition: PARTITION, deadline_ms: 10_000 })
            .await
    }

    /// The keys that the moment shows.
    async fn keys_at(&self, millis: u64) -> Result<BTreeSet<i64>> {
        let at = Timestamp::from_millis(millis);
        self.node.wait(SHARD, Consistency::Session(at), 10_000).await?;
        let position = self.node.pinned(SHARD, at, &[])?;
        let view = self.node.views.get(SHARD).unwrap();
        assert!(view.position >= position && view.timestamp >= at, "I15: published with the entry");
        let keys = exec::keys(&view.at(position, at).unwrap(), None, None, Cancel::never()).unwrap();
        let number = |key| match key {
            PrimaryKey::Int64(key) => key,
            PrimaryKey::VarChar(_) => unreachable!(),
        };
        Ok(keys.into_iter().map(|(key, _)| number(key)).collect())
    }
}

/// Later than any clock of a machine that runs this.
const LATE: u64 = 1 << 43;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_writes_seals_checkpoints_and_a_loss_of_power_change_nothing_of_a_moment() {
    let mut rig = Rig::new().await;
    rig.insert(0..50).await;
    assert_eq!(rig.pin(LATE).await.unwrap(), PinReply::Pinned);
    let first: BTreeSet<i64> = (0..50).collect();
    assert_eq!(rig.keys_at(LATE).await.unwrap(), first);

    let keys = (0..10).map(PrimaryKey::Int64).collect();
    rig.write(RowChange::DeleteKeys { partition: None, keys }).await.unwrap();
    rig.insert(40..60).await;
    assert_eq!(rig.pin(LATE + 1_000).await.unwrap(), PinReply::Pinned);
    let second: BTreeSet<i64> = (10..60).collect();
    rig.flush().await;
    rig.write(RowChange::DeleteWhere { partitions: vec![], filter: "n >= 0".to_owned() }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(rig.keys_at(LATE).await.unwrap(), first);
        assert_eq!(rig.keys_at(LATE + 1_000).await.unwrap(), second);
        // From the checkpoint and the log behind it.
        rig.crash().await;
    }
    rig.group().checkpoint().await.unwrap();
    rig.crash().await;
    assert_eq!(rig.keys_at(LATE).await.unwrap(), first, "all of it from the checkpoint");
    assert!(rig.keys_at(LATE + 500).await.unwrap_err().detail.contains("no iterator"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_a_compaction_leaves_a_moment_its_rows_until_it_ends() {
    let mut rig = Rig::new().await;
    let policy = CompactionPolicy { inputs_min: 2, ..CompactionPolicy::default() };
    rig.insert(0..50).await;
    rig.flush().await;
    rig.pin(LATE).await.unwrap();
    let first: BTreeSet<i64> = (0..50).collect();
    let keys = (0..40).map(PrimaryKey::Int64).collect();
    rig.write(RowChange::DeleteKeys { partition: None, keys }).await.unwrap();
    // Most rows are deleted, and none of them may go yet.
    assert!(!compact(&rig.group(), &policy).await);
    rig.insert(50..100).await;
    rig.flush().await;
    assert!(compact(&rig.group(), &policy).await, "two of a size are merged");
    rig.group().checkpoint().await.unwrap();
    assert_eq!(rig.keys_at(LATE).await.unwrap(), first);
    rig.crash().await;
    assert_eq!(rig.keys_at(LATE).await.unwrap(), first);
    // An hour later the moment has ended, and with it what only it showed.
    let later = LATE + 3_600_001;
    rig.pin(later).await.unwrap();
    assert!(compact(&rig.group(), &policy).await);
    rig.group().checkpoint().await.unwrap();
    assert_eq!(rig.node.views.get(SHARD).unwrap().segments[0].rows, 60);
    assert_eq!(rig.keys_at(later).await.unwrap(), (40..100).collect());
    rig.keys_at(LATE).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_a_moment_that_has_passed_is_told_with_the_time_that_it_is() {
    let mut rig = Rig::new().await;
    rig.insert(0..5).await;
    let PinReply::Passed(last) = rig.pin(1_000).await.unwrap() else { panic!("long ago") };
    assert!(last > Timestamp::from_millis(1_000));
    assert_eq!(rig.pin(last.millis() + 60_000).await.unwrap(), PinReply::Pinned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_errors_say_why_a_moment_cannot_be_read() {
    let mut rig = Rig::new().await;
    rig.insert(0..5).await;
    rig.pin(LATE).await.unwrap();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    let error = rig.keys_at(LATE).await.unwrap_err();
    assert!(error.is_input_error() && error.detail.contains("partition 9 was dropped"), "{error}");
    rig.pin(LATE + 3_600_001).await.unwrap();
    let error = rig.keys_at(LATE).await.unwrap_err();
    assert!(error.is_input_error() && error.detail.contains("too old"), "{error}");
    let follower = Rig::follower().await;
    assert!(follower.pin(LATE).await.unwrap_err().is_retriable(), "the leader is asked instead");
}
