//! The nearest rows of a segment by its index.

use super::beside::each_query;
use super::compare::nearest_of_all;
use super::matches::Matches;
use super::notes::Note;
use super::queries::Queries;
use super::ranged::in_range;
use super::reasons::NoIndex;
use super::{Cancel, SearchPlan};
use crate::{Result, SegmentView};
use std::sync::Arc;
use vecraft_index::{SearchOutcome, SearchStats, Strategy, TopK, VectorIndex};
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
    let all = (found.bits.is_none() && rows < index.len()).then(|| Bitmap::new(rows, true));
    let filter = found.bits.as_ref().or(all.as_ref());
    let asked = each_query(queries, rows, cancel, |query| match plan.range {
        None => {
            let SearchOutcome { hits, stats } =
                index.search_explained(query, plan.k, &plan.params, filter)?;
            Ok(Asked { before: Vec::new(), last: stats, hits: Some(hits) })
        }
        Some(range) => in_range(index, query, (plan, range), filter, found.count(), cancel),
    })?;
    let left: Vec<usize> = (0..asked.len()).filter(|number| asked[*number].hits.is_none()).collect();
    let mut compared = match left.is_empty() {
        true => Vec::new(),
        false => nearest_of_all(std::slice::from_ref(found), plan, &queries.those(&left), cancel)?,
    }
    .into_iter();
    let mut answers = Vec::with_capacity(asked.len());
    for Asked { before, last, hits } in asked {
        before.iter().for_each(|stats| note.spent(index, stats));
        answers.push(match hits {
            Some(hits) => {
                note.searched(index, &last);
                Answer { hits, recall: last.recall, stats: last }
            }
            None => {
                note.spent(index, &last);
                note.compared(1, NoIndex::Range);
                let hits = compared.next().map(TopK::into_hits).unwrap_or_default();
                let stats = SearchStats {
                    strategy: Strategy::Exact,
                    distances: found.count(),
                    recall: Some(1.0),
                    ..SearchStats::default()
                };
                Answer { hits, recall: stats.recall, stats }
            }
        });
    }
    Ok(answers)
}
