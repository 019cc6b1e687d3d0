//! Proposing compactions, and letting readers see what came of them.

use crate::compaction::{CompactionPolicy, SegmentFigure, choose};
use crate::group::DataGroup;
use crate::replica::GroupReplica;
use crate::snapshot::room_for;
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_segment::{Input, Segment};
use vecraft_state::shard::{Refusal, ShardCommand, ShardState};
use vecraft_types::{LogPosition, PartitionId, SegmentId, ShardId};

/// Between two looks whether the indexes of an output are here.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A compaction to be proposed.
struct Proposal {
    shard: ShardId,
    inputs: Vec<(SegmentId, Input)>,
    floor: LogPosition,
    bytes: u64,
}

impl GroupReplica {
    /// The next compaction that is worth it: one at a time in a shard, of segments that are read from their files.
    fn compaction_due(&self, policy: &CompactionPolicy) -> Option<Proposal> {
        self.state.shards.iter().find_map(|(id, state)| self.compaction_of(*id, state, policy))
    }

    fn compaction_of(&self, id: ShardId, state: &ShardState, policy: &CompactionPolicy) -> Option<Proposal> {
        let shard = self.shards.get(&id).filter(|shard| shard.compacting.is_empty())?;
        // I18: what the oldest moment that reads go back to shows stays.
        let floor = state.read_pins.oldest().map_or(self.applied, |oldest| oldest.min(self.applied));
        let partitions: BTreeSet<PartitionId> =
            state.segments.values().map(|segment| segment.partition).collect();
        partitions.into_iter().find_map(|partition| {
            let figures = figures_of(self, id, partition, floor)?;
            let chosen = &figures[choose(&figures, policy)?];
            let input = |one: &SegmentFigure| {
                let held = shard.segments.get(&one.id)?;
                Some((one.id, Input::Segment(held.segment.clone())))
            };
            Some(Proposal {
                shard: id,
                inputs: chosen.iter().map(input).collect::<Option<_>>()?,
                floor,
                bytes: chosen.iter().map(SegmentFigure::live_bytes).sum(),
            })
        })
    }
}

/// The sealed segments of a partition in log order, as live counts what no entry up to `floor` deleted; `None` while one of
/// them is not read from its file.
pub(crate) fn figures_of(
    replica: &GroupReplica,
    shard: ShardId,
    partition: PartitionId,
    floor: LogPosition,
) -> Option<Vec<SegmentFigure>> {
    let (state, shard) = (replica.state.shards.get(&shard)?, replica.shards.get(&shard)?);
    let figure = |id: SegmentId| {
        let Segment::Sealed(held) = &shard.segments.get(&id)?.segment else { return None };
        let rows = held.rows();
        let live = match held.deletes().count() {
            0 => rows,
            deleted if floor >= replica.applied() => rows - deleted.min(rows),
            _ => held.deletes().live(0, rows, floor).map_or(rows, |live| live.count_ones() as u32),
        };
        Some(SegmentFigure { id, rows, live, bytes: state.segments.get(&id)?.bytes })
    };
    state.sealed_of(partition).into_iter().map(figure).collect()
}

/// Proposes the next compaction, if this replica leads and there is room for its output; true when one was applied.
pub(crate) async fn compact(group: &DataGroup, policy: &CompactionPolicy) -> bool {
    if policy.bytes_max == 0 || !group.raft.is_leader() {
        return false;
    }
    let due = group.machine.lock().replica.compaction_due(policy);
    let Some(Proposal { shard, inputs, floor, bytes }) = due else { return false };
    let names: Vec<SegmentId> = inputs.iter().map(|(id, _)| *id).collect();
    if let Err(why) = room_for(group.disk.as_ref(), bytes) {
        tracing::warn!(%shard, segments = ?names, why, "no room to compact; space is freed only by it, so make some");
        return false;
    }
    // Looks at every row: not on a thread that others wait for.
    let counting = move || inputs.iter().map(|(_, input)| input.kept(floor).len()).sum();
    let Ok(rows) = group.io.run(counting).await else { return false };
    let command = ShardCommand::Compact { inputs: names.clone(), floor, rows, bytes };
    match group.ask(shard, command, super::PROPOSE_DEADLINE).await {
        Ok((_, Ok(_))) => {
            tracing::info!(%shard, segments = ?names, rows, bytes, "compacting");
            true
        }
        // Another leader's compaction, a drop: the next look sees it.
        Ok((_, Err(Refusal::NotCompactable | Refusal::UnknownShard))) => false,
        Ok((_, Err(refusal))) => {
            tracing::warn!(%shard, ?refusal, "cannot compact");
            false
        }
        Err(error) => {
            tracing::warn!(%shard, %error, "cannot compact, trying again after the next checkpoint");
            false
        }
    }
}

/// Returns when readers were shown the output of a compaction; never while none waits for that.
pub(super) async fn changed_over(group: &DataGroup) {
    while group.machine.lock().replica.is_changing_over() {
        if group.machine.lock().replica.change_over() {
            group.segments_changed.notify_one();
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    std::future::pending().await
}
