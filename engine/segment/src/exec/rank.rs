//! How many matching rows come before some distances: the real rank of a row, whatever an index answered.

use super::exact::{Sink, offer};
use super::matches::{Matches, matches, segments};
use super::queries::Queries;
use super::{Cancel, RowAddress, SearchPlan};
use crate::{Result, SegmentView, ShardView};
use vecraft_types::SegmentId;

/// Matching rows before a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Nearer than it.
    pub nearer: u64,
    /// Just as near.
    pub as_near: u64,
}

/// Of each distance: the matching rows of the view that are nearer to the plan's first query, and those as near. Every one is
/// compared, within the range only. CPU-bound. Errors: as [`search`](super::search()).
pub fn before(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    distances: &[f32],
    cancel: Cancel<'_>,
) -> Result<Vec<Before>> {
    let queries = Queries::read(&view.schema, plan)?;
    let mut sorted: Vec<usize> = (0..distances.len()).collect();
    sorted.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    let targets: Vec<f32> = sorted.iter().map(|at| distances[*at]).collect();
    let mut counts =
        [Distances { nearer: vec![0; targets.len() + 1], as_near: vec![0; targets.len()], targets }];
    if !distances.is_empty() && queries.len() > 0 {
        for shown in segments(view, plan.partitions) {
            let found = matches(view, shown, plan.filter, cancel)?;
            offer(&found, plan.field, &queries.ready(0..1)?, plan.range, &mut counts, cancel)?;
        }
    }
    let [counts] = counts;
    let mut told = vec![Before::default(); distances.len()];
    let mut nearer = 0;
    for (place, at) in sorted.into_iter().enumerate() {
        nearer += counts.nearer[place];
        told[at] = Before { nearer, as_near: counts.as_near[place] };
    }
    Ok(told)
}

/// Counts rows between the targets.
struct Distances {
    /// Ascending.
    targets: Vec<f32>,
    /// Rows that are nearer than the target and not nearer than the one before; the last are behind all.
    nearer: Vec<u64>,
    as_near: Vec<u64>,
}

impl Sink for Distances {
    fn push(&mut self, distance: f32, _row: u32) {
        let behind = self.targets.partition_point(|target| target.total_cmp(&distance).is_le());
        self.nearer[behind] += 1;
        let same =
            self.targets[..behind].iter().rev().take_while(|target| target.total_cmp(&distance).is_eq());
        let same = behind - same.count();
        self.as_near[same..behind].iter_mut().for_each(|count| *count += 1);
    }
}

/// Of each row, given by how far it is and where: the matching rows that come before it in the order of every answer.
pub(super) fn rows_before(
    searched: &[(&SegmentView, Vec<Matches>)],
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    rows: &[(f32, RowAddress)],
    cancel: Cancel<'_>,
) -> Result<Vec<u64>> {
    let mut sorted: Vec<usize> = (0..rows.len()).collect();
    sorted.sort_by(|a, b| order(rows[*a], rows[*b]));
    let targets = sorted.iter().map(|at| rows[*at]).collect();
    let mut counts = [Places { targets, before: vec![0; rows.len() + 1], segment: SegmentId(0) }];
    for (shown, found) in searched.iter().filter(|_| !rows.is_empty()) {
        counts[0].segment = shown.segment.id();
        offer(found, plan.field, &queries.ready(0..1)?, plan.range, &mut counts, cancel)?;
    }
    let [counts] = counts;
    let mut told = vec![0; rows.len()];
    let mut before = 0;
    for (place, at) in sorted.into_iter().enumerate() {
        before += counts.before[place];
        told[at] = before;
    }
    Ok(told)
}

/// The order of every answer.
pub(super) fn order(a: (f32, RowAddress), b: (f32, RowAddress)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

struct Places {
    /// Ascending.
    targets: Vec<(f32, RowAddress)>,
    /// Rows before the target and not before the one before it; the last are behind all.
    before: Vec<u64>,
    /// Whose rows are pushed.
    segment: SegmentId,
}

impl Sink for Places {
    fn push(&mut self, distance: f32, row: u32) {
        let pushed = (distance, RowAddress { segment: self.segment, row });
        let behind = self.targets.partition_point(|target| order(*target, pushed).is_le());
        self.before[behind] += 1;
    }
}
