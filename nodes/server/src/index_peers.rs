//! How the index role reaches the other replicas of a shard: members from the data role, files and questions over the
//! network. It decides nothing.

use crate::ways::Ways;
use async_trait::async_trait;
use std::sync::Arc;
use vecraft_data::DataNode;
use vecraft_rpc::copies::{HoldIndex, IndexHolder, IndexPeers, ShardMembers, WholeFile};
use vecraft_types::{Code, Error, NodeId, Result, ShardId};

/// See the [module](self).
pub struct NodePeers {
    pub own: NodeId,
    pub data: Arc<DataNode>,
    /// None on a node that others may not reach.
    pub ways: Option<Ways>,
}

#[async_trait]
impl IndexPeers for NodePeers {
    fn members(&self, shard: ShardId) -> Option<ShardMembers> {
        self.data.shard_members(self.own, shard)
    }

    async fn hold(&self, node: NodeId, hold: HoldIndex) -> Result<()> {
        let nobody = || Error::new(Code::ReplicaUnavailable, format!("there is no way to node {node}"));
        self.ways.as_ref().ok_or_else(nobody)?.node(node).hold(hold).await
    }

    async fn pull(&self, node: NodeId, shard: ShardId, file: WholeFile) -> Result<()> {
        self.data.pull_file(node, shard, file).await
    }
}
