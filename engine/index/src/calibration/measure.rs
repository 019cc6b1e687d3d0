//! Measuring a curve: rows of the index stand for queries.

use super::ROWS_MIN;
use super::curve::{Ladder, RecallCurve, Step};
use super::effort::{Effort, is_of_codes};
use crate::random::mix;
use crate::scan::{distances, for_each_block};
use crate::{BuildMonitor, Error, Result, Rows, SearchOutcome, SearchParams, TopK, VectorIndex};
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows that stand for queries: the standard error of a mean recall of 0.95 is about 0.006 with so many.
const QUERIES: usize = 256;
const SEED: u64 = 0x7265_6361_6c6c;
/// Numbers of neighbours that are measured, rising.
const WANTED: [usize; 3] = [10, 32, 100];
/// Queries compared with a block of rows while it is in the cache.
const AT_ONCE: usize = 16;
/// Blocks of 64 rows between two looks whether the build is wanted.
const LOOK_EVERY: usize = 64;
/// Nothing above is worth a measurement.
const ENOUGH: f32 = 0.998;
/// A breadth half as large again that finds so little more is limited by the codes.
const STUCK: f32 = 0.003;
/// So many times the candidates unasked are refined, one after another.
const REFINES: [usize; 4] = [1, 4, 16, 64];

/// A row that stands for a query, and how far its neighbours are: the `k`-th of [`WANTED`] each.
struct Query<'a> {
    row: u32,
    values: Cow<'a, [f32]>,
    farthest: [f32; WANTED.len()],
}

/// The curve of an index: `None` if it has too few rows, or compares all of them anyway.
///
/// # Errors
/// [`Error::Cancelled`] by the monitor; what a search can return.
pub(super) fn measure(index: &dyn VectorIndex, monitor: &dyn BuildMonitor) -> Result<Option<RecallCurve>> {
    let rows = index.rows();
    if rows.len() < ROWS_MIN {
        return Ok(None);
    }
    let queries = with_truth(index, sample(index), monitor)?;
    if queries.is_empty() {
        return Ok(None);
    }
    let refines = if is_of_codes(index.kind()) { &REFINES[..] } else { &REFINES[..1] };
    let mut ladders: Vec<Ladder> = Vec::new();
    for (place, k) in WANTED.into_iter().enumerate() {
        for (at, &refine) in refines.iter().enumerate() {
            let is_last = at + 1 == refines.len();
            let one = |breadth| {
                step(index, &queries, (place, k), Effort { breadth, refine, refine_for: k }, monitor)
            };
            let steps = climb(Effort::breadths(index, k), is_last, one)?;
            let found = steps.last().map_or(1.0, |step| step.recall);
            if !steps.is_empty() {
                ladders.push(Ladder { k, refine, steps });
            }
            if found >= ENOUGH {
                break;
            }
        }
    }
    Ok((!ladders.is_empty()).then(|| RecallCurve::new(ladders)))
}

/// Different rows that a search can be told to overlook.
fn sample(index: &dyn VectorIndex) -> Vec<u32> {
    let rows = index.len() as u64;
    let drawn = (0..4 * QUERIES as u64).map(|at| (mix(SEED, at) % rows) as u32);
    let mut sample: Vec<u32> = Vec::with_capacity(QUERIES);
    for row in drawn.filter(|row| index.can_overlook(*row)) {
        if sample.len() < QUERIES && !sample.contains(&row) {
            sample.push(row);
        }
    }
    sample
}

/// Compares each query with all rows.
fn with_truth<'a>(
    index: &'a dyn VectorIndex,
    sample: Vec<u32>,
    monitor: &dyn BuildMonitor,
) -> Result<Vec<Query<'a>>> {
    let (rows, metric) = (index.rows(), index.metric());
    let most = WANTED[WANTED.len() - 1];
    let some = |sample: &[u32]| -> Result<Vec<Query<'a>>> {
        check(monitor, rows.len())?;
        let values: Vec<Cow<'a, [f32]>> = sample.iter().map(|row| rows.values(*row)).collect();
        let ready: Vec<_> = values.iter().map(|values| Rows::query(rows, metric, values)).collect();
        let mut tops: Vec<TopK> = sample.iter().map(|_| TopK::new(most)).collect();
        let mut out = [0.0f32; 64];
        let (mut blocks, mut is_over) = (0usize, false);
        for_each_block(rows.len(), None, |ids| {
            blocks += 1;
            is_over |= blocks.is_multiple_of(LOOK_EVERY) && monitor.cancelled();
            if is_over {
                return;
            }
            for ((query, top), own) in ready.iter().zip(&mut tops).zip(sample) {
                distances(query, rows, ids, &mut out[..ids.len()]);
                let others = ids.iter().zip(&out).filter(|(id, _)| *id != own);
                others.for_each(|(id, distance)| top.push(*distance, *id));
            }
        });
        drop(ready);
        check(monitor, rows.len())?;
        let query = |((row, values), top): ((&u32, Cow<'a, [f32]>), TopK)| {
            let hits = top.into_hits();
            let farthest = WANTED.map(|k| hits[k.min(hits.len()) - 1].distance);
            Query { row: *row, values, farthest }
        };
        Ok(sample.iter().zip(values).zip(tops).map(query).collect())
    };
    let parts: Vec<Vec<Query<'a>>> = sample.par_chunks(AT_ONCE).map(some).collect::<Result<_>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// Growing breadths until enough is found, more would not help, or all rows are compared anyway.
fn climb(
    (first, last): (usize, usize),
    goes_on: bool,
    mut measured: impl FnMut(usize) -> Result<Option<Step>>,
) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut breadth = first;
    while let Some(mut step) = measured(breadth)? {
        let mut gain = 1.0;
        if let Some(before) = steps.last() {
            gain = step.recall - before.recall;
            step.recall = step.recall.max(before.recall);
            step.sure = step.sure.max(before.sure);
        }
        steps.push(step);
        let is_stuck = gain < STUCK && !goes_on;
        if step.recall >= ENOUGH || is_stuck || breadth >= last {
            break;
        }
        breadth = (breadth + breadth.div_ceil(2)).min(last);
    }
    Ok(steps)
}

/// Asks with one effort; `None` if every row was compared for most queries, which needs no curve.
fn step(
    index: &dyn VectorIndex,
    queries: &[Query<'_>],
    (place, k): (usize, usize),
    effort: Effort,
    monitor: &dyn BuildMonitor,
) -> Result<Option<Step>> {
    let params = effort.set(index, SearchParams::default());
    let one = |query: &Query<'_>| -> Result<(f32, f32, bool)> {
        check(monitor, index.len())?;
        let SearchOutcome { hits, stats } = index.search_overlooking(query.row, &query.values, k, &params)?;
        let cost = stats.distances as f32;
        if stats.recall == Some(1.0) {
            return Ok((1.0, cost, true));
        }
        let limit = query.farthest[place];
        // The same pair may be compared by another kernel.
        let limit = if limit.is_finite() { limit + limit.abs() * 1e-5 } else { limit };
        let found = hits.iter().filter(|hit| hit.distance <= limit).count().min(k);
        Ok((found as f32 / k as f32, cost, false))
    };
    let found: Vec<(f32, f32, bool)> = queries.par_iter().map(one).collect::<Result<_>>()?;
    if 2 * found.iter().filter(|(_, _, is_exact)| *is_exact).count() > found.len() {
        return Ok(None);
    }
    let count = found.len() as f32;
    let mean = found.iter().map(|(recall, _, _)| recall).sum::<f32>() / count;
    let cost = found.iter().map(|(_, cost, _)| cost).sum::<f32>() / count;
    let spread =
        found.iter().map(|(recall, _, _)| (recall - mean).powi(2)).sum::<f32>() / (count - 1.0).max(1.0);
    Ok(Some(Step { breadth: effort.breadth, cost, recall: mean, sure: mean - (spread / count).sqrt() }))
}

fn check(monitor: &dyn BuildMonitor, rows: usize) -> Result<()> {
    if monitor.cancelled() { Err(Error::Cancelled { done: rows, total: rows }) } else { Ok(()) }
}
