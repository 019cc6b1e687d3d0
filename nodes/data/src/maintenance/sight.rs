//! What could be compacted in a shard: looked at under the replica's lock, counted and chosen without it.
//!
//! ```text
//! lock     segments, floor, ask ──> a sight: handles and numbers
//! I/O      deleted rows up to the floor, one by one ── choose ──> a step
//! ```
//! Counting walks over the delete list of a segment where a moment is pinned or somebody asks. Elsewhere the number that there was
//! under the lock will do. Deletes that come meanwhile have positions above the floor and change nothing of either.

use crate::compaction::{CompactionPolicy, SegmentFigure, choose, choose_asked};
use crate::replica::GroupReplica;
use std::collections::BTreeMap;
use std::ops::Range;
use vecraft_segment::{Input, Segment};
use vecraft_state::shard::{AskedCompaction, ShardState};
use vecraft_types::{LogPosition, PartitionId, SegmentId, ShardId};

/// What the leader is to propose for a shard.
pub(crate) enum Step {
    /// A compaction.
    Compact(Proposal),
    /// Nothing more can be done for what was asked at this entry.
    Done(LogPosition),
}

/// A compaction to be proposed.
pub(crate) struct Proposal {
    /// Neighbours, in log order.
    pub inputs: Vec<(SegmentId, Input)>,
    /// Approximate bytes of the rows that go on.
    pub bytes: u64,
}

/// A shard in which nothing is being compacted.
pub(crate) struct Sight {
    /// Which.
    pub shard: ShardId,
    /// Rows deleted at or before this entry may go (I18).
    pub floor: LogPosition,
    asked: Option<AskedCompaction>,
    /// Nothing was deleted above the floor when the lock was held.
    is_floor_now: bool,
    partitions: Vec<Vec<Seen>>,
}

/// A sealed segment.
struct Seen {
    id: SegmentId,
    sealed: LogPosition,
    bytes: u64,
    /// Rows that were deleted when the lock was held.
    deleted: u32,
    /// None while it is not read from its file.
    segment: Option<Segment>,
}

impl GroupReplica {
    /// The shards in which something may be due: with `asked_only` those where somebody asked. One compaction at a time in a shard.
    pub(crate) fn sights(&self, asked_only: bool) -> Vec<Sight> {
        let sight = |(id, state): (&ShardId, &ShardState)| {
            let asked = state.open_ask().copied();
            let held = self.shards.get(id).filter(|shard| shard.compacting.is_empty())?;
            if asked_only && asked.is_none() {
                return None;
            }
            let mut partitions: BTreeMap<PartitionId, Vec<Seen>> = BTreeMap::new();
            for (id, segment) in &state.segments {
                let Some(sealed) = segment.phase.sealed() else { continue };
                let here = held.segments.get(id).map(|held| held.segment.clone());
                let segment_here = here.filter(|segment| matches!(segment, Segment::Sealed(_)));
                let deleted = segment_here.as_ref().map_or(0, |segment| segment.deletes().count());
                let seen = Seen { id: *id, sealed, bytes: segment.bytes, deleted, segment: segment_here };
                partitions.entry(segment.partition).or_default().push(seen);
            }
            // The order of their rows in the log, as `ShardState::sealed_of` has it.
            partitions.values_mut().for_each(|all| all.sort_by_key(|seen| (seen.sealed, seen.id)));
            let floor = state.read_pins.oldest().map_or(self.applied, |oldest| oldest.min(self.applied));
            Some(Sight {
                shard: *id,
                floor,
                asked,
                is_floor_now: floor >= self.applied,
                partitions: partitions.into_values().collect(),
            })
        };
        self.state.shards.iter().filter_map(sight).collect()
    }

    /// The last entry by which somebody asked for a compaction that is not done.
    pub(crate) fn newest_ask(&self) -> Option<LogPosition> {
        self.state.shards.values().filter_map(|state| Some(state.open_ask()?.position)).max()
    }
}

impl Sight {
    /// What to propose. Looks at every row of a segment with deletes: not for a thread that others wait for.
    pub(crate) fn step(&self, policy: &CompactionPolicy) -> Option<Step> {
        match &self.asked {
            Some(ask) => self.for_ask(ask, policy),
            None => self.partitions.iter().find_map(|all| {
                let figures = figures(all, self.floor, self.is_floor_now)?;
                Some(Step::Compact(proposal(all, &figures, choose(&figures, policy)?)?))
            }),
        }
    }

    /// An ask means what was sealed by the time of its entry, and the rows that were deleted by then. What a moment holds back
    /// (I18) is not waited for.
    fn for_ask(&self, ask: &AskedCompaction, policy: &CompactionPolicy) -> Option<Step> {
        let floor = self.floor.min(ask.position);
        let is_floor_now = self.is_floor_now && floor == self.floor;
        let mut waits = false;
        for all in &self.partitions {
            let meant = &all[..all.partition_point(|seen| seen.sealed <= ask.position)];
            let Some(figures) = figures(meant, floor, is_floor_now) else {
                waits = true;
                continue;
            };
            let chosen = choose_asked(&figures, policy.bytes_asked(ask.bytes_max), policy.rows_max);
            if let Some(proposal) = chosen.and_then(|range| proposal(meant, &figures, range)) {
                return Some(Step::Compact(proposal));
            }
        }
        (!waits).then_some(Step::Done(ask.position))
    }
}

/// As live counts what no entry up to `floor` deleted; `None` while one of them is not read from its file. `is_all`: every delete
/// that was seen is at or before the floor.
fn figures(all: &[Seen], floor: LogPosition, is_all: bool) -> Option<Vec<SegmentFigure>> {
    let figure = |seen: &Seen| {
        let segment = seen.segment.as_ref()?;
        let rows = segment.rows();
        let deleted = match seen.deleted {
            0 => 0,
            deleted if is_all => deleted.min(rows),
            _ => segment.deletes().count_until(rows, floor),
        };
        Some(SegmentFigure { id: seen.id, rows, live: rows - deleted, bytes: seen.bytes })
    };
    all.iter().map(figure).collect()
}

fn proposal(all: &[Seen], figures: &[SegmentFigure], range: Range<usize>) -> Option<Proposal> {
    let input = |seen: &Seen| Some((seen.id, Input::Segment(seen.segment.clone()?)));
    Some(Proposal {
        inputs: all[range.clone()].iter().map(input).collect::<Option<_>>()?,
        bytes: figures[range].iter().map(SegmentFigure::live_bytes).sum(),
    })
}

#[cfg(test)]
impl Sight {
    /// The figures of the first partition.
    pub(crate) fn figures(&self) -> Option<Vec<SegmentFigure>> {
        figures(self.partitions.first()?, self.floor, self.is_floor_now)
    }
}
