//! Which sealed segments become one. Pure; the group's leader asks and proposes the answer ([`crate::maintain`]).
//!
//! ```text
//! many rows deleted ───────────────────────────────> written again without them
//! several neighbours, none of which is half of all ─> merged
//! ```
//! Every row that is merged lands in a segment at least twice as large, so it is rewritten a few times in its life, not with
//! every neighbour that comes.

use std::ops::Range;
use vecraft_types::SegmentId;

/// When segments are worth a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionPolicy {
    /// Approximate bytes of an output, at most; 0: nothing is compacted.
    pub bytes_max: u64,
    /// A segment of whose rows so many in a hundred are deleted is written again.
    pub deleted_percent: u32,
    /// Fewer neighbours than this are not merged for their size.
    pub inputs_min: usize,
}

impl Default for CompactionPolicy {
    /// Milvus's: outputs of 1 GiB, at 20 % deleted; four neighbours.
    fn default() -> CompactionPolicy {
        CompactionPolicy { bytes_max: 1 << 30, deleted_percent: 20, inputs_min: 4 }
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

/// The inputs of the next compaction among the segments of a partition, which are in log order. What is deleted goes
/// first: it frees space.
pub fn choose(ordered: &[SegmentFigure], policy: &CompactionPolicy) -> Option<Range<usize>> {
    if policy.bytes_max == 0 {
        return None;
    }
    deleted(ordered, policy).or_else(|| small(ordered, policy))
}

/// The first run of neighbours with many deleted rows.
fn deleted(ordered: &[SegmentFigure], policy: &CompactionPolicy) -> Option<Range<usize>> {
    let first = ordered.iter().position(|segment| segment.is_due(policy))?;
    let mut bytes = ordered[first].live_bytes();
    let mut end = first + 1;
    while let Some(next) = ordered.get(end).filter(|next| next.is_due(policy)) {
        bytes += next.live_bytes();
        if bytes > policy.bytes_max {
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
        let (mut bytes, mut largest) = (0, 0);
        for (at, segment) in ordered.iter().enumerate().skip(first) {
            bytes += segment.live_bytes();
            largest = largest.max(segment.live_bytes());
            if bytes > policy.bytes_max {
                break;
            }
            let count = at + 1 - first;
            let is_longer = best.as_ref().is_none_or(|best| best.len() < count);
            if count >= policy.inputs_min.max(2) && largest * 2 <= bytes && is_longer {
                best = Some(first..at + 1);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: CompactionPolicy =
        CompactionPolicy { bytes_max: 1_000, deleted_percent: 20, inputs_min: 4 };

    fn segments(of: &[(u32, u32)]) -> Vec<SegmentFigure> {
        let figure = |(id, (rows, live)): (usize, &(u32, u32))| SegmentFigure {
            id: SegmentId(id as u64 + 1),
            rows: *rows,
            live: *live,
            bytes: u64::from(*rows),
        };
        of.iter().enumerate().map(figure).collect()
    }

    #[test]
    fn many_deleted_rows_are_written_out_of_a_segment_and_its_neighbours_like_it() {
        let all = segments(&[(100, 90), (100, 80), (100, 10), (100, 100)]);
        assert_eq!(choose(&all, &POLICY), Some(1..3));
        // One that is as large as an output may be is written again by itself.
        assert_eq!(choose(&segments(&[(2_000, 1_500), (2_000, 1_500)]), &POLICY), Some(0..1));
        assert_eq!(choose(&segments(&[(100, 0)]), &POLICY), Some(0..1));
        assert_eq!(choose(&segments(&[(100, 81)]), &POLICY), None);
    }

    #[test]
    fn small_neighbours_are_merged_and_large_ones_wait_for_company() {
        assert_eq!(choose(&segments(&[(10, 10); 3]), &POLICY), None);
        assert_eq!(choose(&segments(&[(10, 10); 4]), &POLICY), Some(0..4));
        // The first would be most of the output: it waits, the others go.
        assert_eq!(
            choose(&segments(&[(500, 500), (10, 10), (10, 10), (10, 10), (10, 10)]), &POLICY),
            Some(1..5)
        );
        // No more than fit.
        assert_eq!(choose(&segments(&[(300, 300); 8]), &POLICY), None);
        assert_eq!(choose(&segments(&[(240, 240); 8]), &POLICY), Some(0..4));
    }

    #[test]
    fn nothing_is_chosen_twice_for_ever() {
        // Segments of ten come one after another: what is rewritten stays within a small factor of what came.
        let (mut all, mut written, mut next) = (Vec::new(), 0u64, 1u64);
        for _ in 0..1_000 {
            all.push(SegmentFigure { id: SegmentId(next), rows: 10, live: 10, bytes: 10 });
            next += 1;
            while let Some(range) = choose(&all, &POLICY) {
                let rows: u32 = all[range.clone()].iter().map(|one| one.live).sum();
                written += u64::from(rows);
                let one = SegmentFigure { id: SegmentId(next), rows, live: rows, bytes: u64::from(rows) };
                next += 1;
                all.splice(range, [one]);
            }
        }
        assert!(written <= 4 * 10_000, "{written} rows rewritten for 10,000");
        assert!(all.len() <= 30, "{} segments are left", all.len());
    }

    #[test]
    fn zero_bytes_turn_it_off() {
        let off = CompactionPolicy { bytes_max: 0, ..POLICY };
        assert_eq!(choose(&segments(&[(10, 0); 9]), &off), None);
    }
}
