//! What the coordinator is told about ends of shards and partitions: done means done.

use super::rig::{GROUP, PARTITION, Rig, SHARD};
use vecraft_rpc::services::{RowChange, ShardAdmin, ShardCreation};
use vecraft_types::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_replica_that_does_not_lead_drops_nothing_and_says_so() {
    let rig = Rig::follower().await;
    let schema = CollectionSchema::new(vec![FieldSchema::new("id", DataType::Int64).primary(false)]);
    let answers = [
        rig.node.create_shard(GROUP, ShardCreation { shard: SHARD, schema }).await,
        rig.node.drop_partition(GROUP, SHARD, PARTITION).await,
        rig.node.drop_shard(GROUP, SHARD).await,
        rig.node.index_dropped(GROUP, SHARD, IndexId(1)).await,
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(error.is_retriable(), "the coordinator asks again: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_went_with_its_shard_is_dropped() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    let key = RowChange::DeleteKeys { partition: None, keys: vec![PrimaryKey::Int64(3)] };
    assert_eq!(rig.write(key).await.unwrap().deleted, 0);
    rig.node.drop_shard(GROUP, SHARD).await.unwrap();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_tell_which_partitions_are_gone_also_after_a_restart() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    let gone = |rig: &Rig| rig.node.views.get(SHARD).unwrap().gone.clone();
    assert!(gone(&rig).is_empty());
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    assert_eq!(*gone(&rig), [PARTITION].into());
    // What follows shows the same, and from a checkpoint it comes back.
    let key = RowChange::DeleteKeys { partition: None, keys: vec![PrimaryKey::Int64(3)] };
    rig.write(key).await.unwrap();
    assert_eq!(*gone(&rig), [PARTITION].into());
    rig.flush().await;
    rig.crash().await;
    assert_eq!(*gone(&rig), [PARTITION].into());
}
