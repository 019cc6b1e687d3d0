//! A graph walked by codes: HNSW_SQ, HNSW_PQ. The nearest candidates get their exact distance from the rows.
//!
//! A walk reads a fraction of the bytes that HNSW reads. The rows themselves are touched for the last candidates
//! only, and by the exact scans behind the walks, so they may stay on disk.

use super::build::BuildParams;
use super::codec;
use super::graph::Graph;
use super::scratch::ScratchPool;
use super::search::Search;
use crate::container::{Reader, Writer};
use crate::quant::{Codes, Layout, Quantizer};
use crate::rows_header::write_rows_header;
use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{IndexKind, IndexSpec, Refine, Result, SearchOutcome, SearchParams, VectorIndex, VectorRows};
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// What kind of index a way of coding makes.
pub(crate) trait GraphCoding: Quantizer {
    /// The kind in the file header.
    const KIND: IndexKind;

    /// Which of the codings of its kind, in the payload.
    const NUMBER: u32;

    /// Where its code rows start.
    const LAYOUT: Layout;

    /// The parameters it was built with.
    fn spec(&self, params: BuildParams, refine: Refine) -> IndexSpec;
}

/// An immutable HNSW graph over codes.
pub(crate) struct HnswCoded<Q> {
    pub(super) exact: Scorer,
    pub(super) codes: Codes<Q>,
    pub(super) graph: Graph,
    pub(super) params: BuildParams,
    pub(super) refine: Refine,
    pub(super) scratches: ScratchPool,
}

impl<Q: GraphCoding> HnswCoded<Q> {
    /// Reads what `save` wrote, from where the kind of coding was told.
    pub(super) fn read(mut reader: Reader<'_>, metric: Metric, rows: VectorRows) -> Result<HnswCoded<Q>> {
        let refine = Refine::from_number(reader.u32()?)?;
        let (params, exact, graph) = codec::read_graph(&mut reader, metric, rows)?;
        let codes = Codes::read(&mut reader, metric, &exact.rows, Q::LAYOUT)?;
        reader.finish()?;
        Ok(HnswCoded { exact, codes, graph, params, refine, scratches: ScratchPool::default() })
    }

    fn find(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
        overlooked: Option<u32>,
    ) -> Result<SearchOutcome> {
        check_dim(self.exact.rows.dim(), query)?;
        let ef = params.ef_for(k, self.graph.len());
        let refined = params.refined_for(k, ef, self.refine, Q::UNASKED);
        let (walked_query, exact_query) =
            (self.codes.quantizer.query(query, params), self.exact.query(query));
        let search = Search {
            graph: &self.graph,
            walked: &self.codes,
            walked_query: &walked_query,
            exact: &self.exact,
            exact_query: &exact_query,
            refined: Some(refined),
            scratches: &self.scratches,
            k,
            ef: ef.max(refined).min(self.graph.len().max(1)),
            params,
            overlooked,
        };
        Ok(search.run(filter))
    }
}

impl<Q: GraphCoding> VectorIndex for HnswCoded<Q> {
    fn kind(&self) -> IndexKind {
        Q::KIND
    }

    fn spec(&self) -> IndexSpec {
        self.codes.quantizer.spec(self.params, self.refine)
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

    fn code_bytes(&self) -> usize {
        self.codes.row_bytes()
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
        let mut writer = Writer::new(out, Q::KIND)?;
        write_rows_header(&mut writer, self.exact.metric, &self.exact.rows)?;
        writer.u32(Q::NUMBER)?;
        writer.u32(self.refine as u32)?;
        codec::write_graph(&mut writer, self.params, &self.exact, &self.graph)?;
        self.codes.write(&mut writer)?;
        writer.finish()
    }
}

impl<Q: GraphCoding> std::fmt::Debug for HnswCoded<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?}, {:?}, {:?})", Q::KIND.name(), self.exact.metric, self.exact.rows, self.spec())
    }
}
