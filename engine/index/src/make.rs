//! Every kind of index, built from rows or opened from a file. The one place that knows them all.

use crate::calibration::{self, Calibrated};
use crate::container::Reader;
use crate::hnsw;
use crate::ivf::{IvfPq, IvfRabitq, IvfSq8, Scann};
use crate::{
    BuildMonitor, Error, Flat, Hnsw, Hnswlib, IndexKind, IndexSpec, IvfFlat, Result, VectorIndex, VectorRows,
};
use bytes::Bytes;
use std::sync::Arc;
use vecraft_types::{Metric, Packed};

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
pub(crate) fn other_metric(metric: Metric, rows: &VectorRows) -> Option<String> {
    let fits = is_of_bits(rows) == matches!(metric, Metric::Hamming | Metric::Jaccard);
    let kind = || rows.packed().map_or("FloatVector", Packed::type_name);
    (!fits).then(|| format!("{} does not compare {}", metric.name(), kind()))
}

fn is_of_bits(rows: &VectorRows) -> bool {
    rows.packed() == Some(Packed::Bit)
}
