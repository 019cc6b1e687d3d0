//! hnswlib-rs behind the same trait: the twin in conformance, model tests and benches, and a choice for users
//! (`HNSWLIB`).
//!
//! The library holds the graph; rows are read in place and distances are ours, so answers compare exactly. It
//! builds on one thread, so that the same rows give the same bytes. Filters go through the library's predicate
//! from half of the rows up; below, and whenever it finds fewer than `min(k, matches)`, every match is compared.

mod check;

use crate::container::{Reader, Writer};
use crate::rows_header::{read_rows_header, write_rows_header};
use crate::scan::matches_within;
use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{
    BuildMonitor, Error, Hit, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, SearchStats,
    Strategy, TopK, VectorIndex, VectorRows, flat,
};
use hnswlib_rs::{Hnsw as Graph, HnswConfig, NodeId, VectorStore, VectorStoreMut};
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// Below this share of matching rows every match is compared: the library has no other way that keeps recall.
const WALK_FROM_SHARE: f64 = 0.3;
/// Rows inserted between two looks at the monitor.
const BATCH: usize = 256;

/// Our distances in the library's terms.
#[derive(Clone, Debug)]
struct Distance(Metric);

impl hnswlib_rs::Metric for Distance {
    fn distance(&self, a: &[f32], b: &[f32]) -> f32 {
        vecraft_kernel::distance(self.0, a, b)
    }
}

/// Rows in place in the library's terms. Rows are inserted in order, so a node's number is its row.
struct Store<'r>(&'r VectorRows);

impl VectorStore for Store<'_> {
    type Vector<'v>
        = &'v [f32]
    where
        Self: 'v;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn vector(&self, id: NodeId) -> Option<&[f32]> {
        (id.as_usize() < self.0.len()).then(|| self.0.row(id.as_u32()))
    }
}

impl VectorStoreMut for Store<'_> {
    /// Nothing to store: the row is already there.
    fn set(&self, _id: NodeId, _vector: &[f32]) -> hnswlib_rs::Result<()> {
        Ok(())
    }
}

/// An immutable hnswlib graph.
pub struct Hnswlib {
    scorer: Scorer,
    graph: Graph<u32, Distance>,
    m: usize,
    ef_construction: usize,
    seed: u64,
}

impl Hnswlib {
    /// Builds over all rows, on the calling thread.
    pub fn build(
        metric: Metric,
        rows: VectorRows,
        m: usize,
        ef_construction: usize,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Hnswlib> {
        check_floats(&rows)?;
        let count = rows.len();
        let m = m.clamp(2, count.max(2));
        let ef_construction = ef_construction.clamp(m, count.max(m));
        // The locks serve concurrent writers of the same key; there are none.
        let config = HnswConfig::new(rows.dim(), count)
            .m(m)
            .ef_construction(ef_construction)
            .ef_search(1)
            .seed(seed)
            .label_operation_locks(1);
        let graph = Graph::new(Distance(metric), config);
        for row in 0..count {
            if row % BATCH == 0 && monitor.cancelled() {
                return Err(Error::Cancelled { done: row, total: count });
            }
            graph.insert(&Store(&rows), row as u32, rows.row(row as u32)).map_err(library)?;
            if (row + 1) % BATCH == 0 || row + 1 == count {
                monitor.progress(row + 1, count);
            }
        }
        Ok(Hnswlib { scorer: Scorer::new(metric, rows), graph, m, ef_construction, seed })
    }

    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<Hnswlib> {
        check_floats(&rows)?;
        let metric = read_rows_header(&mut reader, &rows)?;
        let (m, ef_construction) = (reader.u64()? as usize, reader.u64()? as usize);
        let seed = reader.u64()?;
        let scorer = Scorer::read(&mut reader, metric, rows)?;
        check::check(reader.clone(), &scorer.rows, m)?;
        let mut bytes = reader.remaining();
        let graph = Graph::load_from(Distance(metric), &mut bytes)
            .map_err(|reason| Error::corrupt(format!("hnswlib: {reason}")))?;
        if !bytes.is_empty() || graph.len() != scorer.rows.len() || graph.dim() != scorer.rows.dim() {
            return Err(Error::corrupt("hnswlib: graph and header disagree"));
        }
        Ok(Hnswlib { scorer, graph, m, ef_construction, seed })
    }

    fn walk(&self, query: &[f32], wanted: usize, ef: usize, filter: Option<&Bitmap>) -> Result<Vec<Hit>> {
        let passes = |row: &u32| filter.is_none_or(|filter| filter.get(*row as usize));
        // The library walks with max(k + 1, ef_search); asking for `ef` answers sets the breadth of this search.
        let found = self
            .graph
            .search(&Store(&self.scorer.rows), query, ef, filter.is_some().then_some(&passes))
            .map_err(library)?;
        let mut top = TopK::new(wanted);
        found.iter().for_each(|hit| top.push(hit.distance, hit.key));
        Ok(top.into_hits())
    }
}

/// The library reads rows in place, as f32.
fn check_floats(rows: &VectorRows) -> Result<()> {
    match rows.packed() {
        None => Ok(()),
        Some(kind) => Err(Error::Rows(format!("HNSWLIB takes f32, not {}", kind.type_name()))),
    }
}

fn library(reason: hnswlib_rs::Error) -> Error {
    Error::Library(reason.to_string())
}

impl VectorIndex for Hnswlib {
    fn kind(&self) -> IndexKind {
        IndexKind::Hnswlib
    }

    fn spec(&self) -> IndexSpec {
        IndexSpec::Hnswlib { m: self.m, ef_construction: self.ef_construction, seed: self.seed }
    }

    fn metric(&self) -> Metric {
        self.scorer.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.scorer.rows
    }

    /// An estimate: the library does not say.
    fn memory_bytes(&self) -> usize {
        self.len() * (4 * (1 + 2 * self.m) + 64) + self.scorer.memory_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        let rows = &self.scorer.rows;
        check_dim(rows.dim(), query)?;
        let matches = filter.map_or(rows.len(), |filter| matches_within(filter, rows.len()));
        let wanted = k.min(matches);
        if wanted == 0 || matches <= 2 * k || (matches as f64) < WALK_FROM_SHARE * rows.len() as f64 {
            return flat::exact_or_left(rows, self.scorer.metric, query, k, params, filter);
        }
        let ef = params.ef_for(k, rows.len());
        let hits = self.walk(query, wanted, ef, filter)?;
        if hits.len() < wanted {
            let mut outcome = flat::exact_or_left(rows, self.scorer.metric, query, k, params, filter)?;
            outcome.stats.strategy = Strategy::WalkThenExact;
            outcome.stats.effort = Some(ef);
            return Ok(outcome);
        }
        // The library does not count distances.
        let stats = SearchStats { effort: Some(ef), ..SearchStats::new(Strategy::Walk, 0) };
        Ok(SearchOutcome { hits, stats })
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(out, IndexKind::Hnswlib)?;
        write_rows_header(&mut writer, self.scorer.metric, &self.scorer.rows)?;
        writer.u64(self.m as u64)?;
        writer.u64(self.ef_construction as u64)?;
        writer.u64(self.seed)?;
        self.scorer.write(&mut writer)?;
        let mut bytes = Vec::new();
        self.graph.save_to(&mut bytes).map_err(library)?;
        writer.bytes(&bytes)?;
        writer.finish()
    }
}

impl std::fmt::Debug for Hnswlib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hnswlib({:?}, {:?}, M {})", self.scorer.metric, self.scorer.rows, self.m)
    }
}
