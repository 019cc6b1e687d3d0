//! How a node's parts reach the roles of other nodes.

use async_trait::async_trait;
use std::sync::Arc;
use vecraft_proxy::routing::{
    AdminRouter, CatalogueRouter, ClusterRouter, Everywhere, Hops, ReadRouter, WriteRouter,
};
use vecraft_rpc::memory::{NodeRoom, RoomElsewhere, RoomLeft};
use vecraft_rpc::node::{Dial, NodeServices, RemoteNode};
use vecraft_rpc::services::{DigestsElsewhere, GroupDigest, GroupDigests, Topology};
use vecraft_types::{GroupId, NodeId};

/// See the [module](self).
#[derive(Clone)]
pub struct Ways {
    topology: Arc<dyn Topology>,
    dial: Arc<dyn Dial>,
    hops: ShardHops,
}

/// How often shards were asked here, and on other nodes.
#[derive(Clone, Default)]
pub struct ShardHops {
    /// For writes, flushes and figures: at leaders.
    pub writes: Arc<Hops>,
    /// For searches and queries: at replicas.
    pub reads: Arc<Hops>,
}

impl Ways {
    /// By what is known of the cluster, over these connections.
    pub fn new(topology: Arc<dyn Topology>, dial: Arc<dyn Dial>) -> Ways {
        Ways { topology, dial, hops: ShardHops::default() }
    }

    /// All services wherever they are, in the place of this node's own.
    pub fn services(&self, local: &NodeServices) -> NodeServices {
        NodeServices {
            writer: Arc::new(WriteRouter(
                self.everywhere(local.writer.clone(), |node| Arc::new(node))
                    .counting(self.hops.writes.clone()),
            )),
            reader: Arc::new(ReadRouter(
                self.everywhere(local.reader.clone(), |node| Arc::new(node))
                    .counting(self.hops.reads.clone()),
            )),
            admin: Arc::new(AdminRouter(self.everywhere(local.admin.clone(), |node| Arc::new(node)))),
            catalogue: Arc::new(CatalogueRouter(
                self.everywhere(local.catalogue.clone(), |node| Arc::new(node)),
            )),
            digests: local.digests.clone(),
            room: local.room.clone(),
            groups: local.groups.clone(),
            indexes: local.indexes.clone(),
            cluster: Arc::new(ClusterRouter(self.everywhere(local.cluster.clone(), |node| Arc::new(node)))),
            door: local.door.clone(),
        }
    }

    /// One service of all nodes: this node's own, and what `of` makes of another.
    pub fn everywhere<S: ?Sized + 'static>(
        &self,
        local: Arc<S>,
        of: fn(RemoteNode) -> Arc<S>,
    ) -> Everywhere<S>
    where
        Arc<S>: Send + Sync,
    {
        let dial = self.dial.clone();
        Everywhere::new(self.topology.clone(), local, move |node| of(RemoteNode::new(node, dial.clone())))
    }

    /// How often the shards of [`Ways::services`] were asked.
    pub fn hops(&self) -> ShardHops {
        self.hops.clone()
    }

    /// See [`RemoteRoom`].
    pub fn room(&self) -> Arc<RemoteRoom> {
        Arc::new(RemoteRoom(self.dial.clone()))
    }

    /// Another node.
    pub fn node(&self, node: NodeId) -> RemoteNode {
        RemoteNode::new(node, self.dial.clone())
    }
}

#[async_trait]
impl DigestsElsewhere for Ways {
    async fn digest(&self, node: NodeId, group: GroupId) -> vecraft_types::Result<GroupDigest> {
        self.node(node).digest(group).await
    }
}

/// What the other nodes can still take (I21). Asked by tasks that may outlive the roles, so it holds none of them.
pub struct RemoteRoom(Arc<dyn Dial>);

#[async_trait]
impl RoomElsewhere for RemoteRoom {
    async fn room(&self, node: NodeId) -> vecraft_types::Result<RoomLeft> {
        RemoteNode::new(node, self.0.clone()).room().await
    }

    async fn relieve(&self, node: NodeId, group: GroupId) -> vecraft_types::Result<()> {
        RemoteNode::new(node, self.0.clone()).relieve(group).await
    }
}
