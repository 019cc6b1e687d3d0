//! The seam: what an index of vectors is.

use crate::{Error, Hit, IndexKind, IndexSpec, Result, SearchParams, VectorRows};
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// How a search was answered, for `EXPLAIN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Every matching row was compared: the plan of FLAT, and of few matches.
    #[default]
    Exact,
    /// The graph was walked; rows that do not match were stepping stones.
    Walk,
    /// The graph was walked from match to match, over at most one row between.
    TwoHop,
    /// A walk found too little or cost too much, and every matching row was compared.
    WalkThenExact,
    /// Inverted lists were read.
    Lists,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SearchStats {
    /// How it was answered.
    pub strategy: Strategy,
    /// Distances computed, to rows by their values or codes, and to centroids.
    pub distances: usize,
    /// Those of them that were taken from codes.
    pub coded: usize,
    /// Those of them that were taken to centroids.
    pub centroids: usize,
    /// Lists of links that a walk under a filter read; the planner counts each as a distance.
    pub lists_of_links: usize,
    /// How hard it looked, whoever said so: `ef` of a walk, `nprobe` of lists. `None` when every match was compared from the start.
    pub effort: Option<usize>,
    /// Candidates of an index of codes that got their exact distance at the end.
    pub refined: usize,
    /// Matches that the caller has to compare, all there are: then there are no hits. 0 unless
    /// [`SearchParams::leaves_above`](crate::SearchParams::leaves_above) is set.
    pub left: usize,
    /// The share of the true neighbours to expect among the hits: 1 when every match was compared, else what was measured
    /// when the index was built. `None`: nothing was measured that says it.
    pub recall: Option<f32>,
}

impl SearchStats {
    /// What a search did; comparing every match finds everything.
    pub(crate) fn new(strategy: Strategy, distances: usize) -> SearchStats {
        let is_exact = matches!(strategy, Strategy::Exact | Strategy::WalkThenExact);
        SearchStats { strategy, distances, recall: is_exact.then_some(1.0), ..SearchStats::default() }
    }

    /// Distances to rows by their values.
    pub fn exact(&self) -> usize {
        self.distances.saturating_sub(self.coded + self.centroids)
    }
}

/// Answer and what it cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchOutcome {
    /// Nearest first; equal distances by lower row.
    pub hits: Vec<Hit>,
    /// What it cost.
    pub stats: SearchStats,
}

/// An immutable index over the rows `0..len` of one segment.
///
/// Contract, for every implementation (see `src/conformance`):
/// - a search returns `min(k, matches)` hits, where `matches` are the rows whose filter bit is set (rows past
///   the filter's end do not match; no filter means all), sorted by (distance, row), each row once, each
///   distance exact;
/// - so who asks for as many as match gets every match in order, by which a range can always be completed: an index knows
///   no range, it is asked for more (`src/conformance/range.rs`);
/// - the same query, parameters and filter give the same answer, from memory, a copy of its file or a mapping;
/// - nothing blocks: searches run at once on any number of threads;
/// - who sets [`SearchParams::leaves_above`] is told [`SearchStats::left`] in place of hits where every match would have to be
///   compared and these are more.
pub trait VectorIndex: Send + Sync + std::fmt::Debug {
    /// What it is.
    fn kind(&self) -> IndexKind;

    /// What it was built with, after clamping to the rows there are.
    fn spec(&self) -> IndexSpec;

    /// How distances are taken.
    fn metric(&self) -> Metric;

    /// The rows it was built over.
    fn rows(&self) -> &VectorRows;

    /// Number of rows, deleted ones included.
    fn len(&self) -> usize {
        self.rows().len()
    }

    /// True when there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory the index holds beside the rows.
    fn memory_bytes(&self) -> usize;

    /// Bytes that a distance by codes reads of a row; 0 when rows have no codes.
    fn code_bytes(&self) -> usize {
        0
    }

    /// The `k` nearest matching rows, with what it cost. Errors: [`Error::Dimension`] only (and
    /// [`Error::Library`] from the twin).
    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome>;

    /// The `k` nearest matching rows.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<Vec<Hit>> {
        Ok(self.search_explained(query, k, params, filter)?.hits)
    }

    /// True if a search can overlook the row; see [`VectorIndex::search_overlooking`].
    fn can_overlook(&self, row: u32) -> bool {
        (row as usize) < self.len()
    }

    /// The nearest others of a row, found as if the row were not in the index: it stands for a query that is not.
    fn search_overlooking(
        &self,
        row: u32,
        query: &[f32],
        k: usize,
        params: &SearchParams,
    ) -> Result<SearchOutcome> {
        let mut outcome = self.search_explained(query, k.saturating_add(1), params, None)?;
        outcome.hits.retain(|hit| hit.row != row);
        outcome.hits.truncate(k);
        Ok(outcome)
    }

    /// Writes the index (not the rows) as one checksummed file; [`open`](crate::open) reads it.
    fn save(&self, out: &mut dyn Write) -> Result<()>;
}

/// Refuses a query of another dimension.
pub(crate) fn check_dim(expected: usize, query: &[f32]) -> Result<()> {
    if query.len() == expected { Ok(()) } else { Err(Error::Dimension { expected, got: query.len() }) }
}
