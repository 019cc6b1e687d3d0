//! The nearest rows of a segment by its index.

use super::beside::each_query;
use super::compare::nearest_of_all;
use super::matches::Matches;
use super::notes::Note;
use super::queries::Queries;
use super::ranged::in_range;
use super::reasons::NoIndex;
use super::search::PARALLEL_ABOVE;
use super::{Cancel, SearchPlan};
use crate::{Result, SegmentView};
use std::sync::Arc;
use vecraft_index::{SearchOutcome, SearchParams, SearchStats, Strategy, TopK, VectorIndex};
use vecraft_types::Bitmap;

/// What is asked of an index: itself, and the rows among which it looks.
type Usable<'f> = (Arc<dyn VectorIndex>, &'f Matches);

/// The index of the segment, if it can answer.
pub(super) fn usable<'f>(
    shown: &SegmentView,
    found: &'f [Matches],
    plan: &SearchPlan<'_>,
) -> std::result::Result<Usable<'f>, NoIndex> {
    // Only a sealed segment has one, and it is one block.
    let [block] = found else { return Err(NoIndex::Growing) };
    if !shown.segment.is_sealed() {
        return Err(NoIndex::Growing);
    }
    let index = shown.segment.index(plan.field).ok_or(NoIndex::NotBuilt)?;
    if index.metric() != plan.metric {
        return Err(NoIndex::OtherMetric(index.metric()));
    }
    Ok((index, block))
}

/// What an index answered.
pub(super) struct Answer {
    pub(super) hits: Vec<vecraft_index::Hit>,
    pub(super) recall: Option<f32>,
    /// Of the last time it was asked.
    pub(super) stats: SearchStats,
}

/// What came of asking an index for one query.
pub(super) struct Asked {
    /// Looks that did not find enough; only for a range.
    pub(super) before: Vec<SearchStats>,
    /// The last one.
    pub(super) last: SearchStats,
    /// `None`: every match has to be compared.
    pub(super) hits: Option<Vec<vecraft_index::Hit>>,
}

/// The parameters of a search that leaves long scans to [`nearest_of_all`], which spreads over threads, reads the rows once for
/// all queries, and ends when the answer is not wanted any more.
pub(super) fn leaving_scans(plan: &SearchPlan<'_>) -> SearchParams {
    SearchParams { leaves_above: Some(PARALLEL_ABOVE), ..plan.params }
}

/// The `min(k, matches in the range)` nearest rows of each query. The block is the whole sealed segment, so its rows are the
/// index's rows.
pub(super) fn by_index(
    index: &dyn VectorIndex,
    found: &Matches,
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
    note: &mut Note<'_>,
) -> Result<Vec<Answer>> {
    let rows = found.block.rows();
    // An old view may show fewer rows than the index has.
    let all = (found.bits().is_none() && rows < index.len()).then(|| Bitmap::new(rows, true));
    let filter = found.bits().or(all.as_ref());
    let params = leaving_scans(plan);
    let asked = each_query(queries, rows, cancel, |query| match plan.range {
        None => {
            let SearchOutcome { hits, stats } = index.search_explained(query, plan.k, &params, filter)?;
            Ok(Asked { before: Vec::new(), last: stats, hits: (stats.left == 0).then_some(hits) })
        }
        Some(range) => in_range(index, query, (plan, range), filter, found.count(), cancel),
    })?;
    let left: Vec<usize> = (0..asked.len()).filter(|number| asked[*number].hits.is_none()).collect();
    let mut compared = match left.is_empty() {
        true => Vec::new(),
        false => nearest_of_all(std::slice::from_ref(found), plan, &queries.those(&left), cancel)?,
    }
    .into_iter();
    let answer = |Asked { before, last, hits }: Asked| {
        before.iter().for_each(|stats| note.spent(index, stats));
        if let Some(hits) = hits {
            note.searched(index, &last);
            return Answer { hits, recall: last.recall, stats: last };
        }
        let stats = if last.left > 0 {
            // The index would have done the same.
            let stats = SearchStats { distances: last.distances + last.left, left: 0, ..last };
            note.searched(index, &stats);
            stats
        } else {
            note.spent(index, &last);
            note.compared(1, NoIndex::Range);
            let recall = Some(1.0);
            SearchStats {
                strategy: Strategy::Exact,
                distances: found.count(),
                recall,
                ..SearchStats::default()
            }
        };
        let hits = compared.next().map(TopK::into_hits).unwrap_or_default();
        Answer { hits, recall: stats.recall, stats }
    };
    Ok(asked.into_iter().map(answer).collect())
}
