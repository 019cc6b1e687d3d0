//! Who is in the cluster, and where each group's replicas should be: the *wanted* side of membership (I1, I2).
//!
//! ```text
//! a node:     Expected ── admitted ──> Active <──> Draining ──> Leaving ──> Removed, for ever
//!             Expected ── taken back ──> unknown again: nobody ever had the id
//! a replica:  placed (a new id) ──> added and promoted by its group ──> let go by its group ──> row taken away
//! ```
//! What holds at all times: an id that a node or replica had is never given twice; a group never loses its last replica; a
//! plan that was made for other replicas of a group than those that stand here is refused (its version is older).
//! Whether a replica runs, and whether its group counts it, is not known here.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{Error, GroupId, NodeId, ReplicaId, Result};

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// An operator announced it; it has not come yet.
    Expected,
    /// It takes replicas.
    Active,
    /// Its replicas move away; it stays.
    Draining,
    /// Its replicas move away, and then it is removed.
    Leaving,
    /// It is gone. Its id is not given again.
    Removed,
}

impl NodeState {
    /// In the words of the command line.
    pub fn name(self) -> &'static str {
        match self {
            NodeState::Expected => "expected",
            NodeState::Active => "active",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
            NodeState::Removed => "removed",
        }
    }
}

/// What is known of a node beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Where it stands.
    pub state: NodeState,
    /// Random bits that its directory drew before it asked to join: the same directory may ask again, another one may
    /// not (I1). Zero for the nodes that formed the cluster.
    pub directory: u128,
}

/// See the [module](self). A part of [`MetaState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Replicas with lower ids were made with the cluster. All others join a group that exists (I1).
    pub formed_below: ReplicaId,
    /// Copies wanted of each pool group; zero until the first leader has told what its configuration says.
    pub replication: u32,
    /// Every node there ever was, and those that are announced.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// How often a group's wanted replicas have changed.
    pub versions: BTreeMap<GroupId, u64>,
    /// Nodes whose replicas follow and never vote: they answer reads. Settled when a node joins. Not a part of this record's
    /// bytes: a checkpoint has it behind, where earlier programs wrote nothing.
    #[serde(skip)]
    pub query_only: BTreeSet<NodeId>,
}

impl Placement {
    /// How a cluster of programs before this record looked: all nodes active, all replicas made with the cluster.
    pub(super) fn of_formed(root: &super::MetaRoot) -> Placement {
        let active = NodeRecord { state: NodeState::Active, directory: 0 };
        Placement {
            formed_below: ReplicaId(root.next.replica),
            nodes: root.nodes.keys().map(|node| (*node, active)).collect(),
            ..Placement::default()
        }
    }

    /// Where a node stands; none when nobody ever heard of it.
    pub fn state_of(&self, node: NodeId) -> Option<NodeState> {
        self.nodes.get(&node).map(|record| record.state)
    }

    /// Whether replicas on a node may vote and count as copies.
    pub fn keeps_copies(&self, node: NodeId) -> bool {
        !self.query_only.contains(&node)
    }

    /// Whether a node with this empty directory could ever join under this id (I1). A refusal holds for ever, so any
    /// replica may give it from what it has applied, whoever leads.
    ///
    /// # Errors
    /// The id was removed, or is that of a node with another directory.
    pub fn check_joining(&self, id: NodeId, directory: u128) -> Result<()> {
        match self.nodes.get(&id) {
            Some(NodeRecord { state: NodeState::Removed, .. }) => Err(was_removed(id)),
            None | Some(NodeRecord { state: NodeState::Expected, .. }) => Ok(()),
            Some(record) if record.directory == directory => Ok(()),
            Some(_) => Err(Error::invalid(format!(
                "node {id} is in the cluster with another directory than this empty one: a node that lost its directory \
                 must not come back under its old identity (I1). Bring the directory back, or give the node up with \
                 `vecraft node remove {id}` and join with a new id: vecraft node add NEW_ID HOST:NODE_PORT. When the other \
                 nodes have no majority without it: vecraft node recover --help"
            ))),
        }
    }

    /// The version of a group's wanted replicas.
    pub fn version_of(&self, group: GroupId) -> u64 {
        self.versions.get(&group).copied().unwrap_or(0)
    }
}

pub(super) fn was_removed(id: NodeId) -> Error {
    Error::invalid(format!("node {id} was removed, and ids of nodes are never used again: choose a new one"))
}
