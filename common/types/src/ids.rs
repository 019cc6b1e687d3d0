//! Identifiers, each its own type so that two numbers cannot change places.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id!(/// A physical member of the cluster, as listed in `cluster.toml`; starts at 1.
    NodeId);
id!(/// One replica of one group. Allocated once by group 0's log, never reused (I1); openraft's node id.
    ReplicaId);
id!(/// A Raft group. 0 is the metastore, 1.. are the pool that carries shards.
    GroupId);
id!(/// A collection. Never reused, so a dropped and re-created name is a different collection (I11).
    CollectionId);
id!(/// A partition of a collection. Never reused.
    PartitionId);
id!(/// A field of a collection's schema. User fields start at [`FieldId::FIRST`].
    FieldId);
id!(/// An index of a collection's field. Never reused.
    IndexId);
id!(/// A segment, counted per shard from 1; only `(ShardId, SegmentId)` is unique in the cluster.
    SegmentId);

impl GroupId {
    /// The metastore's group.
    pub const META: GroupId = GroupId(0);
}

impl FieldId {
    /// The first id given to a user's field, as in Milvus.
    pub const FIRST: FieldId = FieldId(100);
}

/// One slice of a collection: the rows whose key hashes to `index`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardId {
    /// The collection.
    pub collection: CollectionId,
    /// 0 to shard count - 1.
    pub index: u32,
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.index)
    }
}

/// A position in a group's log: the index of an entry. 0 is before the first entry.
///
/// Visibility and conflicts compare positions, never clocks (I9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogPosition(pub u64);

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// A client process: 128 random bits drawn at its start (I10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u128);

/// One build of an index file: 128 random bits drawn when its file is durable (I13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildId(pub u128);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names one part of one request for ever, so that a retry is recognised (I10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks.
    pub client: ClientId,
    /// Counts the client's requests from 1.
    pub sequence: u64,
    /// Which piece of a split request.
    pub part: u32,
}
