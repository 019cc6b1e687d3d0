//! The seam: what an index of vectors is, how one is built and opened.

use crate::calibration::{self, Calibrated};
use crate::container::Reader;
use crate::hnsw;
use crate::ivf::{IvfPq, IvfRabitq, IvfSq8, Scann};
use crate::{
    BuildMonitor, Error, Flat, Hit, Hnsw, Hnswlib, IndexKind, IndexSpec, IvfFlat, Result, SearchParams,
    VectorRows,
};
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;
use vecraft_types::{Bitmap, Metric, Packed};

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
    /// How hard it looked, whoever said so: `ef` of a walk, `nprobe` of lists. `None` when every match was compared from the start.
    pub effort: Option<usize>,
    /// Candidates of an index of codes that got their exact distance at the end.
    pub refined: usize,
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
/// - the same query, parameters and filter give the same answer;
/// - nothing blocks: searches run at once on any number of threads.
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

    /// Writes the index (not the rows) as one checksummed file; [`open`] reads it.
    fn save(&self, out: &mut dyn Write) -> Result<()>;
}

/// Builds the index `spec` asks for and measures its recall. CPU-bound: parallel on the current rayon pool (run it inside
/// `pool.install` to choose one); the bytes do not depend on the number of threads.
pub fn build(
    spec: &IndexSpec,
    metric: Metric,
    rows: VectorRows,
    monitor: &dyn BuildMonitor,
) -> Result<Arc<dyn VectorIndex>> {
    let index = build_bare(spec, metric, rows, monitor)?;
    if matches!(index.kind(), IndexKind::Flat | IndexKind::Hnswlib) {
        return Ok(index);
    }
    Ok(Arc::new(Calibrated::new(index, monitor)?))
}

fn build_bare(
    spec: &IndexSpec,
    metric: Metric,
    rows: VectorRows,
    monitor: &dyn BuildMonitor,
) -> Result<Arc<dyn VectorIndex>> {
    let spec = match rows.packed() {
        // Of bits there is no graph: AUTOINDEX scans them.
        Some(Packed::Bit) if *spec == IndexSpec::Auto => IndexSpec::Flat,
        _ => spec.resolve(rows.len()),
    };
    if let Some(what) = mismatch(spec.type_name(), &rows).or_else(|| other_metric(metric, &rows)) {
        return Err(Error::Rows(what));
    }
    let graph = |m: usize, ef_construction: usize, seed: u64| hnsw::Wanted {
        metric,
        rows: rows.clone(),
        m,
        ef_construction,
        seed,
        monitor,
    };
    Ok(match spec {
        IndexSpec::Flat | IndexSpec::Auto => Arc::new(Flat::new(metric, rows)),
        IndexSpec::Hnsw { m, ef_construction, seed } => {
            Arc::new(Hnsw::build(metric, rows, m, ef_construction, seed, monitor)?)
        }
        IndexSpec::AutoGraph { m, ef_construction, seed } => {
            match graph(m, ef_construction, seed).build_sq8_if_fit()? {
                Some(index) => index,
                None => Arc::new(Hnsw::build(metric, rows, m, ef_construction, seed, monitor)?),
            }
        }
        IndexSpec::HnswSq { m, ef_construction, sq_type, refine, seed } => {
            graph(m, ef_construction, seed).build_sq(sq_type, refine)?
        }
        IndexSpec::HnswPq { m, ef_construction, shape, refine, seed } => {
            graph(m, ef_construction, seed).build_pq(shape, refine)?
        }
        IndexSpec::IvfFlat { nlist, seed } | IndexSpec::BinIvfFlat { nlist, seed } => {
            Arc::new(IvfFlat::build(metric, rows, nlist, seed, monitor)?)
        }
        IndexSpec::IvfSq8 { nlist, refine, seed } => {
            Arc::new(IvfSq8::build(metric, rows, (nlist, seed), refine, monitor)?)
        }
        IndexSpec::IvfPq { nlist, shape, refine, seed } => {
            Arc::new(IvfPq::build(metric, rows, (nlist, seed), shape, refine, monitor)?)
        }
        IndexSpec::IvfRabitq { nlist, refine, seed } => {
            Arc::new(IvfRabitq::build(metric, rows, (nlist, seed), refine, monitor)?)
        }
        IndexSpec::Scann { nlist, with_raw_data, seed } => {
            Arc::new(Scann::build(metric, rows, (nlist, seed), with_raw_data, monitor)?)
        }
        IndexSpec::Hnswlib { m, ef_construction, seed } => {
            Arc::new(Hnswlib::build(metric, rows, m, ef_construction, seed, monitor)?)
        }
    })
}

/// Opens a file written by [`VectorIndex::save`] over the rows it was built on. Every byte is verified first;
/// wrong bytes, a newer version or other rows are errors.
pub fn open(file: &[u8], rows: VectorRows) -> Result<Arc<dyn VectorIndex>> {
    calibration::open(file, |file| open_bare(file, None, rows))
}

/// The same of a mapped file, most of which (links and codes) is used in place as long as the index lives: the system keeps of it in
/// memory what is used, as far as there is room. Who maps it sees to it that nobody changes the file.
pub fn open_mapped(file: &Bytes, rows: VectorRows) -> Result<Arc<dyn VectorIndex>> {
    calibration::open(file, |part| open_bare(part, Some(file), rows))
}

fn open_bare(file: &[u8], mapped: Option<&Bytes>, rows: VectorRows) -> Result<Arc<dyn VectorIndex>> {
    let (kind, reader) = Reader::open(file, mapped)?;
    if let Some(what) = mismatch(kind.name(), &rows) {
        return Err(Error::OtherRows(what));
    }
    Ok(match kind {
        IndexKind::Flat => Arc::new(Flat::read(reader, rows)?),
        IndexKind::Hnsw => Arc::new(Hnsw::read(reader, rows)?),
        IndexKind::HnswSq | IndexKind::HnswPq => hnsw::open(kind, reader, rows)?,
        IndexKind::IvfFlat | IndexKind::BinIvfFlat => Arc::new(IvfFlat::read(reader, rows)?),
        IndexKind::IvfSq8 => Arc::new(IvfSq8::read(reader, rows)?),
        IndexKind::IvfPq => Arc::new(IvfPq::read(reader, rows)?),
        IndexKind::IvfRabitq => Arc::new(IvfRabitq::read(reader, rows)?),
        IndexKind::Scann => Arc::new(Scann::read(reader, rows)?),
        IndexKind::Hnswlib => Arc::new(Hnswlib::read(reader, rows)?),
    })
}

/// Why an index of this name does not go with these vectors: one is of bits, FLAT of both, the others are of numbers.
fn mismatch(name: &str, rows: &VectorRows) -> Option<String> {
    let fits = match name {
        "FLAT" => true,
        "BIN_IVF_FLAT" => is_of_bits(rows),
        _ => !is_of_bits(rows),
    };
    (!fits).then(|| format!("{name} is not for {}", rows.packed().map_or("FloatVector", Packed::type_name)))
}

/// Why these vectors are not compared by a metric.
fn other_metric(metric: Metric, rows: &VectorRows) -> Option<String> {
    let fits = is_of_bits(rows) == matches!(metric, Metric::Hamming | Metric::Jaccard);
    let kind = || rows.packed().map_or("FloatVector", Packed::type_name);
    (!fits).then(|| format!("{} does not compare {}", metric.name(), kind()))
}

fn is_of_bits(rows: &VectorRows) -> bool {
    rows.packed() == Some(Packed::Bit)
}

/// The start of every payload: metric, number of rows, dimension, fingerprint of the rows.
pub(crate) fn write_rows_header(
    writer: &mut crate::container::Writer<'_>,
    metric: Metric,
    rows: &VectorRows,
) -> Result<()> {
    let number = match metric {
        Metric::L2 => 1,
        Metric::Ip => 2,
        Metric::Cosine => 3,
        Metric::Hamming => 4,
        Metric::Jaccard => 5,
    };
    writer.u32(number)?;
    writer.u32(rows.dim() as u32)?;
    writer.u64(rows.len() as u64)?;
    writer.u64(rows.fingerprint())
}

/// Reads what [`write_rows_header`] wrote and compares it with the rows at hand.
pub(crate) fn read_rows_header(reader: &mut Reader<'_>, rows: &VectorRows) -> Result<Metric> {
    let metric = match reader.u32()? {
        1 => Metric::L2,
        2 => Metric::Ip,
        3 => Metric::Cosine,
        4 => Metric::Hamming,
        5 => Metric::Jaccard,
        other => return Err(Error::corrupt(format!("metric number {other} is unknown"))),
    };
    if let Some(what) = other_metric(metric, rows) {
        return Err(Error::corrupt(what));
    }
    let (dim, len) = (reader.u32()? as usize, reader.u64()?);
    if dim != rows.dim() || len != rows.len() as u64 {
        let text = format!("built over {len} x {dim}, given {} x {}", rows.len(), rows.dim());
        return Err(Error::OtherRows(text));
    }
    if reader.u64()? != rows.fingerprint() {
        return Err(Error::OtherRows("the vectors' fingerprint differs".to_owned()));
    }
    Ok(metric)
}

/// Refuses a query of another dimension.
pub(crate) fn check_dim(expected: usize, query: &[f32]) -> Result<()> {
    if query.len() == expected { Ok(()) } else { Err(Error::Dimension { expected, got: query.len() }) }
}
