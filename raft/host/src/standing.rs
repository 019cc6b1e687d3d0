//! Who is who in a group, as this replica knows it.

use openraft::ServerState;
use openraft::metrics::RaftServerMetrics;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use vecraft_log_store::{LogId, StoredMembership, TypeConfig};
use vecraft_types::{LogPosition, NodeId, ReplicaId};

/// A replica and where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The replica.
    pub replica: ReplicaId,
    /// Its node.
    pub node: NodeId,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} on node {}", self.replica, self.node)
    }
}

/// Names one set of members for ever: the log id of the entry that set it. The guard of a change (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MembershipId(pub(crate) LogId);

impl MembershipId {
    /// The position of the entry.
    pub fn position(&self) -> LogPosition {
        LogPosition(self.0.index)
    }
}

impl fmt::Display for MembershipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "members set {}", self.position())
    }
}

/// The members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Which set this is; `None` before the group was formed, as far as this replica knows.
    pub id: Option<MembershipId>,
    /// Those who count for a majority; in a change under way, of both sets.
    pub voters: BTreeMap<ReplicaId, NodeId>,
    /// Those who only follow.
    pub learners: BTreeMap<ReplicaId, NodeId>,
    /// A change is under way: majorities of both sets are needed.
    pub is_joint: bool,
    /// The sets of voters of each of which a majority must agree: one, or two in a change under way.
    pub sets: Vec<BTreeSet<ReplicaId>>,
}

impl Members {
    pub(crate) fn new(stored: &StoredMembership) -> Members {
        let membership = stored.membership();
        let mut members = Members {
            id: stored.log_id().as_ref().map(|id| MembershipId(*id)),
            is_joint: membership.get_joint_config().len() > 1,
            sets: membership
                .get_joint_config()
                .iter()
                .map(|set| set.iter().copied().map(ReplicaId).collect())
                .collect(),
            ..Members::default()
        };
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        for (id, peer) in membership.nodes() {
            let kind = if voters.contains(id) { &mut members.voters } else { &mut members.learners };
            kind.insert(ReplicaId(*id), NodeId(peer.node));
        }
        members
    }

    /// Where a member runs.
    pub fn location(&self, replica: ReplicaId) -> Option<Location> {
        let node = self.voters.get(&replica).or_else(|| self.learners.get(&replica))?;
        Some(Location { replica, node: *node })
    }

    /// Whether `replica` is all there is: nobody listens to its heartbeats.
    pub fn is_alone(&self, replica: ReplicaId) -> bool {
        self.learners.is_empty() && self.voters.len() == 1 && self.voters.contains_key(&replica)
    }
}

/// What a replica does in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Decides the order.
    Leader,
    /// Follows and may be elected.
    Follower,
    /// Wants to lead.
    Candidate,
    /// Only follows; also a replica that is no member, or not yet.
    #[default]
    Learner,
}

/// A replica's view of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This replica's part.
    pub part: Part,
    /// The leader, when one is known. It may have been deposed: only a read index proves it.
    pub leader: Option<Location>,
    /// The members in force here.
    pub members: Members,
}

impl Standing {
    pub(crate) fn new(metrics: &RaftServerMetrics<TypeConfig>) -> Standing {
        let members = Members::new(&metrics.membership_config);
        let part = match metrics.state {
            ServerState::Leader => Part::Leader,
            ServerState::Follower => Part::Follower,
            ServerState::Candidate => Part::Candidate,
            _ => Part::Learner,
        };
        Standing {
            part,
            leader: metrics.current_leader.and_then(|id| members.location(ReplicaId(id))),
            members,
        }
    }
}

/// How far a follower is, as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which replica, and where.
    pub follower: Location,
    /// Whether it counts for a majority.
    pub is_voter: bool,
    /// Its log agrees with the leader's up to here.
    pub matched: LogPosition,
    /// Entries it still lacks.
    pub lag: u64,
    /// It lacks what it had acknowledged (I1): how much of its log still agrees is not known, so it counts as nothing.
    pub has_gone_back: bool,
    /// How long ago a message that it answered was sent.
    pub heard_ms_ago: Option<u64>,
}
