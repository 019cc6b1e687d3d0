//! Segments of a shard and their compaction, at its leader.

use serde::{Deserialize, Serialize};
use vecraft_types::ShardId;
use vecraft_types::api::{AskedInfo, MergeInfo, SegmentInfo};

/// Asks a shard's leader for a compaction of what was written so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardCompact {
    /// The shard.
    pub shard: ShardId,
    /// Approximate bytes of an output, at most; 0 leaves it to the leader.
    pub bytes_max: u64,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
}

/// How a shard's rows lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSegments {
    /// Those that the log names, and those that readers still see instead of another.
    pub segments: Vec<SegmentInfo>,
    /// What becomes one.
    pub merges: Vec<MergeInfo>,
    /// The last compaction that somebody asked for.
    pub asked: Option<AskedInfo>,
}
