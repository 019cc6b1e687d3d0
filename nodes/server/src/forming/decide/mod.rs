//! Whether the listed nodes may become a cluster: a pure decision over what they say of themselves (I1).
//!
//! ```text
//!            all listed answer Empty, same configuration
//!            and a person said so, where the configuration wants that
//! Empty ────────────────────────────────────────────────> lowest id draws the cluster id, writes it down: Forming
//!                                                         and tells it to every other node:               Forming
//! Forming ── all listed have it, which it writes down ──> Told, and says so to the others:                Told
//! Told ───── group 0 and the pool have leaders ─────────> Formed
//! ```
//! No replica starts before Told, and nobody is told the name once anybody is past Forming: so nobody is told it who has
//! voted. Nothing is acknowledged to a client before Formed. An empty node among told or formed ones has lost its directory, or is new:
//! forming again with it would let it vote as somebody it no longer is, so it asks to join, with new ids. The coordinator
//! knows which of the two it is.

use std::collections::BTreeMap;
use vecraft_rpc::node::{HelloPhase, NodeHello};
use vecraft_types::NodeId;

/// What a node without a finished cluster does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask again in a moment; the text says for whom it waits.
    Wait(String),
    /// All listed nodes are here and empty, and may not begin by themselves.
    AskPerson,
    /// Draw a cluster id, or go on with the one drawn, and tell it to all.
    Lead {
        /// The one drawn before a crash.
        cluster: Option<u128>,
    },
    /// All listed nodes know their cluster: write that down, start the replicas and wait for group 0.
    Follow {
        /// The cluster.
        cluster: u128,
    },
    /// The cluster exists: ask these nodes of it to be taken in.
    Join {
        /// Formed nodes.
        via: Vec<NodeId>,
    },
    /// Never without a person.
    Refuse(String),
}

/// Decides from the own state and the answers of the other listed nodes. `may_begin`: nobody need be asked whether empty
/// directories are meant to become a cluster, or a person has said yes.
pub fn decide(
    own: &NodeHello,
    listed: &[NodeId],
    answers: &BTreeMap<NodeId, NodeHello>,
    may_begin: bool,
) -> Next {
    let is_formed = |other: &&NodeHello| matches!(other.phase, HelloPhase::Formed { .. });
    let via: Vec<NodeId> = answers.values().filter(is_formed).map(|other| other.node).collect();
    if own.phase == HelloPhase::Empty && !via.is_empty() {
        // Its cluster.toml has more nodes than those had when they formed.
        return Next::Join { via };
    }
    for other in answers.values() {
        if other.config_hash != own.config_hash {
            return Next::Refuse(no_agreement(other, own.config_hash));
        }
    }
    match own.phase {
        HelloPhase::Formed { cluster } => Next::Follow { cluster },
        HelloPhase::Forming { cluster } | HelloPhase::Told { cluster } => {
            forming(own, listed, answers, cluster)
        }
        HelloPhase::Empty => empty(own, listed, answers, may_begin),
    }
}

/// Says that a node has another configuration than the one of this hash.
pub fn no_agreement(other: &NodeHello, ours: u64) -> String {
    format!(
        "node {} was started with another cluster.toml (hash {:016x}, ours is {ours:016x}): name, replication, forming, \
         groups_per_node, and each node's id, host, ports and roles must be the same on all nodes",
        other.node, other.config_hash
    )
}

fn forming(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>, cluster: u128) -> Next {
    let elsewhere = answers.values().find_map(|other| match other.phase {
        HelloPhase::Empty => None,
        HelloPhase::Forming { cluster: theirs }
        | HelloPhase::Told { cluster: theirs }
        | HelloPhase::Formed { cluster: theirs } => (theirs != cluster).then_some((other.node, theirs)),
    });
    if let Some((node, theirs)) = elsewhere {
        return Next::Refuse(format!(
            "node {node} belongs to cluster {theirs:032x}, this one to {cluster:032x}: they cannot form one cluster"
        ));
    }
    if std::iter::once(own).chain(answers.values()).any(is_past_telling) {
        return Next::Follow { cluster };
    }
    match missing(own, listed, answers) {
        _ if !is_lowest(own, listed) => {
            Next::Wait(format!("waiting for node {} to tell all the cluster's name", lowest(listed)))
        }
        None => Next::Lead { cluster: Some(cluster) },
        Some(missing) => Next::Wait(missing),
    }
}

/// Whether this node knows that all were told: it may have voted, and so may each of the others.
fn is_past_telling(node: &NodeHello) -> bool {
    matches!(node.phase, HelloPhase::Told { .. } | HelloPhase::Formed { .. })
}

fn empty(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>, may_begin: bool) -> Next {
    let named = answers.values().find_map(|other| match other.phase {
        HelloPhase::Told { cluster } => Some((other.node, cluster)),
        HelloPhase::Forming { cluster } if is_lowest(own, listed) => Some((other.node, cluster)),
        _ => None,
    });
    match (named, missing(own, listed, answers)) {
        (Some((node, cluster)), _) => Next::Refuse(lost(own.node, node, cluster)),
        (None, missing) => begin(own, listed, missing, may_begin),
    }
}

/// Says that an empty node had the name of the cluster that this other one forms.
fn lost(own: NodeId, other: NodeId, cluster: u128) -> String {
    format!(
        "node {other} is forming cluster {cluster:032x}, of which node {own} had the name: its directory was emptied \
         meanwhile, and it may have voted, so it does not come back as node {own} (I1). Bring the directory back. If the \
         cluster has not served yet, empty the directories of all nodes and start them again; if it serves without this \
         node: vecraft node remove {own}, and join with a new id: vecraft node add NEW_ID HOST:NODE_PORT"
    )
}

fn begin(own: &NodeHello, listed: &[NodeId], missing: Option<String>, may_begin: bool) -> Next {
    match missing {
        Some(missing) => Next::Wait(missing),
        None if !may_begin => Next::AskPerson,
        None if is_lowest(own, listed) => Next::Lead { cluster: None },
        None => Next::Wait(format!("waiting for node {} to name the cluster", lowest(listed))),
    }
}

/// The node that leads the forming.
pub fn lowest(listed: &[NodeId]) -> NodeId {
    listed.iter().min().copied().unwrap_or_default()
}

fn is_lowest(own: &NodeHello, listed: &[NodeId]) -> bool {
    own.node == lowest(listed)
}

/// The listed nodes that have not answered.
fn missing(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>) -> Option<String> {
    let silent = listed.iter().filter(|id| **id != own.node && !answers.contains_key(id));
    let names: Vec<String> = silent.map(ToString::to_string).collect();
    (!names.is_empty()).then(|| format!("waiting for node {} to answer", names.join(", ")))
}

#[cfg(test)]
mod tests;
