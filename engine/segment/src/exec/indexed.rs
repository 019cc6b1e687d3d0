//! The nearest rows of a segment by its index.

use super::matches::Matches;
use super::notes::Note;
use super::queries::Queries;
use super::reasons::NoIndex;
use super::{Cancel, SearchPlan};
use crate::{Result, SegmentView};
use std::borrow::Cow;
use std::sync::Arc;
use vecraft_index::{Range, SearchOutcome, SearchStats, VectorIndex};

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

/// The block is the whole sealed segment, so its rows are the index's rows. `None`: comparing every row is better.
pub(super) fn by_index(
    index: &dyn VectorIndex,
    found: &Matches,
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
    note: &mut Note<'_>,
) -> Result<Option<Vec<Answer>>> {
    let rows = found.block.rows();
    // An old view may show fewer rows than the index has.
    let all = (found.bits.is_none() && rows < index.len()).then(|| vecraft_types::Bitmap::new(rows, true));
    let filter = found.bits.as_ref().or(all.as_ref());
    let mut one = |query: Cow<'_, [f32]>| {
        cancel.check()?;
        match plan.range {
            None => {
                let outcome = index.search_explained(&query, plan.k, &plan.params, filter)?;
                note.searched(index, &outcome.stats);
                let (hits, stats) = (outcome.hits, outcome.stats);
                Ok(Some(Answer { hits, recall: stats.recall, stats }))
            }
            Some(range) => in_range(index, &query, plan, range, filter, cancel, note),
        }
    };
    queries.numbers().map(&mut one).collect()
}

/// An index knows no range: it is asked for more, until `k` are in it, or the last is beyond it, or there are no more.
/// `None`: it would have to be asked for too many. Which recall to expect was measured for no range.
fn in_range(
    index: &dyn VectorIndex,
    query: &[f32],
    plan: &SearchPlan<'_>,
    range: Range,
    filter: Option<&vecraft_types::Bitmap>,
    cancel: Cancel<'_>,
    note: &mut Note<'_>,
) -> Result<Option<Answer>> {
    let mut wanted = plan.k;
    note.expects_nothing();
    loop {
        cancel.check()?;
        let SearchOutcome { mut hits, stats } =
            index.search_explained(query, wanted, &plan.params, filter)?;
        note.searched(index, &stats);
        let is_all = hits.len() < wanted || hits.last().is_some_and(|last| last.distance >= range.below);
        hits.retain(|hit| range.contains(hit.distance));
        if is_all || hits.len() >= plan.k {
            hits.truncate(plan.k);
            return Ok(Some(Answer { hits, recall: None, stats }));
        }
        wanted = wanted.saturating_mul(WIDER);
        if wanted > WIDEST {
            return Ok(None);
        }
    }
}

/// How many times more hits an index is asked for when too few were in the range.
const WIDER: usize = 4;
/// Hits that an index is asked for at most for the sake of a range, so that memory stays small (I21).
pub(super) const WIDEST: usize = 1 << 16;
