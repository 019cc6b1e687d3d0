//! From a prepared query to the answer: way, walk, guard.

use super::Hnsw;
use super::filtered::{inline, two_hop};
use super::plan::{Plan, choose};
use super::walk::{Scratch, descend, walk};
use crate::scan::{matches_within, scan};
use crate::{Hit, SearchOutcome, SearchStats, Strategy, TopK};
use vecraft_kernel::Query;
use vecraft_types::Bitmap;

/// Matching rows, spread over the segment, from which a two-hop walk also starts: matches may be far from
/// where the unfiltered descent ends.
const SEEDS: usize = 32;

impl Hnsw {
    /// No filter: all rows match.
    pub(super) fn search_all(&self, query: &Query<'_>, k: usize, ef: usize) -> SearchOutcome {
        let rows = self.graph.len();
        let wanted = k.min(rows);
        if wanted == 0 || choose(rows, rows, k, ef) == Plan::Exact {
            return self.exact(query, wanted, None, 0, Strategy::Exact);
        }
        let scratch = &mut *self.scratches.take();
        let (nearest, distance, down) = descend(&self.graph, &self.scorer, query, 0, scratch);
        let walked = walk(&self.graph, &self.scorer, query, 0, &[(distance, nearest)], ef, scratch);
        if scratch.pool.len() < wanted {
            return self.exact(query, wanted, None, down + walked, Strategy::WalkThenExact);
        }
        answer(scratch, wanted, Strategy::Walk, down + walked)
    }

    /// Only rows whose bit is set.
    pub(super) fn search_filtered(
        &self,
        query: &Query<'_>,
        k: usize,
        ef: usize,
        filter: &Bitmap,
    ) -> SearchOutcome {
        let rows = self.graph.len();
        let matches = matches_within(filter, rows);
        if matches == rows {
            return self.search_all(query, k, ef);
        }
        let wanted = k.min(matches);
        let plan = choose(rows, matches, k, ef);
        if wanted == 0 || plan == Plan::Exact {
            return self.exact(query, wanted, Some(filter), 0, Strategy::Exact);
        }
        let scratch = &mut *self.scratches.take();
        let (nearest, distance, down) = descend(&self.graph, &self.scorer, query, 0, scratch);
        let entry = (distance, nearest);
        let (walked, strategy) = match plan {
            Plan::TwoHop { ef } => {
                let seeds = spread(filter, rows);
                let walked =
                    two_hop(&self.graph, &self.scorer, query, entry, &seeds, ef, filter, matches, scratch);
                (walked, Strategy::TwoHop)
            }
            Plan::Inline | Plan::Exact => {
                let walked = inline(&self.graph, &self.scorer, query, entry, ef, filter, matches, scratch);
                (walked, Strategy::Walk)
            }
        };
        let spent = down + walked.distances;
        if !walked.finished || scratch.pool.len() < wanted {
            return self.exact(query, wanted, Some(filter), spent, Strategy::WalkThenExact);
        }
        answer(scratch, wanted, strategy, spent)
    }

    /// Compares every match: the plan for few, and the guard behind every walk (P5).
    fn exact(
        &self,
        query: &Query<'_>,
        wanted: usize,
        filter: Option<&Bitmap>,
        spent: usize,
        strategy: Strategy,
    ) -> SearchOutcome {
        let mut top = TopK::new(wanted);
        let compared = if wanted == 0 { 0 } else { scan(query, &self.scorer.rows, filter, &mut top) };
        SearchOutcome { hits: top.into_hits(), stats: SearchStats { strategy, distances: spent + compared } }
    }
}

fn answer(scratch: &Scratch, wanted: usize, strategy: Strategy, distances: usize) -> SearchOutcome {
    let hits = scratch.pool.iter().take(wanted).map(|(distance, row)| Hit { row, distance }).collect();
    SearchOutcome { hits, stats: SearchStats { strategy, distances } }
}

/// The first matching row of each of [`SEEDS`] equal parts of the segment that has one.
fn spread(filter: &Bitmap, rows: usize) -> Vec<u32> {
    let words = &filter.words()[..filter.words().len().min(rows.div_ceil(64))];
    words
        .chunks(words.len().div_ceil(SEEDS).max(1))
        .enumerate()
        .filter_map(|(part, chunk)| {
            let start = part * words.len().div_ceil(SEEDS).max(1);
            let at = chunk.iter().position(|word| *word != 0)?;
            Some(((start + at) * 64) as u32 + chunk[at].trailing_zeros())
        })
        .filter(|row| (*row as usize) < rows)
        .collect()
}
