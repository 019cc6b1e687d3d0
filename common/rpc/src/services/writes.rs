//! Changing a shard's rows, at its leader.

use super::{ShardCompact, ShardSegments};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vecraft_types::*;

/// A change of one shard's rows, as the proxy hands it to the shard leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardWrite {
    /// The shard.
    pub shard: ShardId,
    /// The schema version the rows were encoded with (I11).
    pub schema_version: u32,
    /// Names this part of the request for ever (I10).
    pub request: RequestId,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
    /// What to do.
    pub change: RowChange,
}

/// What to do with rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RowChange {
    /// Add rows; `batch` is [`RowBatch::encode`]d, all columns of the schema present.
    Insert {
        /// Partition of the new rows.
        partition: PartitionId,
        /// The rows.
        batch: Bytes,
        /// Replace rows whose key exists, whatever the collection's conflict rule is.
        is_upsert: bool,
    },
    /// Delete by key; only rows of `partition` when it is given.
    DeleteKeys {
        /// Only in this partition.
        partition: Option<PartitionId>,
        /// The keys.
        keys: Vec<PrimaryKey>,
    },
    /// Delete by filter, resolved by the leader (I12).
    DeleteWhere {
        /// Only in these partitions; empty means all.
        partitions: Vec<PartitionId>,
        /// Filter expression.
        filter: String,
    },
}

/// What a write did to one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardWritten {
    /// Where in the group's log.
    pub position: LogPosition,
    /// The entry's timestamp, fixed by apply (I9).
    pub timestamp: Timestamp,
    /// Rows added.
    pub inserted: u64,
    /// Rows that stopped living (deleted or replaced).
    pub deleted: u64,
    /// Set when an insert was recognised as one applied before (I10): the keys that its rows got then, in their order.
    /// Empty when its rows are no longer here.
    pub earlier_keys: Option<Vec<PrimaryKey>>,
}

/// Rows and segments of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStats {
    /// Live rows by partition.
    pub rows: BTreeMap<PartitionId, u64>,
    /// Segments with their rows (dead ones included) and whether they are sealed.
    pub segments: Vec<(SegmentId, u64, bool)>,
    /// Rows in sealed segments whose index is wanted but not ready, by index.
    pub pending_index_rows: BTreeMap<IndexId, u64>,
    /// What is damaged of the shard's files on the leader's node; nothing is built over those.
    pub damage: Option<String>,
    /// Position the figures belong to.
    pub position: LogPosition,
    /// Timestamp the figures belong to.
    pub timestamp: Timestamp,
    /// Why pending rows of an index get none on the leader's node before somebody acts, by index.
    pub index_failures: BTreeMap<IndexId, String>,
}

/// A moment of one shard that reads shall be able to go back to (I18).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardPin {
    /// The shard.
    pub shard: ShardId,
    /// Its name.
    pub timestamp: Timestamp,
    /// The newest partition that the collection has.
    pub newest_partition: PartitionId,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
}

/// What became of a [`ShardPin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PinReply {
    /// Everything that the shard's leader acknowledged before the call is in the moment.
    Pinned,
    /// The group's time has reached this: the moment must be later.
    Passed(Timestamp),
}

/// The shard leader's side of writing. Served by the data role.
#[async_trait]
pub trait ShardWriter: Send + Sync {
    /// Writes rows; returns once they are durable on a majority and visible to reads.
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten>;
    /// Pins a moment. Asked again under the same name it answers that it passed: then another name is tried, and nobody uses the
    /// first.
    async fn pin(&self, pin: ShardPin) -> Result<PinReply>;
    /// Makes everything acknowledged so far durable in files; answers the position reached.
    async fn flush(&self, shard: ShardId) -> Result<ShardStats>;
    /// Waits until everything committed before the call is visible here, then counts rows and segments.
    async fn stats(&self, shard: ShardId) -> Result<ShardStats>;
    /// Asks for a compaction of everything acknowledged so far; returns once the log has it. Asked again, it means what was written
    /// since as well.
    async fn compact(&self, ask: ShardCompact) -> Result<()>;
    /// Waits until everything committed before the call is visible here, then tells how the rows lie.
    async fn segments(&self, shard: ShardId) -> Result<ShardSegments>;
}
