//! One segment in the place of several (I13, I18, I22).
//!
//! The log decides what is in the output; each replica makes it from its own inputs, which are equal, and reads those until
//! the output's file is durable there. A compaction needs no request name (I10): repeated, its inputs are gone.

use super::state::SEGMENT_ROWS_MAX;
use super::{Applied, Effect, Outcome, Refusal, SegmentPhase, SegmentState, ShardState};
use vecraft_types::{LogPosition, PartitionId, SegmentId};

impl ShardState {
    pub(super) fn compact(
        &mut self,
        inputs: Vec<SegmentId>,
        floor: LogPosition,
        rows: u32,
        bytes: u64,
        applied: Applied,
    ) -> Outcome {
        let Some((partition, sealed)) = self.compactable(&inputs, floor, rows, applied) else {
            return Outcome::refused(Refusal::NotCompactable);
        };
        for id in &inputs {
            self.segments.remove(id);
        }
        self.count_for_ask();
        let shard = self.id;
        if rows == 0 {
            let effects = vec![Effect::SegmentsDropped { shard, segments: inputs }];
            return Outcome { reply: Ok(applied), effects };
        }
        let output = self.next_segment;
        self.next_segment = SegmentId(output.0 + 1);
        let segment = SegmentState { partition, rows, bytes, phase: SegmentPhase::Sealed(sealed) };
        self.segments.insert(output, segment);
        let effects = vec![Effect::Compacted { shard, inputs, output, partition, floor, rows }];
        Outcome { reply: Ok(applied), effects }
    }

    /// The partition of the inputs and the entry that sealed the last of them, if they are neighbours and may be one.
    fn compactable(
        &self,
        inputs: &[SegmentId],
        floor: LogPosition,
        rows: u32,
        applied: Applied,
    ) -> Option<(PartitionId, LogPosition)> {
        let (first, last) = (inputs.first()?, inputs.last()?);
        let partition = self.partition_of(*first)?;
        let ordered = self.sealed_of(partition);
        let from = ordered.iter().position(|id| id == first)?;
        let are_neighbours = ordered.get(from..from + inputs.len()) == Some(inputs);
        let all: u64 = inputs.iter().filter_map(|id| self.segments.get(id)).map(|s| u64::from(s.rows)).sum();
        let fits = u64::from(rows) <= all && all <= u64::from(SEGMENT_ROWS_MAX);
        // What the proposer has applied is before the entry: it knew all deletes up to the floor.
        if !are_neighbours || !fits || floor >= applied.position {
            return None;
        }
        Some((partition, self.segments.get(last)?.phase.sealed()?))
    }
}
