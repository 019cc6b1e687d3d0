//! What the log remembers, free of openraft's types so that the core can be driven by anything.

use std::fmt;

use bytes::Bytes;
use vecraft_types::{GroupId, ReplicaId};

/// Whose log: one replica of one group. A node that lost and regained a group has a new replica id (I1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The group.
    pub group: GroupId,
    /// The replica on this node.
    pub replica: ReplicaId,
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.replica)
    }
}

/// Which entry: its leader's term and replica, and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Term of the leader that proposed it.
    pub term: u64,
    /// Replica that proposed it.
    pub leader: ReplicaId,
    /// Position in the group's log, from 0.
    pub index: u64,
}

/// A vote, as openraft defines it: the leader we follow or would follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VoteState {
    /// Term voted in.
    pub term: u64,
    /// Replica voted for.
    pub leader: ReplicaId,
    /// True once a majority granted it.
    pub committed: bool,
}

/// What an entry's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A new leader's empty entry.
    Blank,
    /// A command of the state machine, opaque here.
    Normal,
    /// A membership, encoded.
    Membership,
}

/// One entry. Cloning shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Which entry.
    pub id: EntryId,
    /// What the payload is.
    pub kind: EntryKind,
    /// The payload, empty for a blank entry.
    pub payload: Bytes,
}

/// One thing to remember about a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The next entry.
    Entry(LogEntry),
    /// The vote in force.
    Vote(VoteState),
    /// The highest entry known to be committed.
    Committed(Option<EntryId>),
    /// Entries after this one are gone; `None` removes all.
    Truncate {
        /// The last entry that stays.
        after: Option<EntryId>,
    },
    /// Entries up to this one, included, are no longer needed. May lie beyond the last entry, after a snapshot.
    Purge(EntryId),
    /// The replica left this node.
    Removed,
    /// Opens a segment for a live replica: its last entry. Purge, vote and committed follow as records of their own.
    Open {
        /// The last entry, or the purge point.
        last: Option<EntryId>,
    },
    /// A live entry of an old segment, written again so that the segment can go.
    Copy(LogEntry),
}

impl Record {
    /// Payload bytes, for limits.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Entry(entry) | Self::Copy(entry) => entry.payload.len(),
            _ => 0,
        }
    }
}
