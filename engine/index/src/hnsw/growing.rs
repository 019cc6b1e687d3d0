//! A graph over rows that keep coming: searched while it grows.
//!
//! ```text
//! rows     0 ......... covered ........ len ............ what the segment has by now
//!          found by walks | being linked | compared one by one by the caller
//! ```
//! One thread extends it, batch by batch: links are chosen against the graph as it is, which only reads, then written in one
//! short go. Searches wait for a write, mostly about a millisecond: a few times in the graph's life its links move to a larger
//! place, or rows that nothing links to are found and linked, which takes longer. A write waits for the searches before it, and
//! one that ends by comparing every match (few match, or the guard; many are left to the caller who wants that) keeps it, and who comes behind it, for that long. Rows behind `covered` may be stepping stones of a walk but are never answers, so
//! that the caller can compare them itself and finds no row twice.
//!
//! Rows come in the order in which somebody inserts them, often sorted in some way. Two things keep that harmless: an extension
//! takes its rows in random order, and at its end rows that cannot be reached get a link, as after a build.
//!
//! It is not written to disk and replicas do not agree on it: it only serves until the segment has its index (I13). So its recall
//! is not measured; who asks for a recall has to compare the rows.

use super::build::{BATCH_SHARE, BuildParams, choose, level_of};
use super::graph::{Graph, NONE};
use super::repair;
use super::scratch::ScratchPool;
use super::search::Search;
use crate::random::mix;
use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{BuildMonitor, Error, Result, SearchOutcome, SearchParams, VectorRows};
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use vecraft_types::{Bitmap, Metric};

/// Nodes written in one go at most: about a millisecond.
const BATCH_MAX: usize = 256;

/// An HNSW graph that grows. See the module.
pub struct GrowingHnsw {
    metric: Metric,
    params: BuildParams,
    state: RwLock<State>,
    /// Rows that have a node but no links yet, in the order in which they get them; held by who extends.
    waiting: Mutex<Vec<u32>>,
    covered: AtomicUsize,
    scratches: ScratchPool,
    companion: OnceLock<Box<dyn Any + Send + Sync>>,
}

struct State {
    /// As many rows as the graph has nodes.
    scorer: Scorer,
    graph: Graph,
}

impl GrowingHnsw {
    /// A graph without rows. `m` and `ef_construction` as in [`Hnsw::build`](crate::Hnsw::build); `rows` are only looked at for
    /// their kind and dimension.
    pub fn new(metric: Metric, rows: &VectorRows, m: usize, ef_construction: usize) -> Result<GrowingHnsw> {
        let params = BuildParams::clamped(m, ef_construction, 1, u32::MAX as usize);
        let none = VectorRows::from_runs(rows.packed(), rows.dim(), Vec::new())?;
        let state = State { scorer: Scorer::new(metric, none), graph: Graph::new(params.m, Vec::new())? };
        Ok(GrowingHnsw {
            metric,
            params,
            state: RwLock::new(state),
            waiting: Mutex::new(Vec::new()),
            covered: AtomicUsize::new(0),
            scratches: ScratchPool::default(),
            companion: OnceLock::new(),
        })
    }

    /// Something that lives exactly as long as the graph, such as the room counted for its memory: a search may hold the graph
    /// when everybody else has let it go. Only the first is taken.
    pub fn live_with(&self, companion: Box<dyn Any + Send + Sync>) {
        let _ = self.companion.set(companion);
    }

    /// How distances are taken.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Dimension of the rows.
    pub fn dim(&self) -> usize {
        self.state.read().scorer.rows.dim()
    }

    /// Rows `0..covered` are found by [`GrowingHnsw::search`]. Never goes back.
    pub fn covered(&self) -> usize {
        self.covered.load(Ordering::Acquire)
    }

    /// Bytes of memory beside the rows.
    pub fn memory_bytes(&self) -> usize {
        let state = self.state.read();
        state.graph.memory_bytes() + state.scorer.memory_bytes()
    }

    /// Takes all of `rows` in: those that it has, wherever they are now, and some behind them. CPU-bound, parallel on the current
    /// rayon pool; searches go on. One caller at a time, a second one waits. When the monitor cancels, the rest is taken in by
    /// the next call. Errors: other rows than before, [`Error::Cancelled`], [`Error::OutOfMemory`].
    pub fn extend(&self, rows: VectorRows, monitor: &dyn BuildMonitor) -> Result<()> {
        let mut waiting = self.waiting.lock();
        let total = rows.len();
        let first = self.take_rows(rows)?;
        let levels: Vec<u8> = (first..total).map(|row| level_of(self.params, row as u64)).collect();
        // Highest level first, then at random. The list is taken from its end.
        let mut order: Vec<u32> = (first as u32..total as u32).collect();
        let place =
            |row: u32| (levels[row as usize - first], std::cmp::Reverse(mix(0x0_0DE5, u64::from(row))), row);
        order.sort_by_key(|&row| place(row));
        waiting.splice(0..0, order);

        while !waiting.is_empty() {
            let done = total - waiting.len();
            if monitor.cancelled() {
                return Err(Error::Cancelled { done, total });
            }
            let size = (done / BATCH_SHARE).clamp(1, BATCH_MAX).min(waiting.len());
            let left = waiting.len() - size;
            self.link(&waiting[left..]);
            waiting.truncate(left);
            monitor.progress(done + size, total);
        }
        self.reach_all();
        self.covered.store(total, Ordering::Release);
        Ok(())
    }

    /// Gives every new row a node, and tells the first of them.
    fn take_rows(&self, rows: VectorRows) -> Result<usize> {
        let (grown, first) = {
            let state = self.state.read();
            let old = &state.scorer.rows;
            if rows.len() < old.len() || rows.dim() != old.dim() || rows.packed() != old.packed() {
                return Err(Error::OtherRows(format!("{rows:?} in place of {old:?}")));
            }
            (state.scorer.grown(rows), old.len())
        };
        let levels: Vec<u8> =
            (first..grown.rows.len()).map(|row| level_of(self.params, row as u64)).collect();
        let mut state = self.state.write();
        state.graph.grow(&levels)?;
        state.scorer = grown;
        Ok(first)
    }

    fn link(&self, batch: &[u32]) {
        let changes = {
            let State { scorer, graph } = &*self.state.read();
            let nodes: Vec<(u32, u8)> = batch.iter().map(|&row| (row, graph.levels[row as usize])).collect();
            (graph.entry != NONE).then(|| choose(graph, scorer, self.params, &self.scratches, &nodes))
        };
        let graph = &mut self.state.write().graph;
        if let Some(changes) = changes {
            changes.write(graph);
        }
        for &row in batch {
            if graph.entry == NONE || graph.levels[row as usize] > graph.levels[graph.entry as usize] {
                graph.entry = row;
            }
        }
    }

    /// Looks first without keeping anybody waiting: mostly nothing is out of reach.
    fn reach_all(&self) {
        let is_whole = {
            let graph = &self.state.read().graph;
            repair::reachable(graph) == graph.len()
        };
        if !is_whole {
            let State { scorer, graph } = &mut *self.state.write();
            repair::connect_unreachable(graph, scorer, &self.scratches);
        }
    }

    /// The `min(k, matches)` nearest of the rows `0..first`, which are at most [`GrowingHnsw::covered`], whose bit in the filter is
    /// set (rows past its end do not match; no filter means all of those). Of the parameters `ef` counts.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        first: usize,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        let State { scorer, graph } = &*self.state.read();
        check_dim(scorer.rows.dim(), query)?;
        let first = first.min(self.covered());
        let all = (filter.is_none() && first < graph.len()).then(|| Bitmap::new(first, true));
        let within = filter
            .filter(|filter| filter.len() > first)
            .map(|filter| Bitmap::from_words(first, filter.words()[..first.div_ceil(64)].to_vec()));
        let filter = within.as_ref().or(filter).or(all.as_ref());
        let query = scorer.query(query);
        let search = Search {
            graph,
            walked: scorer,
            walked_query: &query,
            exact: scorer,
            exact_query: &query,
            refined: None,
            scratches: &self.scratches,
            k,
            ef: params.ef_for(k, graph.len()),
            params,
            overlooked: None,
        };
        Ok(search.run(filter))
    }
}

impl std::fmt::Debug for GrowingHnsw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GrowingHnsw({:?}, {} rows covered, {:?})", self.metric, self.covered(), self.params)
    }
}
