//! Serving [`ShardAdmin`]: shards and partitions begin and end as entries of the shard's own log (I11).

use crate::node::DataNode;
use async_trait::async_trait;
use std::time::Duration;
use vecraft_rpc::services::{ShardAdmin, ShardCreation};
use vecraft_state::shard::ShardCommand;
use vecraft_types::{Code, GroupId, PartitionId, Result, ShardId};

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
        let command = ShardCommand::DropPartition { partition };
        match self.group(group)?.propose(shard, command, DEADLINE).await {
            // The shard went with its collection: the partition is gone too.
            Err(error) if error.code == Code::ReplicaUnavailable => Ok(()),
            done => done.map(drop),
        }
    }

    fn groups(&self) -> Vec<(GroupId, usize)> {
        let count = |group: &std::sync::Arc<crate::group::DataGroup>| {
            (group.raft.id(), group.machine.lock().replica.shard_ids().len())
        };
        DataNode::groups(self).iter().map(count).collect()
    }
}
