//! Serving [`IndexLedger`]: which index builds the shards' logs name (I13), and having the leader name another.

use crate::group::DataGroup;
use crate::node::DataNode;
use crate::replica::GroupReplica;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::{IndexLedger, ShardAdmin};
use vecraft_types::{Code, Error, IndexBuild, IndexId, Result, SegmentId, ShardId};

/// For a replica to apply what its leader has.
const DEADLINE: Duration = Duration::from_secs(10);

impl GroupReplica {
    /// The index builds in force on a shard (I13), by segment and index; none when the shard is not here.
    pub fn builds(&self, shard: ShardId) -> Option<Vec<(SegmentId, IndexBuild)>> {
        let state = self.state.shards.get(&shard)?;
        Some(state.builds().map(|(segment, build)| (segment, *build)).collect())
    }
}

/// The builds in force as this node has applied them, and the way to the leaders for new ones.
pub struct ShardLedger {
    node: DataNode,
    leaders: Arc<dyn ShardAdmin>,
}

impl ShardLedger {
    /// `leaders` hands a call to the leader of its group: the node itself where it leads all of them.
    pub fn new(node: DataNode, leaders: Arc<dyn ShardAdmin>) -> ShardLedger {
        ShardLedger { node, leaders }
    }

    /// The group of a shard; none when the shard is not here, an error when its group is out of service (I24).
    fn holder(&self, shard: ShardId) -> Result<Option<Arc<DataGroup>>> {
        self.node.routes.group_of(shard).map(|group| self.node.group(group)).transpose()
    }
}

#[async_trait]
impl IndexLedger for ShardLedger {
    fn builds(&self, shard: ShardId) -> Result<Option<Vec<(SegmentId, IndexBuild)>>> {
        let Some(group) = self.holder(shard)? else { return Ok(None) };
        let machine = group.machine.lock();
        match machine.broken() {
            Some(why) => Err(Error::new(Code::Io, why.to_owned()).with("shard", shard)),
            None => Ok(machine.replica.builds(shard)),
        }
    }

    async fn settle(&self) -> Result<()> {
        for group in self.node.groups() {
            group.read_barrier(DEADLINE).await?;
        }
        Ok(())
    }

    async fn index_ready(
        &self,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>> {
        let Some(group) = self.holder(shard)? else { return Ok(None) };
        let in_force = self.leaders.index_ready(group.id(), shard, segment, build).await?;
        // The leader has applied it; whoever looks at this replica next must see it (I15).
        group.read_barrier(DEADLINE).await?;
        Ok(in_force)
    }

    async fn index_dropped(&self, shard: ShardId, index: IndexId) -> Result<()> {
        let Some(group) = self.holder(shard)? else { return Ok(()) };
        self.leaders.index_dropped(group.id(), shard, index).await?;
        group.read_barrier(DEADLINE).await
    }
}
