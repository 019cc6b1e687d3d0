//! What the coordinator asks of the nodes to learn how groups stand and to change their members, and what nodes and
//! operators ask of the coordinator.
//!
//! Members are named here by plain ids: what the Raft library thinks of them stays with the host.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::api::{ClusterReply, ClusterRequest};
use vecraft_types::{GroupId, NodeId, ReplicaId, Result};

/// A group as the replica sees it that leads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// The group.
    pub group: GroupId,
    /// The replica that leads.
    pub leader: ReplicaId,
    /// Names this set of members; the guard of the next change (I2).
    pub guard: Vec<u8>,
    /// Those who count for a majority; while a change is under way, of both sets.
    pub voters: BTreeMap<ReplicaId, NodeId>,
    /// Those who only follow.
    pub learners: BTreeMap<ReplicaId, NodeId>,
    /// Majorities of two sets are needed: a change stopped half way.
    pub is_joint: bool,
    /// The entry that set these members is committed: no other leader can undo it.
    pub is_committed: bool,
    /// Followers that answered lately and lack almost nothing.
    pub near: BTreeSet<ReplicaId>,
    /// Entries that each follower lacks, as far as the leader knows.
    pub behind: BTreeMap<ReplicaId, u64>,
}

/// A node as it sees itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The groups that it leads.
    pub leads: Vec<GroupReport>,
    /// Why it should lead no group now: its disk hangs or is full, it stops. None while it may.
    pub unfit: Option<String>,
    /// Groups that it should not lead, each with the reason: its replica has a damaged file.
    pub unfit_in: BTreeMap<GroupId, String>,
    /// Groups whose replica here is out of service until somebody does something, each with the reason. One that only
    /// waits for room on its disk is not among them: it begins again by itself.
    pub out_of_service: BTreeMap<GroupId, String>,
}

/// A change of a group's members, or of its leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupChange {
    /// A replica that follows and does not count.
    AddLearner {
        /// Its id.
        replica: ReplicaId,
        /// Its node.
        node: NodeId,
    },
    /// Let a learner go.
    RemoveLearner(ReplicaId),
    /// One joint change to exactly these (I2). Those that are let go are gone, or only follow when `keeps_learners`.
    Voters {
        /// The new voters.
        voters: BTreeSet<ReplicaId>,
        /// Whether a replica that loses its vote stays as a learner.
        keeps_learners: bool,
    },
    /// Hand leadership to this voter.
    Lead(ReplicaId),
}

/// The groups that run on one node. Served by every node, asked by the coordinator on the metastore's leader.
#[async_trait]
pub trait GroupHost: Send + Sync {
    /// What it leads. That it answers at all is its heartbeat.
    async fn report(&self) -> Result<NodeReport>;
    /// How a group stands that it leads, proven by a read index.
    async fn led(&self, group: GroupId) -> Result<GroupReport>;
    /// The node that leads a group, as the replica here knows it.
    async fn leader(&self, group: GroupId) -> Result<Option<NodeId>>;
    /// Changes a group that it leads, if the members are still those of `guard`.
    async fn change(&self, group: GroupId, guard: Vec<u8>, change: GroupChange) -> Result<()>;
}

/// A node with an empty directory asks to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The id that it would have.
    pub node: NodeId,
    /// Where it listens for other nodes.
    pub address: String,
    /// Random bits of its directory (I1).
    pub directory: u128,
    /// The cluster's name in its configuration.
    pub cluster_name: String,
    /// Whether the node that it asked has it in its own configuration.
    pub is_listed: bool,
    /// Its replicas are to follow and never to vote.
    pub is_query_only: bool,
    /// Copies of each group, in its configuration.
    pub replication: u64,
    /// Groups for each node, in its configuration.
    pub groups_per_node: u64,
}

/// What a node that may join must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The cluster.
    pub cluster: u128,
    /// The node's replica of group 0.
    pub replica: ReplicaId,
    /// Where the other nodes listen.
    pub nodes: Vec<(NodeId, String)>,
}

/// The coordinator's ear for operators and for nodes. Answered by the node that leads the metastore.
#[async_trait]
pub trait ClusterAdmin: Send + Sync {
    /// An operator's verb.
    async fn cluster(&self, request: ClusterRequest) -> Result<ClusterReply>;
    /// A node with an empty directory joins.
    async fn join(&self, request: JoinRequest) -> Result<Joined>;
    /// A node of the cluster listens elsewhere than before.
    async fn moved(&self, node: NodeId, address: String) -> Result<()>;
}
