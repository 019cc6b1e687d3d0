//! What a pool group's log carries, and what apply answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vecraft_types::{
    CollectionSchema, IndexBuild, IndexId, LogPosition, PartitionId, PrimaryKey, RequestId, RowRef,
    SegmentId, ShardId, Timestamp,
};

/// One entry of a pool group's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// The shard it concerns.
    pub shard: ShardId,
    /// The proposer's idea of the time; apply fixes the real one (I9).
    pub suggested: Timestamp,
    /// What to do.
    pub command: ShardCommand,
}

/// What an entry asks of a shard. New commands are added at the end: old entries must decode for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardCommand {
    /// The shard begins to exist. Repeating it changes nothing.
    Create {
        /// Its schema (I11).
        schema: CollectionSchema,
    },
    /// The shard and all its rows go. Repeating it changes nothing.
    Drop,
    /// The partition's rows go and no later write may name it. Repeating it changes nothing.
    DropPartition {
        /// The partition.
        partition: PartitionId,
    },
    /// Rows are added.
    Insert {
        /// Names the write (I10).
        request: RequestId,
        /// Schema the rows were encoded with (I11).
        schema_version: u32,
        /// Partition of the new rows.
        partition: PartitionId,
        /// An encoded [`vecraft_types::RowBatch`].
        batch: Bytes,
        /// Rows with the same key are replaced, whatever the collection's rule is.
        is_upsert: bool,
    },
    /// All rows of these keys go.
    DeleteKeys {
        /// Names the write (I10).
        request: RequestId,
        /// Only rows of this partition.
        partition: Option<PartitionId>,
        /// The keys.
        keys: Vec<PrimaryKey>,
    },
    /// A delete by filter which the leader resolved: only rows that are still there as they were go (I12).
    DeleteVersions {
        /// Names the write (I10).
        request: RequestId,
        /// Key and place of each matching row. The version alone would not do: with `pk.on_conflict = allow` one
        /// entry may have written a key twice, and the filter may mean one of the two.
        rows: Vec<(PrimaryKey, RowRef)>,
    },
    /// The segment takes no more rows (I13). Naming one that is not growing changes nothing.
    Seal {
        /// The segment.
        segment: SegmentId,
    },
    /// A build of an index is durable and may be the one that all replicas serve from (I13). The first of a version
    /// is, and a higher version takes the place of a lower one.
    IndexReady {
        /// The sealed segment that it was built over.
        segment: SegmentId,
        /// The build.
        build: IndexBuild,
    },
    /// Nobody wants the index any more: its builds are forgotten in all segments. Repeating it changes nothing.
    IndexDropped {
        /// The index, whose id is never used again.
        index: IndexId,
    },
    /// One segment takes the place of several, without rows that are gone for every reader (I13, I18, I22). Refused when
    /// the inputs are not what the proposer saw: it looks again.
    Compact {
        /// Sealed segments of one partition that follow each other in the log, in that order; at least one.
        inputs: Vec<SegmentId>,
        /// Rows deleted at or before this entry are left out; at or before the proposer's last applied entry.
        floor: LogPosition,
        /// Rows that go on. It follows from `inputs` and `floor`; without any, there is no output.
        rows: u32,
        /// Approximate bytes that go on.
        bytes: u64,
    },
    /// Reads may go back to this moment (I18): its timestamp means the entry's position. Refused when the shard's time has
    /// reached it.
    PinRead {
        /// The moment; the entry's own timestamp is no smaller.
        timestamp: Timestamp,
        /// Partitions with larger ids are made later, perhaps under the names of others.
        newest_partition: PartitionId,
    },
    /// Somebody asks for everything before this entry to be compacted, whatever the leader's policy is (ADR 0013): what grows
    /// is sealed (I13), and the shard remembers the entry. Asked again, the later entry counts.
    AskCompaction {
        /// Approximate bytes of an output, at most; 0 leaves it to the leader.
        bytes_max: u64,
    },
    /// The leader found nothing more to do for the ask at this entry. Another one than the shard remembers changes nothing.
    CompactionDone {
        /// The position of the [`ShardCommand::AskCompaction`].
        asked: LogPosition,
    },
}

/// What apply answers the proposer.
pub type ShardReply = Result<Applied, Refusal>;

/// An entry that took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The entry's timestamp.
    pub timestamp: Timestamp,
    /// The entry's position; for a recognised retry, the first one's.
    pub position: LogPosition,
    /// Rows added.
    pub inserted: u64,
    /// Rows that stopped living.
    pub deleted: u64,
    /// Rows of a [`ShardCommand::DeleteVersions`] that changed meanwhile and stay; the leader looks again.
    pub conflicts: u64,
}

/// An entry that changed nothing, and why. Kept in dedup windows: new reasons are added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Not here (yet, or any more): refresh the route and try again (I11).
    UnknownShard,
    /// Encode the rows again with the current schema (I11).
    SchemaMismatch {
        /// The shard's version.
        current: u32,
    },
    /// The partition was dropped.
    PartitionDropped,
    /// `pk.on_conflict = reject` and this key lives, or stands twice in the batch.
    KeyExists(PrimaryKey),
    /// Too old to know whether it was applied (I10).
    OutcomeUnknown,
    /// The rows do not decode or do not fit the schema: a bug of the proposer.
    Malformed(String),
    /// The segment has this build of the index already (I13): take its file, or propose the next version.
    IndexInForce(Box<IndexBuild>),
    /// The segment vanished or still takes rows: it has no index to be named (I13).
    NotSealed,
    /// These segments cannot be compacted with that floor: one vanished, takes rows, or they do not follow each other.
    NotCompactable,
    /// An entry has the timestamp that was to be pinned, or a later one (I18): pin one above `last`.
    TimePassed {
        /// The group's last timestamp, that of this entry.
        last: Timestamp,
    },
}
