//! Serving [`ShardAdmin`]: shards and partitions begin and end as entries of the shard's own log (I11), which also names
//! index builds (I13).

use crate::group::refused;
use crate::node::DataNode;
use async_trait::async_trait;
use std::time::Duration;
use vecraft_rpc::services::{ShardAdmin, ShardCreation};
use vecraft_state::shard::{Refusal, ShardCommand};
use vecraft_types::{GroupId, IndexBuild, IndexId, NodeId, PartitionId, Result, SegmentId, ShardId};

const DEADLINE: Duration = Duration::from_secs(10);

#[async_trait]
impl ShardAdmin for DataNode {
    async fn create_shard(&self, group: GroupId, creation: ShardCreation) -> Result<()> {
        let command = ShardCommand::Create { schema: creation.schema };
        self.group(group)?.propose(creation.shard, command, DEADLINE).await.map(drop)
    }

    async fn drop_shard(&self, group: GroupId, shard: ShardId) -> Result<()> {
        self.group(group)?.propose(shard, ShardCommand::Drop, DEADLINE).await.map(drop)
    }

    async fn drop_partition(&self, group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()> {
        match self.group(group)?.ask(shard, ShardCommand::DropPartition { partition }, DEADLINE).await?.1 {
            // The shard went with its collection: the partition is gone too. Only the machine's own word counts: a replica
            // that does not lead is an error with the same code (I11).
            Ok(_) | Err(Refusal::UnknownShard) => Ok(()),
            Err(refusal) => Err(refused(shard, refusal)),
        }
    }

    async fn index_ready(
        &self,
        group: GroupId,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>> {
        let command = ShardCommand::IndexReady { segment, build };
        match self.group(group)?.ask(shard, command, DEADLINE).await?.1 {
            Ok(_) => Ok(Some(build)),
            Err(Refusal::IndexInForce(other)) => Ok(Some(*other)),
            Err(Refusal::NotSealed | Refusal::UnknownShard) => Ok(None),
            Err(refusal) => Err(refused(shard, refusal)),
        }
    }

    async fn index_dropped(&self, group: GroupId, shard: ShardId, index: IndexId) -> Result<()> {
        match self.group(group)?.ask(shard, ShardCommand::IndexDropped { index }, DEADLINE).await?.1 {
            // The shard went with its collection: its indexes are gone too.
            Ok(_) | Err(Refusal::UnknownShard) => Ok(()),
            Err(refusal) => Err(refused(shard, refusal)),
        }
    }

    fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        DataNode::leader_of(self, group)
    }
}
