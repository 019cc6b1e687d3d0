//! The verbs of an operator: which nodes there are, and which should be.

use crate::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

/// What an operator asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterRequest {
    /// How things stand.
    List,
    /// A node will join, listening for other nodes at this `host:port`.
    Add {
        /// Its id, never used before.
        node: NodeId,
        /// Its node port.
        address: String,
    },
    /// Move everything away from a node, which stays.
    Drain(NodeId),
    /// Let a node that drains or leaves stay after all.
    Keep(NodeId),
    /// Move everything away from a node, and then let it go for ever.
    Remove(NodeId),
}

/// How the cluster stands, after what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReply {
    /// Every node that is not gone, and the one that was asked about.
    pub nodes: Vec<NodeInfo>,
    /// Copies wanted of each group.
    pub replication: u32,
    /// What is still to be done, in words; empty when everything is as wanted.
    pub under_way: Vec<String>,
    /// Groups that nobody is known to lead: no writes and no Strong reads there until somebody does.
    pub leaderless: Vec<GroupId>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// expected, active, draining, leaving or removed.
    pub state: String,
    /// Whether it has answered within the last seconds.
    pub is_alive: bool,
    /// Its part in the metastore: voter, learner, or nothing.
    pub metastore: String,
    /// Replicas of pool groups that are wanted on it.
    pub replicas: u32,
    /// Groups that it leads, the metastore included.
    pub leads: u32,
    /// Entries that its replicas lack of those of their leaders: the one that lacks most. None when no leader says.
    pub lag: Option<u64>,
    /// What it is for: all, query-only, or nothing before it has come.
    pub part: String,
    /// Seconds since it last answered the coordinator, or since that began to ask; none while it answers, or before it came.
    pub silent_s: Option<u64>,
}
