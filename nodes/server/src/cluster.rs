//! What a node of a cluster has beside a node on its own: peers, replicas of group 0 elsewhere, ways to other nodes' roles.

use crate::Error;
use crate::directory::Directory;
use crate::identity::Identity;
use crate::topology::NodeTopology;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_data::DataNode;
use vecraft_proxy::routing::Everywhere;
use vecraft_raft_host::{Birth, GroupSpec, Network};
use vecraft_rpc::files::{FilesElsewhere, PeerFiles};
use vecraft_rpc::node::{Dial, PeerDial, RemoteNode};
use vecraft_rpc::peer::Peers;
use vecraft_rpc::services::{DigestsElsewhere, GroupDigest, GroupDigests, Topology};
use vecraft_state::meta::{ClusterId, NodeRow, meta_replicas, meta_voters};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// How often a node that waits for the others looks again.
const LOOK: Duration = Duration::from_millis(50);
/// A line in the log while waiting, so that a person knows for what.
const TELL: Duration = Duration::from_secs(5);
/// For one look whether everything from before the last stop is applied.
const RECOVERY_LOOK: Duration = Duration::from_secs(5);

/// The others, as this node reaches them.
#[derive(Clone)]
pub struct Cluster {
    pub peers: Arc<Peers>,
    pub network: Network,
}

impl Cluster {
    /// The files of other nodes' groups.
    pub fn files(&self) -> Arc<dyn FilesElsewhere> {
        Arc::new(PeerFiles::new(self.peers.clone()))
    }

    /// How other nodes' roles are reached from a started node.
    pub fn ways(&self, own: NodeId, metastore: &Metastore, data: &DataNode) -> Ways {
        let topology = Arc::new(NodeTopology::new(own, metastore.clone(), data.clone()));
        Ways { topology, dial: Arc::new(PeerDial::new(self.peers.clone())) }
    }
}

/// See [`Cluster::ways`].
#[derive(Clone)]
pub struct Ways {
    topology: Arc<dyn Topology>,
    dial: Arc<dyn Dial>,
}

impl Ways {
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
}

#[async_trait]
impl DigestsElsewhere for Ways {
    async fn digest(&self, node: NodeId, group: GroupId) -> vecraft_types::Result<GroupDigest> {
        RemoteNode::new(node, self.dial.clone()).digest(group).await
    }
}

/// Refuses a number of nodes of which some would only follow the catalogue, before anything is touched.
pub fn check_count(config: &Config) -> Result<(), Error> {
    let (listed, voting) = (config.nodes.len(), meta_voters(config.nodes.len()));
    if listed == voting {
        return Ok(());
    }
    let why = format!(
        "it lists {listed} nodes, of which {voting} would vote on the catalogue; nodes that only follow it are not built \
         yet: list 1, 3 or 5"
    );
    Err(Error::Other { what: "configuration", why })
}

/// This node's replica of group 0. The ids are the order of the nodes' ids; they are allocated before group 0 can (I1).
pub fn meta_spec(config: &Config, identity: &Identity) -> Result<GroupSpec, Error> {
    let replicas: BTreeMap<ReplicaId, NodeId> = meta_replicas(nodes(config)).collect();
    let own = replicas.iter().find(|(_, node)| **node == identity.node).map(|(replica, _)| *replica);
    let missing = || Error::Other { what: "configuration", why: format!("it has no node {}", identity.node) };
    let replica = own.ok_or_else(missing)?;
    let voters: BTreeMap<_, _> = replicas.into_iter().take(meta_voters(config.nodes.len())).collect();
    let birth = if identity.is_forming() { Birth::Form(voters) } else { Birth::Resume };
    Ok(GroupSpec { group: GroupId::META, node: identity.node, replica, birth })
}

fn nodes(config: &Config) -> impl Iterator<Item = NodeId> {
    config.nodes.iter().map(|node| NodeId(node.id))
}

/// Returns once the metastore here knows the cluster and has all it had before; the leader tells it what the
/// configuration says when it is new.
///
/// # Errors
/// When the metastore refuses: another cluster's.
pub async fn settle(config: &Config, directory: &Directory, metastore: &Metastore) -> Result<(), Error> {
    let mut waited = Duration::ZERO;
    loop {
        let is_known = metastore.root().cluster.is_some();
        if is_known && metastore.recovered(RECOVERY_LOOK).await.is_ok() {
            return Ok(());
        }
        if !is_known && metastore.is_leader() {
            form(config, directory, metastore).await?;
            continue;
        }
        if waited.as_millis().is_multiple_of(TELL.as_millis()) && !waited.is_zero() {
            let leader = metastore.leader().map(|node| node.0);
            tracing::info!(leader, "waiting for a majority of the metastore's voters");
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}

async fn form(config: &Config, directory: &Directory, metastore: &Metastore) -> Result<(), Error> {
    let rows = config
        .nodes
        .iter()
        .map(|node| NodeRow { id: NodeId(node.id), address: node.address(node.node_port) });
    let cluster = ClusterId(directory.identity().cluster_id);
    let pool = config.data.groups_per_node as u32 * config.nodes.len() as u32;
    let replication = config.cluster.replication as u32;
    match metastore.form(cluster, rows.collect(), replication, pool).await {
        // Another one leads by now, or nobody: the next look tells.
        Err(error) if error.is_retriable() => Ok(()),
        done => done.map_err(Error::other("form the cluster")),
    }
}
