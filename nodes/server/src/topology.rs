//! Where groups and leaders are, from what this node has anyway: its catalogue and its own replicas.

use std::sync::Arc;
use vecraft_coordinator::{LocalCatalogue, Metastore};
use vecraft_data::DataNode;
use vecraft_rpc::services::{Catalogue, Topology};
use vecraft_types::{GroupId, NodeId, ShardId};

/// See the [module](self).
pub struct NodeTopology {
    own: NodeId,
    metastore: Metastore,
    catalogue: Arc<LocalCatalogue>,
    data: DataNode,
}

impl NodeTopology {
    pub fn new(own: NodeId, metastore: Metastore, data: DataNode) -> NodeTopology {
        NodeTopology { own, catalogue: Arc::new(metastore.catalogue()), metastore, data }
    }
}

impl Topology for NodeTopology {
    fn own(&self) -> NodeId {
        self.own
    }

    fn group_of(&self, shard: ShardId) -> Option<GroupId> {
        let placed = |shards: &[vecraft_types::ShardPlacement]| {
            shards.iter().find(|placed| placed.shard == shard).map(|placed| placed.group)
        };
        match self.catalogue.by_id(shard.collection) {
            Some(row) => placed(&row.shards),
            // Not shown yet, or any more: the metastore has every phase.
            None => self.metastore.read(|state| placed(&state.collection(shard.collection)?.shards)),
        }
    }

    fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        match group {
            GroupId::META => self.metastore.leader(),
            group => self.data.leader_of(group),
        }
    }

    fn nodes_of(&self, group: GroupId) -> Vec<NodeId> {
        self.metastore.read(|state| {
            let row = state.root().groups.get(&group);
            row.map(|row| row.replicas.values().copied().collect()).unwrap_or_default()
        })
    }
}
