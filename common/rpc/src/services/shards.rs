//! Life and death of shards, and which index files count.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use vecraft_types::*;

/// Life and death of shards, and which index files count: entries of the shard's own log (I11, I13). Served by the data
/// role that leads the shard's group, asked by the coordinator and by index roles; every call may be repeated.
#[async_trait]
pub trait ShardAdmin: Send + Sync {
    /// Writes CreateShard.
    async fn create_shard(&self, group: GroupId, descriptor: ShardCreation) -> Result<()>;
    /// Writes DropShard.
    async fn drop_shard(&self, group: GroupId, shard: ShardId) -> Result<()>;
    /// Writes DropPartition.
    async fn drop_partition(&self, group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()>;
    /// Writes IndexReady for a durable file (I13). Answers the build in force after the entry; none when the segment
    /// vanished or takes rows.
    async fn index_ready(
        &self,
        group: GroupId,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>>;
    /// Writes IndexDropped (I13).
    async fn index_dropped(&self, group: GroupId, shard: ShardId, index: IndexId) -> Result<()>;
    /// The node that takes a group's writes, as far as this one knows; none when nobody does, or nobody has said yet.
    fn leader_of(&self, group: GroupId) -> Option<NodeId>;
}

/// Which index builds the shards' logs name (I13), as this node's replicas have applied them. Served by the data role,
/// asked by the index role of the same node; every call may be repeated.
#[async_trait]
pub trait IndexLedger: Send + Sync {
    /// The builds in force on a shard; none when the shard is not here. Memory only. An error when nobody can say: the
    /// shard's group is out of service here, and its files stay.
    fn builds(&self, shard: ShardId) -> Result<Option<Vec<(SegmentId, IndexBuild)>>>;
    /// Returns when this node has applied everything that was committed before the call: what [`IndexLedger::builds`]
    /// does not name afterwards, no log named before.
    async fn settle(&self) -> Result<()>;
    /// Has the leader write IndexReady for a durable file; returns when it is applied here. Answers the build in force
    /// after the entry; none when the segment vanished or takes rows.
    async fn index_ready(
        &self,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>>;
    /// Has the leader write IndexDropped; returns when it is applied here.
    async fn index_dropped(&self, shard: ShardId, index: IndexId) -> Result<()>;
}

/// What a new shard must know (I11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardCreation {
    /// The shard.
    pub shard: ShardId,
    /// Its schema.
    pub schema: CollectionSchema,
}
