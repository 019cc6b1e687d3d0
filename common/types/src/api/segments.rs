//! Requests and replies about segments and compactions: how a collection's rows lie, and what is being done about it.

use super::CollectionName;
use crate::{CollectionId, FieldId, PartitionId, SegmentId, ShardId};
use serde::{Deserialize, Serialize};

/// Asks for everything that was written so far to be compacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactRequest {
    /// The collection.
    pub collection: CollectionName,
    /// Approximate bytes of a segment, at most; none leaves it to the server, which may give less than asked.
    pub bytes_max: Option<u64>,
}

/// The segments of a collection at one moment of each shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSegments {
    /// The collection.
    pub collection: CollectionId,
    /// Its segments, shard after shard.
    pub segments: Vec<SegmentInfo>,
    /// Segments that become one, and are not replaced for readers yet.
    pub merges: Vec<MergeInfo>,
    /// The last compaction that somebody asked for; none when nobody ever did.
    pub asked: Option<AskedInfo>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Its shard.
    pub shard: ShardId,
    /// Its number in the shard; never used again.
    pub id: SegmentId,
    /// Its partition.
    pub partition: PartitionId,
    /// Its rows, deleted ones that still take space included.
    pub rows: u64,
    /// Where it is in its life.
    pub standing: SegmentStanding,
    /// Whether searches read it.
    pub is_searched: bool,
    /// Vector fields with an index that searches use.
    pub indexed: Vec<FieldId>,
    /// Bytes of memory on the node that answers: rows that are in no file yet, delete lists, indexes.
    pub memory_bytes: u64,
}

/// ```text
/// Growing -> Sealed -> Flushed -> Replaced -> (gone)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentStanding {
    /// Takes rows.
    Growing,
    /// Takes no more rows; its file is being written.
    Sealed,
    /// In its file, in the form in which it stays.
    Flushed,
    /// A compaction has put another in its place, which readers do not see yet.
    Replaced,
}

/// Segments that become one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeInfo {
    /// The shard.
    pub shard: ShardId,
    /// The partition.
    pub partition: PartitionId,
    /// What becomes one, in the order of the rows.
    pub inputs: Vec<SegmentId>,
    /// What they become.
    pub output: SegmentId,
    /// The output is in its file and waits for its index.
    pub is_written: bool,
    /// Seconds until readers see the output, about, by what the last ones took; none before the first one was made.
    pub seconds_left: Option<u64>,
}

/// A compaction that somebody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedInfo {
    /// All that can be done for it is done. Rows that a moment still shows stay, and are no reason to wait.
    pub is_done: bool,
    /// Outputs that are in the place of their inputs since it was asked for.
    pub finished: u64,
    /// Outputs that are being made.
    pub under_way: u64,
}
