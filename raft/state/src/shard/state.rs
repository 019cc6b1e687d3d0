//! One shard: its schema, segments and dedup window.

use super::{AskedCompaction, DedupWindow, ReadPins};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{CollectionSchema, IndexBuild, IndexId, LogPosition, PartitionId, SegmentId, ShardId};

/// Rows at which a segment is sealed by apply itself, whatever the leader's policy, and above which no compaction is taken:
/// engine/segment holds 2^28.
pub const SEGMENT_ROWS_MAX: u32 = 1 << 27;

/// Everything apply knows about a shard, beside its primary-key index. Part of the checkpoint (I3, I5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardState {
    /// The shard.
    pub id: ShardId,
    /// Its schema (I11).
    pub schema: CollectionSchema,
    /// Its segments.
    pub segments: BTreeMap<SegmentId, SegmentState>,
    /// Segment ids count from 1.
    pub next_segment: SegmentId,
    /// Partitions that no write may name any more.
    pub dropped_partitions: BTreeSet<PartitionId>,
    /// Answers to recent writes (I10).
    pub dedup: DedupWindow,
    /// The last entry that concerned this shard.
    pub last_position: LogPosition,
    /// Moments that reads go back to (I18).
    pub read_pins: ReadPins,
    /// The last compaction that somebody asked for.
    pub asked_compaction: Option<AskedCompaction>,
}

/// One segment as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentState {
    /// Its partition.
    pub partition: PartitionId,
    /// Rows appended, dead ones included.
    pub rows: u32,
    /// Approximate bytes appended.
    pub bytes: u64,
    /// Where it is in its life.
    pub phase: SegmentPhase,
}

/// ```text
/// Growing -> Sealed -> Indexed -> (dropped, or an input of a compaction)
///              ^ ......... |   its last index was dropped
/// ```
/// A compaction's output begins as sealed, at the entry that sealed its last input: so the segments of a partition keep the
/// order of their rows in the log.
/// Flushing to files is this replica's own affair (I13). New phases are added at the end: checkpoints hold them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentPhase {
    /// Takes rows.
    Growing,
    /// Takes no more rows since this entry; its column files depend only on the log up to here (I22).
    Sealed(LogPosition),
    /// Sealed, and the log names index files for it (I13).
    Indexed {
        /// The entry that sealed it.
        sealed: LogPosition,
        /// The build in force of each index; never empty.
        builds: BTreeMap<IndexId, IndexBuild>,
    },
}

impl SegmentPhase {
    /// The entry since which it takes no more rows.
    pub fn sealed(&self) -> Option<LogPosition> {
        match self {
            SegmentPhase::Growing => None,
            SegmentPhase::Sealed(sealed) | SegmentPhase::Indexed { sealed, .. } => Some(*sealed),
        }
    }

    /// True while it takes rows.
    pub fn is_growing(&self) -> bool {
        matches!(self, SegmentPhase::Growing)
    }

    /// The builds in force.
    pub fn builds(&self) -> impl Iterator<Item = &IndexBuild> {
        match self {
            SegmentPhase::Indexed { builds, .. } => Some(builds.values()),
            SegmentPhase::Growing | SegmentPhase::Sealed(_) => None,
        }
        .into_iter()
        .flatten()
    }
}

impl ShardState {
    pub(super) fn new(id: ShardId, schema: CollectionSchema, position: LogPosition) -> ShardState {
        ShardState {
            id,
            schema,
            segments: BTreeMap::new(),
            next_segment: SegmentId(1),
            dropped_partitions: BTreeSet::new(),
            dedup: DedupWindow::default(),
            last_position: position,
            read_pins: ReadPins::default(),
            asked_compaction: None,
        }
    }

    /// The partition's segment that takes rows, if there is one.
    pub fn growing(&self, partition: PartitionId) -> Option<SegmentId> {
        let grows = |segment: &SegmentState| segment.partition == partition && segment.phase.is_growing();
        self.segments.iter().find(|(_, segment)| grows(segment)).map(|(id, _)| *id)
    }

    /// The partition's growing segment if `rows` more would burst it.
    pub(super) fn bursting(&self, partition: PartitionId, rows: usize) -> Option<SegmentId> {
        let bursts = |id: &SegmentId| {
            self.segments.get(id).is_some_and(|s| s.rows as usize + rows > SEGMENT_ROWS_MAX as usize)
        };
        self.growing(partition).filter(bursts)
    }

    /// The partition's growing segment and the number its next row gets; made when there is none.
    pub(super) fn growing_or_new(&mut self, partition: PartitionId) -> (SegmentId, u32) {
        let id = self.growing(partition).unwrap_or_else(|| {
            let id = self.next_segment;
            self.next_segment = SegmentId(id.0 + 1);
            let segment = SegmentState { partition, rows: 0, bytes: 0, phase: SegmentPhase::Growing };
            self.segments.insert(id, segment);
            id
        });
        (id, self.segments.get(&id).map_or(0, |segment| segment.rows))
    }

    /// The sealed segments of a partition, in the order of their rows in the log.
    pub fn sealed_of(&self, partition: PartitionId) -> Vec<SegmentId> {
        let of_partition = self.segments.iter().filter(|(_, segment)| segment.partition == partition);
        let mut sealed: Vec<(LogPosition, SegmentId)> =
            of_partition.filter_map(|(id, segment)| Some((segment.phase.sealed()?, *id))).collect();
        sealed.sort();
        sealed.into_iter().map(|(_, id)| id).collect()
    }

    /// The index builds in force (I13).
    pub fn builds(&self) -> impl Iterator<Item = (SegmentId, &IndexBuild)> {
        self.segments.iter().flat_map(|(id, segment)| segment.phase.builds().map(|build| (*id, build)))
    }

    /// The partition of a segment.
    pub fn partition_of(&self, segment: SegmentId) -> Option<PartitionId> {
        self.segments.get(&segment).map(|segment| segment.partition)
    }
}
