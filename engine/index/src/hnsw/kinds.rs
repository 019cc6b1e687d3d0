//! The kinds of graphs over codes: what each is called, how its codes are learned, by what its graph is built.

use super::build::{self, BuildParams};
use super::coded::{GraphCoding, HnswCoded};
use super::graph::Graph;
use super::scratch::ScratchPool;
use crate::container::Reader;
use crate::quant::{Bf16, Codes, Fp16, Frame, Layout, Linear, Pq, Rotation, Sq4, Sq6, Sq8, fits};
use crate::rows_header::read_rows_header;
use crate::scorer::Scorer;
use crate::{
    BuildMonitor, Error, IndexKind, IndexSpec, PqShape, Refine, Result, SqType, VectorIndex, VectorRows,
};
use std::sync::Arc;
use vecraft_types::Metric;

/// Rows, and how their graph is built.
pub(crate) struct Wanted<'m> {
    pub(crate) metric: Metric,
    pub(crate) rows: VectorRows,
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
    pub(crate) seed: u64,
    pub(crate) monitor: &'m dyn BuildMonitor,
}

impl Wanted<'_> {
    fn params(&self) -> BuildParams {
        BuildParams::clamped(self.m, self.ef_construction, self.seed, self.rows.len())
    }

    /// Scalar codes of a type, and a graph.
    pub(crate) fn build_sq(self, sq_type: SqType, refine: Refine) -> Result<Arc<dyn VectorIndex>> {
        let exact = Scorer::new(self.metric, self.rows.clone());
        match sq_type {
            SqType::Sq8 => {
                let codes = Codes::build(Sq8::train(&exact), &exact, Layout::Lines)?;
                self.by_own_codes(exact, codes, refine)
            }
            SqType::Sq6 => {
                let (frame, coder) = (self.rotated(&exact), Sq6::new(exact.rows.dim()));
                self.by_sq8_or_rows(exact, Linear::new(frame, coder), refine)
            }
            SqType::Sq4 => {
                let (frame, coder) = (self.rotated(&exact), Sq4::new(exact.rows.dim()));
                self.by_sq8_or_rows(exact, Linear::new(frame, coder), refine)
            }
            SqType::Bf16 => {
                let frame = Frame::learn(&exact, None);
                self.by_sq8_or_rows(exact, Bf16::new(frame), refine)
            }
            SqType::Fp16 => {
                let frame = Frame::learn(&exact, None);
                self.by_sq8_or_rows(exact, Fp16::new(frame), refine)
            }
        }
    }

    fn rotated(&self, exact: &Scorer) -> Frame {
        Frame::learn(exact, Some(Rotation::new(self.seed | 1, exact.rows.dim())))
    }

    /// Codes of one byte a dimension and a graph, unless codes cannot tell neighbours among these rows apart.
    pub(crate) fn build_sq8_if_fit(self) -> Result<Option<Arc<dyn VectorIndex>>> {
        let exact = Scorer::new(self.metric, self.rows.clone());
        let codes = Codes::build(Sq8::train(&exact), &exact, Layout::Lines)?;
        if !fits(&exact, &codes) {
            return Ok(None);
        }
        self.by_own_codes(exact, codes, Refine::Fp32).map(Some)
    }

    /// Product codes, and a graph.
    pub(crate) fn build_pq(self, shape: PqShape, refine: Refine) -> Result<Arc<dyn VectorIndex>> {
        let exact = Scorer::new(self.metric, self.rows.clone());
        let frame = Frame::learn(&exact, None);
        let mean = frame.mean().to_vec();
        let at = |place: usize| (place as u32, mean.as_slice());
        let quantizer = Pq::learn(&exact, frame, shape, at, self.seed, self.monitor)?;
        self.by_sq8_or_rows(exact, quantizer, refine)
    }

    /// The graph is built by the codes it is walked by.
    fn by_own_codes(self, exact: Scorer, codes: Codes<Sq8>, refine: Refine) -> Result<Arc<dyn VectorIndex>> {
        let (params, scratches) = (self.params(), ScratchPool::default());
        let graph = build::build(&codes, params, &scratches, self.monitor)?;
        Ok(Arc::new(HnswCoded { exact, codes, graph, params, refine, scratches }))
    }

    /// The graph is built by codes of one byte a dimension, which are then let go, or by the rows where such codes
    /// cannot tell neighbours apart: coarser codes than these make worse links, and others are slower to compare.
    fn by_sq8_or_rows<Q: GraphCoding + 'static>(
        self,
        exact: Scorer,
        quantizer: Q,
        refine: Refine,
    ) -> Result<Arc<dyn VectorIndex>> {
        let (params, scratches) = (self.params(), ScratchPool::default());
        let graph = self.graph_by_sq8(&exact, params, &scratches)?;
        let codes = Codes::build(quantizer, &exact, Q::LAYOUT)?;
        Ok(Arc::new(HnswCoded { exact, codes, graph, params, refine, scratches }))
    }

    fn graph_by_sq8(&self, exact: &Scorer, params: BuildParams, scratches: &ScratchPool) -> Result<Graph> {
        let codes = Codes::build(Sq8::train(exact), exact, Layout::Lines)?;
        if fits(exact, &codes) {
            return build::build(&codes, params, scratches, self.monitor);
        }
        drop(codes);
        build::build(exact, params, scratches, self.monitor)
    }
}

/// Opens a graph over codes.
pub(crate) fn open(
    kind: IndexKind,
    mut reader: Reader<'_>,
    rows: VectorRows,
) -> Result<Arc<dyn VectorIndex>> {
    let metric = read_rows_header(&mut reader, &rows)?;
    let number = reader.u32()?;
    if kind == IndexKind::HnswPq {
        if number != Linear::<Pq>::NUMBER {
            return Err(Error::corrupt(format!("product coding number {number} is unknown")));
        }
        return Ok(Arc::new(HnswCoded::<Linear<Pq>>::read(reader, metric, rows)?));
    }
    Ok(match SqType::from_number(number)? {
        SqType::Sq8 => Arc::new(HnswCoded::<Sq8>::read(reader, metric, rows)?),
        SqType::Sq6 => Arc::new(HnswCoded::<Linear<Sq6>>::read(reader, metric, rows)?),
        SqType::Sq4 => Arc::new(HnswCoded::<Linear<Sq4>>::read(reader, metric, rows)?),
        SqType::Bf16 => Arc::new(HnswCoded::<Bf16>::read(reader, metric, rows)?),
        SqType::Fp16 => Arc::new(HnswCoded::<Fp16>::read(reader, metric, rows)?),
    })
}

/// Scalar codes: all alike but for their word.
macro_rules! scalar_coding {
    ($($quantizer:ty => $sq_type:expr),* $(,)?) => {$(
        impl GraphCoding for $quantizer {
            const KIND: IndexKind = IndexKind::HnswSq;
            const NUMBER: u32 = $sq_type as u32;
            const LAYOUT: Layout = Layout::Lines;

            fn spec(&self, params: BuildParams, refine: Refine) -> IndexSpec {
                let BuildParams { m, ef_construction, seed } = params;
                IndexSpec::HnswSq { m, ef_construction, sq_type: $sq_type, refine, seed }
            }
        }
    )*};
}

scalar_coding! {
    Sq8 => SqType::Sq8,
    Linear<Sq6> => SqType::Sq6,
    Linear<Sq4> => SqType::Sq4,
    Bf16 => SqType::Bf16,
    Fp16 => SqType::Fp16,
}

impl GraphCoding for Linear<Pq> {
    const KIND: IndexKind = IndexKind::HnswPq;
    const NUMBER: u32 = 1;
    const LAYOUT: Layout = Layout::Packed;

    fn spec(&self, params: BuildParams, refine: Refine) -> IndexSpec {
        let BuildParams { m, ef_construction, seed } = params;
        IndexSpec::HnswPq { m, ef_construction, shape: self.coder.shape(), refine, seed }
    }
}
