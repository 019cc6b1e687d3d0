//! Compactions (I13), told by the life of every row a segment ever had: which entry took it, if one did.

use super::TwinShard;
use std::collections::BTreeMap;
use vecraft_state::shard::Refusal;
use vecraft_types::{LogPosition, PartitionId, SegmentId};

/// Which entry deleted each row of each segment, in row order.
pub(super) type Lives = BTreeMap<SegmentId, Vec<Option<LogPosition>>>;

impl TwinShard {
    /// Sealed segments of a partition in the order in which their rows were written.
    pub fn neighbours(&self, partition: PartitionId) -> &[SegmentId] {
        self.order.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// The last entry that concerned the shard.
    pub fn at(&self) -> LogPosition {
        self.at
    }

    /// The highest floor of a compaction that leaves every moment its rows (I18).
    pub fn floor_max(&self) -> LogPosition {
        self.pins.values().map(|(position, _)| *position).min().map_or(self.at, |oldest| oldest.min(self.at))
    }

    /// Whether nobody counts a segment's rows for a compaction: it takes rows, or an entry under way makes it first.
    pub fn is_uncounted(&self, segment: SegmentId) -> bool {
        segment > self.last_segment || self.growing.values().any(|(growing, _)| *growing == segment)
    }

    /// Rows that a compaction takes along.
    pub fn kept(&self, inputs: &[SegmentId], floor: LogPosition) -> u32 {
        inputs.iter().map(|id| self.survivors(*id, floor).len() as u32).sum()
    }

    fn survivors(&self, segment: SegmentId, floor: LogPosition) -> Vec<u32> {
        let rows = self.lives.get(&segment).into_iter().flatten().enumerate();
        rows.filter(|(_, gone)| gone.is_none_or(|at| at > floor)).map(|(row, _)| row as u32).collect()
    }

    pub(super) fn compact(
        &mut self,
        inputs: &[SegmentId],
        floor: LogPosition,
        rows: u32,
        now: LogPosition,
    ) -> Result<(), Refusal> {
        let partition = inputs.first().and_then(|first| self.sealed.get(first)).copied();
        let partition = partition.ok_or(Refusal::NotCompactable)?;
        let order = self.neighbours(partition).to_vec();
        let at = order.windows(inputs.len()).position(|run| run == inputs);
        let at = at.filter(|_| floor < now).ok_or(Refusal::NotCompactable)?;
        let all: usize = inputs.iter().map(|id| self.lives.get(id).map_or(0, Vec::len)).sum();
        if rows as usize > all {
            return Err(Refusal::NotCompactable);
        }
        if let Some(asked) = self.asked.as_mut().filter(|asked| !asked.is_done) {
            asked.decided += 1;
        }
        let mut names = BTreeMap::new();
        let mut lives = Vec::new();
        let output = SegmentId(self.last_segment.0 + 1);
        for id in inputs {
            for row in self.survivors(*id, floor) {
                names.insert((*id, row), lives.len() as u32);
                lives.push(self.lives[id][row as usize]);
            }
        }
        for id in inputs {
            self.sealed.remove(id);
            self.lives.remove(id);
        }
        self.builds.retain(|(segment, _), _| !inputs.contains(segment));
        let place: Vec<SegmentId> = if lives.is_empty() { vec![] } else { vec![output] };
        self.order.entry(partition).or_default().splice(at..at + inputs.len(), place);
        if lives.is_empty() {
            return Ok(());
        }
        self.last_segment = output;
        self.sealed.insert(output, partition);
        self.lives.insert(output, lives);
        for row in &mut self.rows {
            if let Some(number) = names.get(&(row.place.segment, row.place.row)) {
                row.place.segment = output;
                row.place.row = *number;
            }
        }
        Ok(())
    }
}
