//! Which sealed segments become one. Pure; the group's leader asks and proposes the answer ([`crate::maintain`]).
//!
//! ```text
//! by itself     many rows deleted ───────────────────────────────> written again without them
//!               several neighbours, none of which is half of all ─> merged
//! asked for     neighbours that fit one segment ──────────────────> merged, if they are only two
//!               any row deleted ──────────────────────────────────> written again without it
//! ```
//! By itself, every row that is merged lands in a segment at least twice as large, so it is rewritten a few times in its life,
//! not with every neighbour that comes. Whoever asks wants it all at once: each row is rewritten once then, or not at all.

use std::ops::Range;
use vecraft_state::shard::SEGMENT_ROWS_MAX;
use vecraft_types::SegmentId;

/// When segments are worth a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionPolicy {
    /// Approximate bytes of an output, at most; 0: nothing is compacted unless somebody asks for it.
    pub bytes_max: u64,
    /// Of whatever somebody asks for, outputs are no larger than this: each waits for its index, which needs memory.
    pub asked_bytes_max: u64,
    /// Living rows of an output, at most: short rows take more memory in an index than by themselves.
    pub rows_max: u64,
    /// A segment of whose rows so many in a hundred are deleted is written again.
    pub deleted_percent: u32,
    /// Fewer neighbours than this are not merged for their size.
    pub inputs_min: usize,
}

impl Default for CompactionPolicy {
    /// Milvus's: outputs of 1 GiB, at 20 % deleted; four neighbours.
    fn default() -> CompactionPolicy {
        CompactionPolicy {
            bytes_max: 1 << 30,
            asked_bytes_max: 4 << 30,
            rows_max: u64::from(SEGMENT_ROWS_MAX),
            deleted_percent: 20,
            inputs_min: 4,
        }
    }
}

impl CompactionPolicy {
    /// Approximate bytes of an output for somebody who asks for so many, 0 for none in particular; never more than
    /// [`asked_bytes_max`](CompactionPolicy::asked_bytes_max).
    pub fn bytes_asked(&self, asked: u64) -> u64 {
        let usual = if self.bytes_max == 0 { CompactionPolicy::default().bytes_max } else { self.bytes_max };
        let wanted = if asked == 0 { usual } else { asked };
        wanted.min(self.asked_bytes_max)
    }
}

/// One sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFigure {
    /// Which.
    pub id: SegmentId,
    /// Its rows, deleted ones included.
    pub rows: u32,
    /// Those of them that live.
    pub live: u32,
    /// Approximate bytes of all rows.
    pub bytes: u64,
}

impl SegmentFigure {
    /// Approximate bytes of the living rows.
    pub fn live_bytes(&self) -> u64 {
        let share = u128::from(self.bytes) * u128::from(self.live);
        (share / u128::from(self.rows.max(1))) as u64
    }

    fn is_due(&self, policy: &CompactionPolicy) -> bool {
        let deleted = u64::from(self.rows - self.live.min(self.rows));
        deleted > 0 && deleted * 100 >= u64::from(policy.deleted_percent) * u64::from(self.rows)
    }
}

/// What some neighbours are together.
#[derive(Clone, Copy, Default)]
struct Sum {
    /// Approximate bytes of the living rows.
    bytes: u64,
    rows: u64,
    live: u64,
}

impl Sum {
    fn add(&mut self, segment: &SegmentFigure) {
        self.bytes = self.bytes.saturating_add(segment.live_bytes());
        self.rows += u64::from(segment.rows);
        self.live += u64::from(segment.live);
    }

    /// Whether they are one segment. Of more rows, deleted ones included, the log takes no compaction.
    fn fit(&self, bytes_max: u64, rows_max: u64) -> bool {
        self.bytes <= bytes_max && self.live <= rows_max && self.rows <= u64::from(SEGMENT_ROWS_MAX)
    }
}

/// The inputs of the next compaction among the segments of a partition, which are in log order. What is deleted goes
/// first: it frees space.
pub fn choose(ordered: &[SegmentFigure], policy: &CompactionPolicy) -> Option<Range<usize>> {
    if policy.bytes_max == 0 {
        return None;
    }
    deleted(ordered, policy).or_else(|| small(ordered, policy))
}

/// The inputs of the next compaction that somebody asked for, among the segments that the ask means: from the first on, each
/// with as many neighbours as fit, or by itself when rows of it are deleted. Asked again about what came of it, the same ask finds
/// nothing more: an output has no deleted row, and does not fit beside its neighbours.
pub fn choose_asked(ordered: &[SegmentFigure], bytes_max: u64, rows_max: u64) -> Option<Range<usize>> {
    let mut first = 0;
    while first < ordered.len() {
        let (mut sum, mut end) = (Sum::default(), first);
        while let Some(next) = ordered.get(end) {
            sum.add(next);
            if end > first && !sum.fit(bytes_max, rows_max) {
                break;
            }
            end += 1;
        }
        if end - first > 1 || ordered[first].live < ordered[first].rows {
            return Some(first..end);
        }
        first = end;
    }
    None
}

/// The first run of neighbours with many deleted rows.
fn deleted(ordered: &[SegmentFigure], policy: &CompactionPolicy) -> Option<Range<usize>> {
    let first = ordered.iter().position(|segment| segment.is_due(policy))?;
    let mut sum = Sum::default();
    sum.add(&ordered[first]);
    let mut end = first + 1;
    while let Some(next) = ordered.get(end).filter(|next| next.is_due(policy)) {
        sum.add(next);
        if !sum.fit(policy.bytes_max, policy.rows_max) {
            break;
        }
        end += 1;
    }
    Some(first..end)
}

/// The longest run of neighbours that fit one segment, of which none is more than half.
fn small(ordered: &[SegmentFigure], policy: &CompactionPolicy) -> Option<Range<usize>> {
    let mut best: Option<Range<usize>> = None;
    for first in 0..ordered.len() {
        let (mut sum, mut largest) = (Sum::default(), 0);
        for (at, segment) in ordered.iter().enumerate().skip(first) {
            sum.add(segment);
            largest = largest.max(segment.live_bytes());
            if !sum.fit(policy.bytes_max, policy.rows_max) {
                break;
            }
            let count = at + 1 - first;
            let is_longer = best.as_ref().is_none_or(|best| best.len() < count);
            if count >= policy.inputs_min.max(2) && largest * 2 <= sum.bytes && is_longer {
                best = Some(first..at + 1);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
