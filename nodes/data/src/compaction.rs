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
    /// Rows of an output, at most: short rows take more memory in an index than by themselves.
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

    /// Whether so many bytes of living rows, and rows of any kind, are one segment.
    fn fit(bytes: u64, rows: u64, bytes_max: u64, rows_max: u64) -> bool {
        // Of more the log takes no compaction.
        bytes <= bytes_max && rows <= rows_max.min(u64::from(SEGMENT_ROWS_MAX))
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

/// The inputs of the next compaction that somebody asked for, among the segments that the ask means: from the first on, each
/// with as many neighbours as fit, or by itself when rows of it are deleted. Asked again about what came of it, the same ask finds
/// nothing more: an output has no deleted row, and does not fit beside its neighbours.
pub fn choose_asked(ordered: &[SegmentFigure], bytes_max: u64, rows_max: u64) -> Option<Range<usize>> {
    let mut first = 0;
    while first < ordered.len() {
        let (mut bytes, mut rows, mut end) = (0u64, 0u64, first);
        while let Some(next) = ordered.get(end) {
            bytes = bytes.saturating_add(next.live_bytes());
            rows += u64::from(next.rows);
            if end > first && !SegmentFigure::fit(bytes, rows, bytes_max, rows_max) {
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
    let (mut bytes, mut rows) = (ordered[first].live_bytes(), u64::from(ordered[first].rows));
    let mut end = first + 1;
    while let Some(next) = ordered.get(end).filter(|next| next.is_due(policy)) {
        bytes += next.live_bytes();
        rows += u64::from(next.rows);
        if !SegmentFigure::fit(bytes, rows, policy.bytes_max, policy.rows_max) {
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
        let (mut bytes, mut rows, mut largest) = (0, 0, 0);
        for (at, segment) in ordered.iter().enumerate().skip(first) {
            bytes += segment.live_bytes();
            rows += u64::from(segment.rows);
            largest = largest.max(segment.live_bytes());
            if !SegmentFigure::fit(bytes, rows, policy.bytes_max, policy.rows_max) {
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

    const ROWS_MAX: u64 = SEGMENT_ROWS_MAX as u64;
    const POLICY: CompactionPolicy = CompactionPolicy {
        bytes_max: 1_000,
        asked_bytes_max: 4_000,
        rows_max: ROWS_MAX,
        deleted_percent: 20,
        inputs_min: 4,
    };

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
    fn an_output_has_no_more_rows_than_memory_has_room_to_index() {
        let all = segments(&[(10, 10); 9]);
        let policy = CompactionPolicy { rows_max: 50, ..POLICY };
        assert_eq!(choose(&all, &policy), Some(0..5));
        assert_eq!(choose_asked(&all, 1_000, 50), Some(0..5));
        let deleted = segments(&[(30, 10); 3]);
        assert_eq!(choose(&deleted, &CompactionPolicy { rows_max: 60, ..POLICY }), Some(0..2));
        // One that has more by itself is written again by itself.
        assert_eq!(choose(&deleted, &CompactionPolicy { rows_max: 20, ..POLICY }), Some(0..1));
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
    fn who_asks_gets_two_neighbours_merged_and_every_deleted_row_out() {
        let ask = |of: &[(u32, u32)]| choose_asked(&segments(of), 1_000, ROWS_MAX);
        assert_eq!(ask(&[]), None);
        assert_eq!(ask(&[(100, 100)]), None);
        assert_eq!(ask(&[(100, 99)]), Some(0..1));
        assert_eq!(ask(&[(990, 990), (10, 10), (1, 1)]), Some(0..2));
        // What is full by itself waits for nobody, and what does not fit beside it begins anew.
        assert_eq!(ask(&[(2_000, 2_000), (600, 600), (600, 600), (400, 400)]), Some(2..4));
        assert_eq!(ask(&[(2_000, 1_999), (10, 10)]), Some(0..1));
        // A segment without a living row takes no room.
        assert_eq!(ask(&[(1_000, 1_000), (500, 0), (600, 600)]), Some(0..2));
        assert_eq!(ask(&[(600, 600), (600, 600), (600, 600)]), None);
        let rows = SegmentFigure { id: SegmentId(1), rows: 1 << 26, live: 1 << 26, bytes: 1 };
        assert_eq!(
            choose_asked(&[rows; 3], u64::MAX, u64::MAX),
            Some(0..2),
            "no more rows than a segment may have"
        );
        let policy = CompactionPolicy { inputs_min: 2, ..POLICY };
        assert_eq!(choose(&[rows; 3], &policy), Some(0..2), "nor without being asked");
        let deleted = SegmentFigure { live: 1, ..rows };
        assert_eq!(choose(&[deleted; 3], &policy), Some(0..2));
    }

    #[test]
    fn an_ask_ends_and_asked_again_finds_nothing() {
        // Any segments: each row is rewritten once at most, and the second ask has nothing to do.
        let mut dice = 1u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for _ in 0..500 {
            let figure = |(id, rows, live): (u64, u32, u32)| SegmentFigure {
                id: SegmentId(id),
                rows,
                live,
                bytes: u64::from(rows) * 10,
            };
            let count = roll(12);
            let mut all: Vec<SegmentFigure> = (0..count)
                .map(|id| {
                    let rows = 1 + roll(300);
                    figure((id, rows as u32, (rows - roll(3).min(roll(rows + 1))) as u32))
                })
                .collect();
            let (live, max) = (all.iter().map(|one| u64::from(one.live)).sum::<u64>(), 500 + roll(3_000));
            let (mut written, mut next) = (0, count);
            while let Some(range) = choose_asked(&all, max, ROWS_MAX) {
                let rows: u32 = all[range.clone()].iter().map(|one| one.live).sum();
                written += u64::from(rows);
                all.splice(range, (rows > 0).then(|| figure((next, rows, rows))));
                next += 1;
                assert!(written <= live, "a row was written twice: {all:?}");
            }
            assert_eq!(all.iter().map(|one| u64::from(one.live)).sum::<u64>(), live);
            assert!(all.iter().all(|one| one.live == one.rows));
            let fits = |pair: &[SegmentFigure]| pair[0].bytes + pair[1].bytes <= max;
            assert!(!all.windows(2).any(fits), "two that fit were left: {all:?}");
        }
    }

    #[test]
    fn zero_bytes_turn_it_off() {
        let off = CompactionPolicy { bytes_max: 0, ..POLICY };
        assert_eq!(choose(&segments(&[(10, 0); 9]), &off), None);
        // Not for who asks.
        assert_eq!([0, 7, 1 << 60].map(|asked| off.bytes_asked(asked)), [4_000, 7, 4_000]);
        let roomy = CompactionPolicy { asked_bytes_max: 4 << 30, ..off };
        assert_eq!([0, 7, 1 << 60].map(|asked| roomy.bytes_asked(asked)), [1 << 30, 7, 4 << 30]);
        assert_eq!([0, 7, 1 << 60].map(|asked| POLICY.bytes_asked(asked)), [1_000, 7, 4_000]);
    }
}
