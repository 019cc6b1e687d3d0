//! What the data role must do because of an entry.

use vecraft_types::{
    CollectionSchema, LogPosition, PartitionId, RowBatch, RowRef, SegmentId, ShardId, Timestamp,
};

/// A consequence of an applied entry. Doing it is deterministic and cannot fail; on a replay it is done again on
/// the state of the checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A shard begins.
    ShardCreated {
        /// The shard.
        shard: ShardId,
        /// Its schema.
        schema: CollectionSchema,
    },
    /// A shard ends; its files may go once no reader holds them.
    ShardDropped {
        /// The shard.
        shard: ShardId,
    },
    /// Rows join a growing segment, which is made if it is new.
    Append {
        /// The shard.
        shard: ShardId,
        /// The segment.
        segment: SegmentId,
        /// Its partition.
        partition: PartitionId,
        /// Number that the first row gets.
        first_row: u32,
        /// The rows.
        batch: RowBatch,
        /// Their timestamp.
        timestamp: Timestamp,
    },
    /// Rows stop living at this entry's position.
    Delete {
        /// The shard.
        shard: ShardId,
        /// The rows.
        rows: Vec<RowRef>,
    },
    /// A segment takes no more rows.
    Sealed {
        /// The shard.
        shard: ShardId,
        /// The segment.
        segment: SegmentId,
    },
    /// Segments vanish.
    SegmentsDropped {
        /// The shard.
        shard: ShardId,
        /// The segments.
        segments: Vec<SegmentId>,
    },
    /// Segments vanish, and their living rows are in a new one.
    Compacted {
        /// The shard.
        shard: ShardId,
        /// The inputs, in the order of their rows.
        inputs: Vec<SegmentId>,
        /// The output, with a number above all others.
        output: SegmentId,
        /// The partition of all of them.
        partition: PartitionId,
        /// Rows deleted at or before this entry are left out.
        floor: LogPosition,
        /// Rows of the output.
        rows: u32,
    },
    /// Other index builds are in force than before (I13): files may be due to be opened, fetched or removed.
    BuildsChanged {
        /// The shard.
        shard: ShardId,
    },
    /// Reads may go back to this entry (I18): they wait for a view that has come so far.
    ReadPinned {
        /// The shard.
        shard: ShardId,
    },
}
