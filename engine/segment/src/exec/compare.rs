//! Every matching row of a segment compared with some queries, by as many threads as it pays for.
//!
//! A large segment is cut into parts of rows; each has its own candidates, which are joined at the end. The order of
//! candidates is (distance, row) everywhere and no two are equal, so the answer does not depend on the parts.

use super::exact::{Part, offer, offer_part};
use super::matches::Matches;
use super::queries::Queries;
use super::search::PARALLEL_ABOVE;
use super::{Cancel, SearchPlan};
use crate::Result;
use rayon::prelude::*;
use vecraft_index::TopK;

/// Candidates kept at once; more queries are searched in groups.
const CANDIDATES_MAX: usize = 4 << 20;
/// Parts for each thread: who is done early takes another.
const PARTS_PER_THREAD: usize = 4;
/// Rows of a part at least; a multiple of 64, as its size is.
const PART_ROWS_MIN: usize = 1 << 10;

/// The `min(k, matches)` nearest rows of each query.
pub(super) fn nearest_of_all(
    found: &[Matches],
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
) -> Result<Vec<TopK>> {
    let matching: usize = found.iter().map(Matches::count).sum();
    let parts = parts(found, matching.saturating_mul(queries.bytes()));
    nearest_by(&parts, found, plan, queries, cancel)
}

/// By these parts; by one thread when there are none.
fn nearest_by(
    parts: &[Part<'_>],
    found: &[Matches],
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
) -> Result<Vec<TopK>> {
    let matching: usize = found.iter().map(Matches::count).sum();
    let k = plan.k.min(matching).max(1);
    let mut nearest = Vec::with_capacity(queries.len());
    for group in queries.groups((CANDIDATES_MAX / k / parts.len().max(1)).max(1)) {
        let empty = || group.clone().map(|_| TopK::new(k)).collect::<Vec<TopK>>();
        let ready = queries.ready(group.clone())?;
        let mut tops = empty();
        if parts.is_empty() {
            offer(found, plan.field, &ready, plan.range, &mut tops, cancel)?;
        } else {
            let one = |part: &Part<'_>| -> Result<Vec<TopK>> {
                let mut tops = empty();
                offer_part(part, plan.field, &ready, plan.range, &mut tops, cancel)?;
                Ok(tops)
            };
            let all: Vec<Vec<TopK>> = parts.par_iter().map(one).collect::<Result<_>>()?;
            for part in all {
                for (top, of_part) in tops.iter_mut().zip(part) {
                    of_part.into_hits().into_iter().for_each(|hit| top.push(hit.distance, hit.row));
                }
            }
        }
        nearest.extend(tops);
    }
    Ok(nearest)
}

/// The parts for the threads there are; none when one thread is as fast.
fn parts(found: &[Matches], work: usize) -> Vec<Part<'_>> {
    let threads = rayon::current_num_threads();
    if threads == 1 || work <= PARALLEL_ABOVE {
        return Vec::new();
    }
    let rows: usize = found.iter().map(|matches| matches.block.rows()).sum();
    let rows = rows.div_ceil(threads * PARTS_PER_THREAD).max(PART_ROWS_MIN).next_multiple_of(64);
    Part::cut(found, rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{DIM, PACKED, Row, VECTOR, batch, mix, packed, schema};
    use crate::{GrowingOptions, GrowingSegment, Segment, ShardView};
    use std::sync::Arc;
    use vecraft_expr::Filter;
    use vecraft_index::{Range, SearchParams};
    use vecraft_types::{LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp};

    /// Few different vectors, so that many rows are equally far and only their numbers order them.
    #[test]
    fn parts_of_any_size_give_the_same_hits() {
        let schema = Arc::new(schema());
        let options = GrowingOptions { first_chunk_bytes: 4 << 10, chunk_bytes_max: 64 << 10 };
        let growing =
            GrowingSegment::with_options(SegmentId(1), PartitionId(0), Arc::clone(&schema), options);
        let growing = Arc::new(growing);
        for entry in 0..30 {
            let rows: Vec<Row> = (0..101).map(|row| Row::random(entry * 101 + row)).collect();
            growing.append(&batch(&rows), LogPosition(entry + 1), Timestamp(entry + 1)).unwrap();
        }
        (0..500).for_each(|i| _ = growing.deletes().delete(mix(i) as u32 % 3_030, LogPosition(30)));
        let at = (LogPosition(30), Timestamp(30));
        let view = ShardView::of(ShardId::default(), at.0, at.1, schema, [Segment::Growing(growing)]);
        let (bits, kind, dim) = PACKED[0];
        let floats = QueryVectors::Float(vec![1.0; 2 * DIM]);
        let two = [packed(3, kind, dim), packed(11, kind, dim)].concat();
        let two = QueryVectors::Packed { kind, bytes: two };
        let never = Cancel::never();
        for text in ["", "age > 20", "id < 3000", "id < 0"] {
            let filter = Filter::parse(text, &view.schema).unwrap();
            let found =
                super::super::matches::matches(&view, &view.segments[0], Some(&filter), never).unwrap();
            for (field, metric, queries) in [(VECTOR, Metric::L2, &floats), (bits, Metric::Hamming, &two)] {
                for (k, range) in [(1, None), (50, None), (5_000, Some(Range { from: 1.0, below: 7.0 }))] {
                    let params = SearchParams::default();
                    let plan = SearchPlan {
                        field,
                        metric,
                        queries,
                        k,
                        partitions: None,
                        filter: None,
                        range,
                        params,
                    };
                    let queries = Queries::read(&view.schema, &plan).unwrap();
                    let hits = |parts: &[Part<'_>]| -> Vec<Vec<vecraft_index::Hit>> {
                        let tops = nearest_by(parts, &found, &plan, &queries, never).unwrap();
                        tops.into_iter().map(TopK::into_hits).collect()
                    };
                    let whole = hits(&[]);
                    for rows in [64, 128, 960, 1 << 20] {
                        assert_eq!(hits(&Part::cut(&found, rows)), whole, "{text:?} {metric:?} {k} {rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn small_work_and_a_lone_thread_are_not_cut() {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool(1).install(|| parts(&[], usize::MAX).is_empty()));
        assert!(pool(2).install(|| parts(&[], PARALLEL_ABOVE).is_empty()));
    }
}
