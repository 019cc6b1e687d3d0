//! HNSW_SQ: the graph, built and walked by codes; the nearest candidates get their exact distance from the rows.
//!
//! A walk reads a quarter of the bytes that HNSW reads. The rows themselves are touched for the last candidates
//! only, and by the exact scans behind the walks, so they may stay on disk.

use super::build::{self, BuildParams};
use super::codec;
use super::graph::Graph;
use super::scratch::ScratchPool;
use super::search::Search;
use crate::container::{Reader, Writer};
use crate::quant::{Codes, Layout, Quantizer, Sq8, fits};
use crate::scorer::Scorer;
use crate::vector_index::{check_dim, read_rows_header, write_rows_header};
use crate::{
    BuildMonitor, IndexKind, IndexSpec, Refine, Result, SearchOutcome, SearchParams, SqType, VectorIndex,
    VectorRows,
};
use std::io::Write;
use vecraft_kernel::Query;
use vecraft_types::{Bitmap, Metric};

/// An immutable HNSW graph over codes.
pub struct HnswSq {
    exact: Scorer,
    codes: Codes<Sq8>,
    graph: Graph,
    params: BuildParams,
    refine: Refine,
    scratches: ScratchPool,
}

impl HnswSq {
    /// Builds over all rows, in parallel on the current rayon pool; the outcome does not depend on threads.
    /// Parameters as for [`crate::Hnsw::build`].
    pub fn build(
        metric: Metric,
        rows: VectorRows,
        (m, ef_construction): (usize, usize),
        refine: Refine,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<HnswSq> {
        let params = BuildParams::clamped(m, ef_construction, seed, rows.len());
        let exact = Scorer::new(metric, rows);
        let codes = Codes::build(Sq8::train(&exact), &exact, Layout::Lines)?;
        Self::over(exact, codes, params, refine, monitor)
    }

    /// [`HnswSq::build`], unless codes cannot tell neighbours among these rows apart.
    pub(crate) fn build_if_fit(
        metric: Metric,
        rows: VectorRows,
        (m, ef_construction): (usize, usize),
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Option<HnswSq>> {
        let params = BuildParams::clamped(m, ef_construction, seed, rows.len());
        let exact = Scorer::new(metric, rows);
        let codes = Codes::build(Sq8::train(&exact), &exact, Layout::Lines)?;
        if !fits(&exact, &codes) {
            return Ok(None);
        }
        Self::over(exact, codes, params, Refine::Fp32, monitor).map(Some)
    }

    fn over(
        exact: Scorer,
        codes: Codes<Sq8>,
        params: BuildParams,
        refine: Refine,
        monitor: &dyn BuildMonitor,
    ) -> Result<HnswSq> {
        let scratches = ScratchPool::default();
        let graph = build::build(&codes, params, &scratches, monitor)?;
        Ok(HnswSq { exact, codes, graph, params, refine, scratches })
    }

    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<HnswSq> {
        let metric = read_rows_header(&mut reader, &rows)?;
        SqType::from_number(reader.u32()?)?;
        let refine = Refine::from_number(reader.u32()?)?;
        let (params, exact, graph) = codec::read_graph(&mut reader, metric, rows)?;
        let codes = Codes::read(&mut reader, metric, &exact.rows, Layout::Lines)?;
        reader.finish()?;
        Ok(HnswSq { exact, codes, graph, params, refine, scratches: ScratchPool::default() })
    }
}

impl VectorIndex for HnswSq {
    fn kind(&self) -> IndexKind {
        IndexKind::HnswSq
    }

    fn spec(&self) -> IndexSpec {
        let BuildParams { m, ef_construction, seed } = self.params;
        IndexSpec::HnswSq { m, ef_construction, sq_type: SqType::Sq8, refine: self.refine, seed }
    }

    fn metric(&self) -> Metric {
        self.exact.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.exact.rows
    }

    fn memory_bytes(&self) -> usize {
        self.graph.memory_bytes() + self.exact.memory_bytes() + self.codes.memory_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        check_dim(self.exact.rows.dim(), query)?;
        let ef = params.ef_for(k, self.graph.len());
        let refined = params.refined_for(k, ef, self.refine, Sq8::UNASKED);
        let search = Search {
            graph: &self.graph,
            walked: &self.codes,
            walked_query: &self.codes.quantizer.query(query, params),
            exact: &self.exact,
            exact_query: &Query::new(self.exact.metric, query),
            refined: Some(refined),
            scratches: &self.scratches,
            k,
            ef: ef.max(refined).min(self.graph.len().max(1)),
        };
        Ok(search.run(filter))
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(out, IndexKind::HnswSq)?;
        write_rows_header(&mut writer, self.exact.metric, &self.exact.rows)?;
        writer.u32(SqType::Sq8 as u32)?;
        writer.u32(self.refine as u32)?;
        codec::write_graph(&mut writer, self.params, &self.exact, &self.graph)?;
        self.codes.write(&mut writer)?;
        writer.finish()
    }
}

impl std::fmt::Debug for HnswSq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HnswSq({:?}, {:?}, {:?})", self.exact.metric, self.exact.rows, self.params)
    }
}
