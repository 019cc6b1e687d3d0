//! Our graph index: HNSW over rows read in place, or over codes of them (`coded`).
//!
//! One search: descend the upper levels to a good entry, walk level 0 best first with a pool of `ef`, answer
//! the best `k`. A cost model chooses the way under a filter (`plan`), and a guard finishes by comparing every
//! match when a walk costs as much or finds fewer than `min(k, matches)`: the worst case is twice the better way.
//!
//! Per row: `8 * M` bytes of links (rounded to 64), about 5 more, and 4 for COSINE. A walk visits some
//! `150 + 8 * ef` rows, each one cache-missing row and one byte of the visited set.
//!
//! It holds no vectors, knows no deletes (they are cleared filter bits) and is immutable once built.

mod build;
mod codec;
mod coded;
mod filtered;
mod graph;
mod growing;
mod kinds;
pub(crate) mod plan;
mod pool;
mod repair;
mod scratch;
mod search;
mod select;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_growing;
#[cfg(test)]
mod tests_plan;
#[cfg(test)]
mod tests_sq;
mod visited;
mod walk;

pub use growing::GrowingHnsw;
pub(crate) use kinds::{Wanted, open};

use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{
    BuildMonitor, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, VectorIndex, VectorRows,
};
use build::BuildParams;
use graph::Graph;
use scratch::ScratchPool;
use search::Search;
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// An immutable HNSW graph.
pub struct Hnsw {
    scorer: Scorer,
    graph: Graph,
    params: BuildParams,
    scratches: ScratchPool,
}

impl Hnsw {
    /// Builds over all rows, in parallel on the current rayon pool; see `build.rs` for why the outcome does not
    /// depend on threads. `m` from 2, `ef_construction` from 1; both are lowered to what the rows can use.
    pub fn build(
        metric: Metric,
        rows: VectorRows,
        m: usize,
        ef_construction: usize,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Hnsw> {
        let params = BuildParams::clamped(m, ef_construction, seed, rows.len());
        let scorer = Scorer::new(metric, rows);
        let scratches = ScratchPool::default();
        let graph = build::build(&scorer, params, &scratches, monitor)?;
        Ok(Hnsw { scorer, graph, params, scratches })
    }

    fn find(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
        overlooked: Option<u32>,
    ) -> Result<SearchOutcome> {
        check_dim(self.scorer.rows.dim(), query)?;
        let query = self.scorer.query(query);
        let search = Search {
            graph: &self.graph,
            walked: &self.scorer,
            walked_query: &query,
            exact: &self.scorer,
            exact_query: &query,
            refined: None,
            scratches: &self.scratches,
            k,
            ef: params.ef_for(k, self.graph.len()),
            params,
            overlooked,
        };
        Ok(search.run(filter))
    }

    /// Mean number of links of a row on level 0, for `EXPLAIN` and tests.
    pub fn mean_degree(&self) -> f64 {
        self.graph.mean_degree()
    }
}

impl VectorIndex for Hnsw {
    fn kind(&self) -> IndexKind {
        IndexKind::Hnsw
    }

    fn spec(&self) -> IndexSpec {
        let BuildParams { m, ef_construction, seed } = self.params;
        IndexSpec::Hnsw { m, ef_construction, seed }
    }

    fn metric(&self) -> Metric {
        self.scorer.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.scorer.rows
    }

    fn memory_bytes(&self) -> usize {
        self.graph.memory_bytes() + self.scorer.memory_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        self.find(query, k, params, filter, None)
    }

    fn can_overlook(&self, row: u32) -> bool {
        self.graph.levels.get(row as usize) == Some(&0)
    }

    fn search_overlooking(
        &self,
        row: u32,
        query: &[f32],
        k: usize,
        params: &SearchParams,
    ) -> Result<SearchOutcome> {
        self.find(query, k, params, None, Some(row))
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        codec::write(self, out)
    }
}

impl std::fmt::Debug for Hnsw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hnsw({:?}, {:?}, {:?})", self.scorer.metric, self.scorer.rows, self.params)
    }
}
