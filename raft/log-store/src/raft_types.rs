//! openraft's types as this product uses them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A command as the state machine encoded it. Cloning shares the bytes, from the frame to the log to apply.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(pub Bytes);

/// What the state machine answered, encoded.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reply(pub Bytes);

macro_rules! shown_by_length {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }

        impl From<Bytes> for $name {
            fn from(bytes: Bytes) -> Self {
                Self(bytes)
            }
        }
    };
}

shown_by_length!(Payload);
shown_by_length!(Reply);

/// Where a replica lives. openraft's "node" is a replica here (I1); its address is looked up by the physical node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The physical node, a [`vecraft_types::NodeId`].
    pub node: u64,
}

openraft::declare_raft_types!(
    /// openraft, configured: opaque commands and replies, replica ids, and the physical node of each replica.
    pub TypeConfig:
        D = Payload,
        R = Reply,
        NodeId = u64,
        Node = Peer,
        AsyncRuntime = crate::runtime::Runtime,
);

/// openraft's log id.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// openraft's vote.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// Term and replica of a leader.
pub type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;
/// openraft's entry.
pub type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// What an entry carries.
pub type EntryPayload = openraft::type_config::alias::EntryPayloadOf<TypeConfig>;
/// Voters and learners.
pub type Membership = openraft::Membership<u64, Peer>;
/// A membership with the log id that set it.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
