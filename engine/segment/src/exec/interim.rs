//! Nearest rows of a segment without an index: by its interim graph as far as that reaches, the rest by comparing.

use super::Cancel;
use super::beside::each_query;
use super::compare::nearest_of_all;
use super::indexed::{Answer, leaving_scans};
use super::matches::Matches;
use super::notes::Note;
use super::queries::Queries;
use super::search::SearchPlan;
use crate::interim::GRAPH_ROWS_MIN;
use crate::{Result, SegmentView};
use vecraft_index::TopK;
use vecraft_types::{Bitmap, Metric};

/// The nearest of each query; `None` when comparing all matches is better, or wanted: nobody measured a graph that changes, so
/// one that was asked for a recall is not used.
pub(super) fn nearest(
    shown: &SegmentView,
    found: &[Matches],
    matching: usize,
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    cancel: Cancel<'_>,
    note: &mut Note<'_>,
) -> Result<Option<Vec<Answer>>> {
    let params = &plan.params;
    if matching < GRAPH_ROWS_MIN as usize
        || plan.range.is_some()
        || params.recall.is_some()
        || params.level.is_some()
        // Vectors of bits: no graph is made of them.
        || matches!(plan.metric, Metric::Hamming | Metric::Jaccard)
    {
        return Ok(None);
    }
    let interim = shown.segment.interim();
    let Some(graph) = interim.usable(plan.field, plan.metric) else {
        interim.note_missed();
        return Ok(None);
    };
    let covered = graph.covered().min(shown.rows as usize) as u32;
    let (filter, rest) = split(found, covered);
    let left: usize = rest.iter().map(Matches::count).sum();
    if left >= GRAPH_ROWS_MIN as usize {
        interim.note_missed();
    }
    if left > covered as usize {
        // The graph would save little, and comparing all rows at once is quicker than most of them after a walk.
        return Ok(None);
    }
    let leaving = leaving_scans(plan);
    let walks = each_query(queries, covered as usize, cancel, |query| {
        Ok(graph.search(query, plan.k, &leaving, covered as usize, filter.as_ref())?)
    })?;
    let (all, some): (Vec<usize>, Vec<usize>) =
        (0..walks.len()).partition(|number| walks[*number].stats.left > 0);
    let compare = |found: &[Matches], numbers: &[usize]| match numbers.is_empty() {
        true => Ok(Vec::new()),
        false => nearest_of_all(found, plan, &queries.those(numbers), cancel),
    };
    // Of the first every match is compared, whether the graph covers it or not; of the others only what is behind the graph.
    let mut all = compare(found, &all)?.into_iter();
    let mut behind = compare(&rest, if left > 0 { &some } else { &[] })?.into_iter();
    let mut answers = Vec::with_capacity(queries.len());
    for mut walked in walks {
        let mut top = TopK::new(plan.k.min(matching));
        if walked.stats.left > 0 {
            walked.stats.distances += walked.stats.left;
            top = all.next().unwrap_or(top);
        } else {
            let late = behind.next().map(TopK::into_hits).unwrap_or_default();
            walked.hits.iter().chain(&late).for_each(|hit| top.push(hit.distance, hit.row));
        }
        note.walked(&walked.stats, covered, left);
        answers.push(Answer { hits: top.into_hits(), recall: None, stats: walked.stats });
    }
    Ok(Some(answers))
}

/// The matches among the first `covered` rows as one bitmap (`None`: all of them), and the blocks of the others.
fn split(found: &[Matches], covered: u32) -> (Option<Bitmap>, Vec<Matches>) {
    let covered = covered as usize;
    let mut within = vec![0u64; covered.div_ceil(64)];
    let mut rest = Vec::new();
    for matches in found {
        let (first, rows) = (matches.block.first_row() as usize, matches.block.rows());
        if first < covered {
            put(&mut within, first, rows, matches.bits());
        }
        if first + rows > covered {
            let bits = match covered.saturating_sub(first) {
                0 => matches.bits().cloned(),
                before => {
                    let mut late = matches.bits().cloned().unwrap_or_else(|| Bitmap::new(rows, true));
                    late.and_not(&Bitmap::new(before, true));
                    Some(late)
                }
            };
            rest.push(Matches::new(matches.block.clone(), bits));
        }
    }
    let within = Bitmap::from_words(covered, within);
    ((!within.all()).then_some(within), rest)
}

/// Sets the bits of a block whose rows begin at `first`; `None`: all of them. What lies behind the last word is left out.
fn put(words: &mut [u64], first: usize, rows: usize, bits: Option<&Bitmap>) {
    let shift = first % 64;
    for number in 0..rows.div_ceil(64) {
        let used = (rows - number * 64).min(64);
        let word = match bits {
            Some(bits) => bits.words()[number],
            None => u64::MAX >> (64 - used),
        };
        let at = first / 64 + number;
        if let Some(low) = words.get_mut(at) {
            *low |= word << shift;
        }
        if shift > 0
            && let Some(high) = words.get_mut(at + 1)
        {
            *high |= word >> (64 - shift);
        }
    }
}
