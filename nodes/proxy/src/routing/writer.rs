//! Writes, life and death of shards, names of index files: at the group's leader.

use super::Everywhere;
use async_trait::async_trait;
use vecraft_rpc::services::{
    PinReply, ShardAdmin, ShardCompact, ShardCreation, ShardPin, ShardSegments, ShardStats, ShardWrite,
    ShardWriter, ShardWritten,
};
use vecraft_types::{GroupId, IndexBuild, IndexId, NodeId, PartitionId, Result, SegmentId, ShardId};

/// Hands each write to its shard's leader.
pub struct WriteRouter(pub Everywhere<dyn ShardWriter>);

#[async_trait]
impl ShardWriter for WriteRouter {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        let group = self.0.group_of(write.shard)?;
        self.0.ask_leader(group, |leader| async move { leader.write(write).await }).await
    }

    async fn pin(&self, pin: ShardPin) -> Result<PinReply> {
        let group = self.0.group_of(pin.shard)?;
        self.0.ask_leader(group, |leader| async move { leader.pin(pin).await }).await
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        let group = self.0.group_of(shard)?;
        self.0.ask_leader(group, |leader| async move { leader.flush(shard).await }).await
    }

    async fn stats(&self, shard: ShardId) -> Result<ShardStats> {
        let group = self.0.group_of(shard)?;
        self.0.ask_leader(group, |leader| async move { leader.stats(shard).await }).await
    }

    async fn compact(&self, ask: ShardCompact) -> Result<()> {
        let group = self.0.group_of(ask.shard)?;
        self.0.ask_leader(group, |leader| async move { leader.compact(ask).await }).await
    }

    async fn segments(&self, shard: ShardId) -> Result<ShardSegments> {
        let group = self.0.group_of(shard)?;
        self.0.ask_leader(group, |leader| async move { leader.segments(shard).await }).await
    }
}

/// Hands each entry of the coordinator and of index roles to the group's leader.
pub struct AdminRouter(pub Everywhere<dyn ShardAdmin>);

#[async_trait]
impl ShardAdmin for AdminRouter {
    async fn create_shard(&self, group: GroupId, creation: ShardCreation) -> Result<()> {
        self.0.on_leader(group, |leader| async move { leader.create_shard(group, creation).await }).await
    }

    async fn drop_shard(&self, group: GroupId, shard: ShardId) -> Result<()> {
        self.0.on_leader(group, |leader| async move { leader.drop_shard(group, shard).await }).await
    }

    async fn drop_partition(&self, group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()> {
        self.0
            .on_leader(group, |leader| async move { leader.drop_partition(group, shard, partition).await })
            .await
    }

    async fn index_ready(
        &self,
        group: GroupId,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>> {
        self.0
            .on_leader(group, |leader| async move { leader.index_ready(group, shard, segment, build).await })
            .await
    }

    async fn index_dropped(&self, group: GroupId, shard: ShardId, index: IndexId) -> Result<()> {
        self.0.on_leader(group, |leader| async move { leader.index_dropped(group, shard, index).await }).await
    }

    fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        self.0.topology.leader_of(group)
    }
}
