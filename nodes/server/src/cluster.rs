//! How a node stands among others: peers, its replica of group 0, ways to other nodes' roles, and the book of addresses.

use crate::Error;
use crate::directory::Directory;
use crate::forming::FormingDoor;
use crate::local_groups::LocalGroups;
use crate::member_record::{self, MetaReplica};
use crate::settling::removed;
use crate::ways::Ways;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_coordinator::placement::Hosts;
use vecraft_raft_host::{Birth, GroupSpec, Network};
use vecraft_rpc::files::{FilesElsewhere, PeerFiles};
use vecraft_rpc::membership::ClusterAdmin;
use vecraft_rpc::node::{Dial, PeerDial, RemoteNode};
use vecraft_rpc::peer::Peers;
use vecraft_rpc::services::Topology;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_state::meta::{NodeState, first_meta_voters, meta_replicas};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// Before the metastore is told again where this node listens.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// The others, as this node reaches them.
#[derive(Clone)]
pub struct Cluster {
    pub peers: Arc<Peers>,
    pub network: Network,
    /// Where the others reach this node.
    pub address: String,
    /// Answers those who would join, and who ask whether they were let go.
    pub forming: FormingDoor,
}

impl Cluster {
    /// The files of other nodes' groups.
    pub fn files(&self) -> Arc<dyn FilesElsewhere> {
        Arc::new(PeerFiles::new(self.peers.clone()))
    }

    /// How other nodes' roles are reached from a started node.
    pub fn ways(&self, topology: Arc<dyn Topology>) -> Ways {
        Ways::new(topology, Arc::new(PeerDial::new(self.peers.clone())))
    }
}

/// The groups of every node: this one's own, and the others' over the network.
pub fn hosts(own: NodeId, local: Arc<LocalGroups>, cluster: Option<&Cluster>) -> Hosts {
    let dial = cluster.map(|cluster| Arc::new(PeerDial::new(cluster.peers.clone())) as Arc<dyn Dial>);
    Arc::new(move |node| match &dial {
        Some(dial) if node != own => Arc::new(RemoteNode::new(node, dial.clone())),
        _ => local.clone(),
    })
}

/// This node's replica of group 0, as the directory remembers it; for one that forms a cluster, the order of the nodes'
/// ids, because it is allocated before group 0 can (I1).
pub fn meta_spec(config: &Config, directory: &Directory) -> Result<GroupSpec, Error> {
    let identity = directory.identity();
    let kv = directory.kv.as_ref();
    let spec = |replica, birth| GroupSpec { group: GroupId::META, node: identity.node, replica, birth };
    if let Some(known) = member_record::meta_replica(kv)?
        && !identity.is_forming()
    {
        return Ok(spec(known.replica, if known.joins { Birth::Join } else { Birth::Resume }));
    }
    let replicas: BTreeMap<ReplicaId, NodeId> = meta_replicas(nodes(config)).collect();
    let own = replicas.iter().find(|(_, node)| **node == identity.node).map(|(replica, _)| *replica);
    let missing = || Error::Other { what: "configuration", why: format!("it has no node {}", identity.node) };
    let replica = own.ok_or_else(missing)?;
    let voters = first_meta_voters(nodes(config), &config.query_only().map(NodeId).collect());
    let joins = identity.is_forming() && !voters.contains_key(&replica);
    // Later the configuration may list other nodes, and the order would be another.
    member_record::store_meta_replica(kv, MetaReplica { replica, joins })?;
    Ok(spec(
        replica,
        match (identity.is_forming(), joins) {
            (true, true) => Birth::Join,
            (true, false) => Birth::Form(voters),
            (false, _) => Birth::Resume,
        },
    ))
}

fn nodes(config: &Config) -> impl Iterator<Item = NodeId> {
    config.nodes.iter().map(|node| NodeId(node.id))
}

/// Keeps the book of addresses as the metastore has it, tells the metastore when this node listens elsewhere than it
/// says, and stops the node when it was let go.
///
/// # Errors
/// None; the type is what background tasks return.
pub async fn keep_book(
    own: NodeId,
    cluster: Cluster,
    metastore: Metastore,
    admin: Arc<dyn ClusterAdmin>,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    let mut placed = metastore.placed();
    loop {
        placed.mark_unchanged();
        enter(own, &cluster, &metastore);
        let (state, listed, others) = metastore.read(|meta| {
            let row = meta.root().nodes.get(&own);
            (meta.placement().state_of(own), row.map(|row| row.address.clone()), meta.root().nodes.len() > 1)
        });
        if state == Some(NodeState::Removed) {
            shutdown.trigger(removed(own).to_string());
            return Ok(());
        }
        // Nobody looks for a node on its own.
        let is_elsewhere = others && listed.is_some_and(|listed| listed != cluster.address);
        let is_told = !is_elsewhere || admin.moved(own, cluster.address.clone()).await.is_ok();
        let wake = async {
            match is_told {
                true => drop(placed.changed().await),
                false => tokio::time::sleep(TELL_AGAIN).await,
            }
        };
        if shutdown.unless_triggered(wake).await.is_none() {
            return Ok(());
        }
    }
}

/// Enters what the metastore knows here; a node that it does not know keeps the address of the configuration.
pub fn enter(own: NodeId, cluster: &Cluster, metastore: &Metastore) {
    let book = cluster.peers.book();
    metastore.read(|meta| {
        for (node, row) in meta.root().nodes.iter().filter(|(node, _)| **node != own) {
            match meta.placement().state_of(*node) {
                Some(NodeState::Removed) => book.remove(*node),
                _ if row.address.is_empty() => {}
                _ if book.get(*node).as_ref() != Some(&row.address) => book.set(*node, row.address.clone()),
                _ => {}
            }
        }
    });
}
