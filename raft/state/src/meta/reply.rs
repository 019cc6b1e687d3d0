//! What the metastore answers to a command, on every replica the same.

use serde::{Deserialize, Serialize};
use vecraft_types::{CollectionId, DdlPhase, Error, GroupId, IndexId, PartitionId, ReplicaId, Timestamp};

/// The answer to a command; equal on every replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaReply {
    /// Fixed by apply (I9).
    pub timestamp: Timestamp,
    /// The collection whose row may have changed, for those who publish it.
    pub collection: Option<CollectionId>,
    /// What came out.
    pub outcome: Result<MetaOutcome, Error>,
}

/// What a command that was accepted did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaOutcome {
    /// It is as asked, now or already before.
    Done,
    /// The collection asked for has this id; an equal one that existed has its old id and phase.
    Collection {
        /// Its id.
        id: CollectionId,
        /// Where it stands.
        phase: DdlPhase,
    },
    /// The partition made, found or removed.
    Partition(PartitionId),
    /// The index made, found or removed.
    Index(IndexId),
    /// The first of the pool groups made.
    Groups(GroupId),
    /// The first of the replica ids.
    Replicas(ReplicaId),
    /// The first of the row ids.
    RowIds(i64),
}
