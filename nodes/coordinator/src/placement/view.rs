//! What the planner sees, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vecraft_state::meta::NodeState;
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Copies wanted of each pool group.
    pub replication: usize,
    /// Every node that is not forgotten.
    pub nodes: BTreeMap<NodeId, NodeView>,
    /// Group 0 and the pool.
    pub groups: BTreeMap<GroupId, GroupView>,
    /// Nodes that should not lead a group, by what they say of themselves.
    pub unfit: BTreeSet<(NodeId, GroupId)>,
    /// Replicas that are out of service on a living node until somebody does something, with the reason: no copies. Those
    /// that the metastore wants no more are among them until their node has removed them.
    pub broken: BTreeMap<(NodeId, GroupId), String>,
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct NodeView {
    /// Where it stands.
    pub state: NodeState,
    /// Its replicas follow and never vote, lead or count as copies: they answer reads.
    pub is_query_only: bool,
    /// It has just answered.
    pub is_alive: bool,
    /// Since it last answered, or since this coordinator began to ask; none while it is alive, or not asked at all. For
    /// people: no step depends on it.
    pub silent: Option<Duration>,
    /// It has been silent for so long that its replicas are to be made elsewhere.
    pub is_lost: bool,
    /// It has been answering for a while: worth giving it something to lead.
    pub is_steady: bool,
}

impl NodeView {
    pub(super) fn takes_copies(&self) -> bool {
        self.state == NodeState::Active && !self.is_query_only
    }
}

/// A group.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// Replicas that the metastore wants.
    pub wanted: BTreeMap<ReplicaId, NodeId>,
    /// What its leader says; none when nobody is known to lead it.
    pub members: Option<MembersView>,
}

/// A group as its leader sees it.
#[derive(Clone, Debug, Default)]
pub struct MembersView {
    /// Who leads.
    pub leader: ReplicaId,
    /// Those who count; of both sets while a change is under way.
    pub voters: BTreeMap<ReplicaId, NodeId>,
    /// Those who only follow.
    pub learners: BTreeMap<ReplicaId, NodeId>,
    /// A change stopped half way.
    pub is_joint: bool,
    /// These members cannot be undone any more.
    pub is_committed: bool,
    /// Replicas that lack almost nothing.
    pub near: BTreeSet<ReplicaId>,
    /// Entries that followers lack. For people: no step depends on it.
    pub behind: BTreeMap<ReplicaId, u64>,
}

impl MembersView {
    pub(super) fn has(&self, replica: ReplicaId) -> bool {
        self.voters.contains_key(&replica) || self.learners.contains_key(&replica)
    }
}

/// One safe step. Each may be done twice, or not at all: the next view decides again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Want a new replica of a group on a node.
    Place {
        /// The group.
        group: GroupId,
        /// The node.
        node: NodeId,
    },
    /// Have it follow.
    AddLearner {
        /// The group.
        group: GroupId,
        /// The replica.
        replica: ReplicaId,
        /// Its node.
        node: NodeId,
    },
    /// One joint change to exactly these voters (I2).
    SetVoters {
        /// The group.
        group: GroupId,
        /// The voters.
        voters: BTreeSet<ReplicaId>,
    },
    /// Let a follower go.
    RemoveLearner {
        /// The group.
        group: GroupId,
        /// The replica.
        replica: ReplicaId,
    },
    /// Want a replica no more that is no member.
    Unplace {
        /// The group.
        group: GroupId,
        /// The replica.
        replica: ReplicaId,
    },
    /// Hand over leadership.
    Lead {
        /// The group.
        group: GroupId,
        /// To which voter.
        to: ReplicaId,
    },
    /// A node that leaves is empty: it is gone.
    Retire(NodeId),
}

impl Step {
    /// The group that it is about.
    pub(super) fn group(&self) -> Option<GroupId> {
        match self {
            Step::Place { group, .. }
            | Step::AddLearner { group, .. }
            | Step::SetVoters { group, .. }
            | Step::RemoveLearner { group, .. }
            | Step::Unplace { group, .. }
            | Step::Lead { group, .. } => Some(*group),
            Step::Retire(_) => None,
        }
    }
}

impl View {
    pub(super) fn is_alive(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.is_alive)
    }

    /// Whether a node may lead a group.
    pub(super) fn is_fit(&self, node: NodeId, group: GroupId) -> bool {
        !self.unfit.contains(&(node, group))
    }

    /// Whether it takes replicas that vote, lead and count as copies.
    pub(super) fn takes_copies(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(NodeView::takes_copies)
    }

    /// The nodes that take a learner of every pool group.
    pub(super) fn query_only(&self) -> impl Iterator<Item = NodeId> {
        let takes = |node: &NodeView| node.is_query_only && node.state == NodeState::Active;
        self.nodes.iter().filter(move |(_, node)| takes(node)).map(|(id, _)| *id)
    }

    pub(super) fn is_lost(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_none_or(|node| node.is_lost)
    }

    /// Whether a group's replica on a node is gone for good, as far as can be told: its copy has to be made elsewhere.
    pub(super) fn has_lost(&self, node: NodeId, group: GroupId) -> bool {
        self.is_lost(node) || self.is_broken(node, group)
    }

    /// Whether a group's replica on a node is out of service, or was and is not removed yet.
    pub(super) fn is_broken(&self, node: NodeId, group: GroupId) -> bool {
        self.broken.contains_key(&(node, group))
    }

    /// How many nodes take copies, dead ones included: a node that is away for a moment does not make a copy less.
    pub(super) fn takers(&self) -> usize {
        self.nodes.values().filter(|node| node.takes_copies()).count()
    }

    pub(super) fn pool(&self) -> impl Iterator<Item = (GroupId, &GroupView)> {
        self.groups.iter().filter(|(id, _)| **id != GroupId::META).map(|(id, group)| (*id, group))
    }
}
