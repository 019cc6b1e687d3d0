//! From a prepared query to the answer: way, walk, guard, and exact distances where the walk went by codes.

use super::filtered::{End, Walked, inline, two_hop};
use super::graph::Graph;
use super::plan::{Breadth, COMPARED, COMPARED_BESIDE_CODES, LIKELY, Plan, choose, is_among, price_of_all};
use super::scratch::ScratchPool;
use super::walk::{Scratch, descend, walk};
use crate::cold::pages_of;
use crate::distances::Distances;
use crate::flat::is_left;
use crate::scan::{matches_within, scan};
use crate::scorer::Scorer;
use crate::{Hit, SearchOutcome, SearchParams, SearchStats, Strategy, TopK};
use vecraft_kernel::Query;
use vecraft_types::Bitmap;

/// Matching rows, spread over the segment, from which a two-hop walk also starts: matches may be far from
/// where the unfiltered descent ends.
const SEEDS: usize = 32;

/// One search over a graph.
pub(super) struct Search<'a, 'q, D: Distances + 'q> {
    pub(super) graph: &'a Graph,
    /// What the walk goes by, and the query made ready for it.
    pub(super) walked: &'a D,
    pub(super) walked_query: &'a D::Query<'q>,
    /// The rows themselves, and the query made ready for them.
    pub(super) exact: &'a Scorer,
    pub(super) exact_query: &'a Query<'q>,
    /// Candidates whose exact distance is taken, when the walk does not go by exact ones.
    pub(super) refined: Option<usize>,
    pub(super) scratches: &'a ScratchPool,
    pub(super) k: usize,
    pub(super) ef: usize,
    /// Who says whether long scans are left to the caller.
    pub(super) params: &'a SearchParams,
    /// A row of level 0 that an unfiltered walk treats as if it were not there.
    pub(super) overlooked: Option<u32>,
}

/// A walk that was taken.
#[derive(Clone, Copy)]
struct Way {
    strategy: Strategy,
    /// Distances computed on it, of the kind that walks go by.
    computed: usize,
    /// Lists of links read, where that is counted.
    lists: usize,
}

impl<'q, D: Distances + 'q> Search<'_, 'q, D> {
    /// Only rows whose bit is set; all rows without a filter.
    pub(super) fn run(&self, filter: Option<&Bitmap>) -> SearchOutcome {
        if self.graph.is_mapped() {
            let cold = &self.scratches.cold;
            cold.watch(|is_cold| self.find(filter, is_cold), |outcome| self.touched(&outcome.stats))
        } else {
            self.find(filter, false)
        }
    }

    /// Places that a search came by, each in a page of its own unless rows were read one after another.
    fn touched(&self, stats: &SearchStats) -> usize {
        match stats.strategy {
            Strategy::Exact | Strategy::WalkThenExact if stats.left == 0 => {
                pages_of(stats.distances, self.exact.rows.row_bytes())
            }
            _ => stats.distances + stats.lists_of_links,
        }
    }

    fn find(&self, filter: Option<&Bitmap>, is_cold: bool) -> SearchOutcome {
        let rows = self.graph.len();
        match filter.map(|filter| (filter, matches_within(filter, rows))) {
            Some((filter, matches)) if matches < rows => self.filtered(filter, matches, is_cold),
            _ => self.all(is_cold),
        }
    }

    /// Price of a compared row, in distances of these walks.
    fn compared(&self) -> f64 {
        if self.refined.is_some() { COMPARED_BESIDE_CODES } else { COMPARED }
    }

    fn all(&self, is_cold: bool) -> SearchOutcome {
        let rows = self.graph.len();
        let wanted = self.k.min(rows);
        if wanted == 0
            || matches!(
                choose(rows, rows, self.k, self.ef, self.compared()),
                Plan::Exact | Plan::ExactUnlessAmong
            )
        {
            return self.compare_all(wanted, None, None, is_cold);
        }
        let scratch = &mut *self.scratches.take();
        (scratch.overlooked, scratch.is_cold) = (self.overlooked, is_cold);
        let (nearest, distance, down) = descend(self.graph, self.walked, self.walked_query, 0, scratch);
        let entries = [(distance, nearest)];
        let walked = walk(self.graph, self.walked, self.walked_query, 0, &entries, self.ef, scratch);
        scratch.overlooked = None;
        let way = Way { strategy: Strategy::Walk, computed: down + walked, lists: 0 };
        if scratch.pool.len() < wanted {
            return self.compare_all(wanted, None, Some(way), is_cold);
        }
        self.answer(scratch, wanted, way)
    }

    /// Under a filter that so many rows pass, not all. A walk may cost what comparing them would, and no more: with the
    /// comparing behind it that is twice the better way at worst.
    fn filtered(&self, filter: &Bitmap, matches: usize, is_cold: bool) -> SearchOutcome {
        let (graph, query) = (self.graph, self.walked_query);
        let rows = graph.len();
        let wanted = self.k.min(matches);
        let plan = choose(rows, matches, self.k, self.ef, self.compared());
        if wanted == 0 || plan == Plan::Exact {
            return self.compare_all(wanted, Some(filter), None, is_cold);
        }
        let limit = price_of_all(matches, self.compared()) as usize;
        let scratch = &mut *self.scratches.take();
        scratch.is_cold = is_cold;
        let (nearest, distance, down) = descend(graph, self.walked, query, 0, scratch);
        let links = graph.links(nearest, 0);
        let matching = links.iter().filter(|&&link| filter.get(link as usize)).count();
        let breadth = match plan {
            Plan::TwoHop(breadth) => breadth,
            _ => Breadth { ef: self.ef, patience: LIKELY },
        };
        let plan = match plan {
            _ if is_among(links.len(), matching, rows, matches) => Plan::Inline,
            Plan::ExactUnlessAmong => {
                let way = Way { strategy: Strategy::Exact, computed: down, lists: 0 };
                return self.compare_all(wanted, Some(filter), Some(way), is_cold);
            }
            other => other,
        };
        let entry = (distance, nearest);
        let two_hop = |found: &[u32], limit: usize, scratch: &mut Scratch| {
            let mut seeds = spread(filter, rows);
            seeds.extend_from_slice(found);
            let walked = two_hop(graph, self.walked, query, entry, &seeds, breadth, filter, limit, scratch);
            (walked, Strategy::TwoHop)
        };
        let (walked, strategy) = match plan {
            Plan::TwoHop(_) => two_hop(&[], limit, scratch),
            _ => {
                let plain = inline(graph, self.walked, query, entry, self.ef, filter, limit, scratch);
                if plain.end == End::Astray {
                    // Both walks together keep to the limit of one.
                    let found: Vec<u32> = scratch.pool.iter().map(|(_, row)| row).collect();
                    let left = limit.saturating_sub(plain.spent);
                    let (walked, strategy) = two_hop(&found, left, scratch);
                    let distances = plain.distances + walked.distances;
                    (Walked { distances, spent: plain.spent + walked.spent, ..walked }, strategy)
                } else {
                    (plain, Strategy::Walk)
                }
            }
        };
        let way = Way { strategy, computed: down + walked.distances, lists: walked.spent - walked.distances };
        if walked.end != End::Finished || scratch.pool.len() < wanted {
            return self.compare_all(wanted, Some(filter), Some(way), is_cold);
        }
        self.answer(scratch, wanted, way)
    }

    /// Compares every match, or leaves it to the caller: the plan for few, and the guard behind every walk (P5).
    fn compare_all(
        &self,
        wanted: usize,
        filter: Option<&Bitmap>,
        walked: Option<Way>,
        is_cold: bool,
    ) -> SearchOutcome {
        let matches = filter.map_or(self.graph.len(), |filter| matches_within(filter, self.graph.len()));
        let left = match wanted > 0 && is_left(self.params, matches, self.exact.rows.row_bytes()) {
            true => matches,
            false => 0,
        };
        let mut top = TopK::new(wanted);
        let compared = if wanted == 0 || left > 0 {
            0
        } else {
            scan(self.exact_query, &self.exact.rows, filter, is_cold, &mut top)
        };
        let stats = match walked {
            None => SearchStats::new(Strategy::Exact, compared),
            // Only the way down, to see where the query lies.
            Some(way) if way.strategy == Strategy::Exact => {
                SearchStats { effort: None, ..self.stats(way, compared) }
            }
            Some(way) => self.stats(Way { strategy: Strategy::WalkThenExact, ..way }, compared),
        };
        SearchOutcome { hits: top.into_hits(), stats: SearchStats { left, ..stats } }
    }

    /// What a walk cost, and as many exact distances beside.
    fn stats(&self, way: Way, exact: usize) -> SearchStats {
        let coded = if self.refined.is_some() { way.computed } else { 0 };
        let stats = SearchStats::new(way.strategy, way.computed + exact);
        SearchStats { coded, lists_of_links: way.lists, effort: Some(self.ef), ..stats }
    }

    /// The nearest of the pool, which holds at least `wanted`.
    fn answer(&self, scratch: &mut Scratch, wanted: usize, way: Way) -> SearchOutcome {
        let Some(refined) = self.refined else {
            let hits =
                scratch.pool.iter().take(wanted).map(|(distance, row)| Hit { row, distance }).collect();
            return SearchOutcome { hits, stats: self.stats(way, 0) };
        };
        let Scratch { pool, ids, distances, is_cold, .. } = scratch;
        ids.clear();
        ids.extend(pool.iter().take(refined.max(wanted)).map(|(_, row)| row));
        if *is_cold {
            self.exact.fetch(ids);
        }
        self.exact.many(self.exact_query, ids, distances);
        let mut top = TopK::new(wanted);
        ids.iter().zip(distances.iter()).for_each(|(&row, &distance)| top.push(distance, row));
        let stats = SearchStats { refined: ids.len(), ..self.stats(way, ids.len()) };
        SearchOutcome { hits: top.into_hits(), stats }
    }
}

/// The first matching row of each of [`SEEDS`] equal parts of the segment that has one.
pub(super) fn spread(filter: &Bitmap, rows: usize) -> Vec<u32> {
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
