//! What can go wrong with a group, by what the caller can do about it.

use crate::{Location, MembershipId};
use vecraft_types::{Code, GroupId, LogPosition};

/// Errors of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Ask the leader instead.
    #[error("group {group} is led by {}", leader.map_or("nobody".to_owned(), |leader| leader.to_string()))]
    NotLeader {
        /// The group.
        group: GroupId,
        /// The leader's replica and node, when known.
        leader: Option<Location>,
    },
    /// This replica leads, and too few voters confirm it: nothing was done.
    #[error("group {group}: this node leads it, and no majority of its voters answers")]
    NoMajority {
        /// The group.
        group: GroupId,
    },
    /// The replica that must answer, the leader or the one here, cannot be asked right now.
    #[error("group {group} cannot be asked: {why}")]
    Unreachable {
        /// The group.
        group: GroupId,
        /// What failed.
        why: String,
    },
    /// The deadline passed. A proposal may still be applied later.
    #[error("group {group}: no answer within {waited_ms} ms")]
    Deadline {
        /// The group.
        group: GroupId,
        /// How long was waited.
        waited_ms: u64,
    },
    /// No majority of the voters has answered since the proposal for so long, or this replica leads no more and does not hear
    /// what became of it. It may still be applied.
    #[error("group {group}: no majority of its voters has confirmed the entry within {waited_ms} ms")]
    Unconfirmed {
        /// The group.
        group: GroupId,
        /// How long was waited.
        waited_ms: u64,
    },
    /// This replica is behind; another one may serve.
    #[error("group {group} has published {published}, wanted {wanted}")]
    Lagging {
        /// The group.
        group: GroupId,
        /// Published here.
        published: LogPosition,
        /// Asked for.
        wanted: LogPosition,
    },
    /// The members are no longer those that the change was planned for: plan again (I2).
    #[error("group {group}: members changed, expected {expected}, found {}", found.map_or("none".to_owned(), |found| found.to_string()))]
    MembersChanged {
        /// The group.
        group: GroupId,
        /// What the caller knew.
        expected: MembershipId,
        /// What holds.
        found: Option<MembershipId>,
    },
    /// The change of members is not allowed, and why.
    #[error("group {group}: change of members refused: {why}")]
    Refused {
        /// The group.
        group: GroupId,
        /// The reason.
        why: String,
    },
    /// Another leader's log took the place of the entry here. It may still come back through a replica that has it.
    #[error("group {group}: the leader was deposed before the entry was committed")]
    Discarded {
        /// The group.
        group: GroupId,
    },
    /// The replica stopped: shut down, or its log or machine failed (I24). The log says why.
    #[error("group {group} stopped: {reason}")]
    Stopped {
        /// The group.
        group: GroupId,
        /// Why, as far as known.
        reason: String,
    },
    /// A mark read from a checkpoint is not one.
    #[error("unreadable mark: {0}")]
    Mark(String),
}

impl Error {
    fn group(&self) -> Option<GroupId> {
        match self {
            Error::NotLeader { group, .. }
            | Error::NoMajority { group }
            | Error::Unreachable { group, .. }
            | Error::Deadline { group, .. }
            | Error::Unconfirmed { group, .. }
            | Error::Lagging { group, .. }
            | Error::MembersChanged { group, .. }
            | Error::Refused { group, .. }
            | Error::Discarded { group }
            | Error::Stopped { group, .. } => Some(*group),
            Error::Mark(_) => None,
        }
    }
}

impl From<Error> for vecraft_types::Error {
    fn from(error: Error) -> vecraft_types::Error {
        let code = match &error {
            Error::NotLeader { .. }
            | Error::NoMajority { .. }
            | Error::Unconfirmed { .. }
            | Error::Discarded { .. }
            | Error::Unreachable { .. } => Code::ReplicaUnavailable,
            Error::Deadline { .. } => Code::Deadline,
            Error::Lagging { .. } => Code::NotReady,
            Error::Stopped { .. } | Error::MembersChanged { .. } | Error::Refused { .. } => Code::Unavailable,
            Error::Mark(_) => Code::Internal,
        };
        let mut public = vecraft_types::Error::new(code, error.to_string());
        if let Some(group) = error.group() {
            public = public.with("group", group);
        }
        match error {
            // What was proposed may be in other replicas' logs.
            Error::Discarded { .. }
            | Error::Stopped { .. }
            | Error::Unconfirmed { .. }
            | Error::Deadline { .. } => public.unanswered(),
            _ => public,
        }
    }
}
