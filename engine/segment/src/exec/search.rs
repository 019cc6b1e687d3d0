//! The nearest rows of a view to some vectors.

use super::indexed::{Answer, by_index, usable};
use super::matches::{Matches, matches, segments};
use super::notes::{Note, Notebook};
use super::queries::Queries;
use super::{Cancel, RowAddress, compare, interim};
use crate::{Result, SegmentView, ShardView};
use rayon::prelude::*;
use vecraft_expr::Filter;
use vecraft_index::{Range, SearchParams, TopK};
use vecraft_kernel::reported_score;
use vecraft_types::{FieldId, Metric, PartitionId, QueryVectors, SegmentId};

/// What is searched.
#[derive(Clone, Copy)]
pub struct SearchPlan<'a> {
    /// The vector field.
    pub field: FieldId,
    /// How vectors are compared. An index with another metric is not used.
    pub metric: Metric,
    /// Query vectors of the field's type, a whole number of them.
    pub queries: &'a QueryVectors,
    /// Hits wanted a query: offset + limit.
    pub k: usize,
    /// Only these partitions; `None` means all.
    pub partitions: Option<&'a [PartitionId]>,
    /// Only rows for which it is true.
    pub filter: Option<&'a Filter>,
    /// Only hits at these distances.
    pub range: Option<Range>,
    /// How hard indexes look.
    pub params: SearchParams,
}

/// A found row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Where it is.
    pub address: RowAddress,
    /// What Milvus reports: squared L2, inner product, cosine, Hamming or Jaccard distance.
    pub score: f32,
    /// The order inside the engine: smaller is nearer for every metric.
    pub distance: f32,
}

/// What was found for one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Nearest first.
    pub hits: Vec<Hit>,
    /// The share of the true neighbours to expect among them, by what was measured when the indexes were built; 1 where every
    /// match was compared, `None` where nothing was measured.
    pub recall: Option<f32>,
}

/// [`search_told`] without what to expect of it.
pub fn search(view: &ShardView, plan: &SearchPlan<'_>, cancel: Cancel<'_>) -> Result<Vec<Vec<Hit>>> {
    Ok(search_told(view, plan, cancel, None)?.into_iter().map(|found| found.hits).collect())
}

/// The `min(k, matches)` nearest rows of each query (P5) within the range, nearest first; equal distances by segment,
/// then row. Rows of segments without an index are compared, or found by an interim graph.
///
/// CPU-bound. Large searches spread over the current rayon pool: segments, and parts of a large segment that is compared row
/// by row, and queries in an index; the answer does not depend on it, nor on `notes`. Errors: [`Error::Field`], [`Error::Dimension`],
/// [`Error::Cancelled`], damaged files.
pub fn search_told<'n>(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    cancel: Cancel<'_>,
    notes: Option<&'n Notebook<'n>>,
) -> Result<Vec<Found>> {
    let queries = Queries::read(&view.schema, plan)?;
    let mut found = vec![Found { hits: Vec::new(), recall: Some(1.0) }; queries.len()];
    if plan.k == 0 || queries.len() == 0 {
        return Ok(found);
    }
    let one = |shown: &SegmentView| {
        let mut note = Note::begin(notes, view, shown, plan);
        let found = matches(view, shown, plan.filter, cancel)?;
        note.matched(view, shown, plan.filter, &found)?;
        let answers = nearest(shown, &found, plan, &queries, cancel, &mut note)?;
        note.end();
        Ok(answers)
    };
    let answers = each_segment(view, plan, one)?;
    let mut unsure: Vec<Vec<Unsure>> = vec![Vec::new(); queries.len()];
    for (query, some) in answers.into_iter().flat_map(|answer| answer.into_iter().enumerate()) {
        if some.recall != Some(1.0) {
            let segment = some.hits.first().map(|hit| hit.address.segment);
            unsure[query].push(Unsure { segment, recall: some.recall });
        }
        found[query].hits.extend(some.hits);
    }
    for (found, unsure) in found.iter_mut().zip(unsure) {
        keep_nearest(&mut found.hits, plan.k);
        found.recall = expected(&found.hits, &unsure);
    }
    Ok(found)
}

/// A segment that did not compare every match.
#[derive(Clone, Copy)]
struct Unsure {
    /// `None` if it found nothing.
    segment: Option<SegmentId>,
    recall: Option<f32>,
}

/// The recall of all segments together. A hit from where a share `r` is found stands for `1 / r` true neighbours.
fn expected(hits: &[Hit], unsure: &[Unsure]) -> Option<f32> {
    let worst =
        unsure.iter().map(|segment| segment.recall).try_fold(1.0f32, |worst, r| Some(worst.min(r?)))?;
    if hits.is_empty() || unsure.is_empty() {
        return Some(worst);
    }
    let stands_for = |hit: &Hit| {
        let own = unsure.iter().find(|unsure| unsure.segment == Some(hit.address.segment));
        1.0 / own.and_then(|own| own.recall).unwrap_or(1.0)
    };
    Some(hits.len() as f32 / hits.iter().map(stands_for).sum::<f32>())
}

/// Asks every segment of the wanted partitions; more than one at a time when that pays.
pub(super) fn each_segment<T: Send>(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    one: impl Fn(&SegmentView) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let wanted: Vec<&SegmentView> = segments(view, plan.partitions).collect();
    let rows: usize = wanted.iter().map(|shown| shown.rows as usize).sum();
    let work = rows.saturating_mul(plan.queries.bytes());
    if wanted.len() > 1 && work > PARALLEL_ABOVE {
        wanted.par_iter().map(|shown| one(shown)).collect()
    } else {
        wanted.iter().map(|shown| one(shown)).collect()
    }
}

/// Bytes of rows, times the queries they are compared with, below which one thread is faster than waking others: 4 Mi multiply-adds
/// of f32.
pub(super) const PARALLEL_ABOVE: usize = 16 << 20;

/// The order of every answer.
pub(super) fn sort_nearest(hits: &mut [Hit]) {
    hits.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.address.cmp(&b.address)));
}

fn keep_nearest(hits: &mut Vec<Hit>, k: usize) {
    sort_nearest(hits);
    hits.truncate(k);
}

/// The nearest of a segment's matching rows.
pub(super) fn nearest(
    shown: &SegmentView,
    found: &[Matches],
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
    note: &mut Note<'_>,
) -> Result<Vec<Found>> {
    let to_hits = |top: Vec<vecraft_index::Hit>| -> Vec<Hit> {
        let segment = shown.segment.id();
        let hit = |hit: vecraft_index::Hit| Hit {
            address: RowAddress { segment, row: hit.row },
            score: reported_score(plan.metric, hit.distance),
            distance: hit.distance,
        };
        top.into_iter().map(hit).collect()
    };
    let matching: usize = found.iter().map(Matches::count).sum();
    if matching == 0 {
        return Ok(vec![Found { hits: Vec::new(), recall: Some(1.0) }; queries.len()]);
    }
    let answered = |answers: Vec<Answer>| {
        let found = |answer: Answer| Found { hits: to_hits(answer.hits), recall: answer.recall };
        Ok(answers.into_iter().map(found).collect())
    };
    let why = match usable(shown, found, plan) {
        Ok((index, block)) => return answered(by_index(&*index, block, plan, queries, cancel, note)?),
        Err(why) => why,
    };
    if let Some(answers) = interim::nearest(shown, found, matching, plan, queries, cancel, note)? {
        return answered(answers);
    }
    note.compared(queries.len(), why);
    let compared = |top: TopK| Found { hits: to_hits(top.into_hits()), recall: Some(1.0) };
    let tops = compare::nearest_of_all(found, plan, queries, cancel)?;
    Ok(tops.into_iter().map(compared).collect())
}
