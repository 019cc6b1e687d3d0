//! The kinds of coded lists: what each is called, and how its codes are learned.

use super::blocks::Blocks;
use super::coded::{Coding, IvfCoded};
use super::lists::Lists;
use super::store::Listed;
use crate::quant::{Frame, Linear, Pq, Rabitq, Rotation, Sq8};
use crate::scorer::Scorer;
use crate::{BuildMonitor, IndexKind, IndexSpec, PqShape, Refine, Result, VectorRows};
use vecraft_types::Metric;

/// One byte a dimension.
pub(crate) type IvfSq8 = IvfCoded<Listed<Sq8>>;

impl Coding for Listed<Sq8> {
    const KIND: IndexKind = IndexKind::IvfSq8;

    fn spec(&self, nlist: usize, refine: Refine, seed: u64) -> IndexSpec {
        IndexSpec::IvfSq8 { nlist, refine, seed }
    }
}

impl IvfSq8 {
    /// See [`IvfCoded::build_with`].
    pub(crate) fn build(
        metric: Metric,
        rows: VectorRows,
        lists: (usize, u64),
        refine: Refine,
        monitor: &dyn BuildMonitor,
    ) -> Result<IvfSq8> {
        Self::build_with(metric, rows, lists, refine, monitor, |scorer, lists| {
            Listed::build(scorer, lists, |_| Ok(Sq8::train(scorer)))
        })
    }
}

/// Product codes of the differences from the list's mean.
pub(crate) type IvfPq = IvfCoded<Listed<Linear<Pq>>>;

impl Coding for Listed<Linear<Pq>> {
    const KIND: IndexKind = IndexKind::IvfPq;

    fn spec(&self, nlist: usize, refine: Refine, seed: u64) -> IndexSpec {
        IndexSpec::IvfPq { nlist, shape: self.quantizer().coder.shape(), refine, seed }
    }
}

impl IvfPq {
    /// See [`IvfCoded::build_with`]; the shape's `m` is lowered to the number of dimensions.
    pub(crate) fn build(
        metric: Metric,
        rows: VectorRows,
        (nlist, seed): (usize, u64),
        shape: PqShape,
        refine: Refine,
        monitor: &dyn BuildMonitor,
    ) -> Result<IvfPq> {
        Self::build_with(metric, rows, (nlist, seed), refine, monitor, |scorer, lists| {
            Listed::build(scorer, lists, |means| product_codes(scorer, lists, means, shape, seed, monitor))
        })
    }
}

/// Learns codebooks from the rows' differences from the means of their lists.
fn product_codes(
    scorer: &Scorer,
    lists: &Lists,
    means: &[Vec<f32>],
    shape: PqShape,
    seed: u64,
    monitor: &dyn BuildMonitor,
) -> Result<Linear<Pq>> {
    let list_of = lists.list_of_positions();
    let at = |place: usize| (lists.members()[place], means[list_of[place] as usize].as_slice());
    Pq::learn(scorer, Frame::learn(scorer, None), shape, at, seed, monitor)
}

/// One bit a dimension of the rotated differences from the list's mean.
pub(crate) type IvfRabitq = IvfCoded<Listed<Linear<Rabitq>>>;

impl Coding for Listed<Linear<Rabitq>> {
    const KIND: IndexKind = IndexKind::IvfRabitq;

    fn spec(&self, nlist: usize, refine: Refine, seed: u64) -> IndexSpec {
        IndexSpec::IvfRabitq { nlist, refine, seed }
    }
}

impl IvfRabitq {
    /// See [`IvfCoded::build_with`].
    pub(crate) fn build(
        metric: Metric,
        rows: VectorRows,
        (nlist, seed): (usize, u64),
        refine: Refine,
        monitor: &dyn BuildMonitor,
    ) -> Result<IvfRabitq> {
        Self::build_with(metric, rows, (nlist, seed), refine, monitor, |scorer, lists| {
            let dim = scorer.rows.dim();
            let frame = Frame::learn(scorer, Some(Rotation::new(seed | 1, dim)));
            Listed::build(scorer, lists, |_| Ok(Linear::new(frame, Rabitq::new(dim))))
        })
    }
}

/// Product codes of four bits in blocks.
pub(crate) type Scann = IvfCoded<Blocks>;

/// Dimensions of a part.
const SCANN_PART: usize = 2;
/// Bits of a part's code.
const SCANN_BITS: usize = 4;

impl Coding for Blocks {
    const KIND: IndexKind = IndexKind::Scann;

    fn spec(&self, nlist: usize, refine: Refine, seed: u64) -> IndexSpec {
        IndexSpec::Scann { nlist, with_raw_data: refine != Refine::Off, seed }
    }
}

impl Scann {
    /// See [`IvfCoded::build_with`].
    pub(crate) fn build(
        metric: Metric,
        rows: VectorRows,
        (nlist, seed): (usize, u64),
        with_raw_data: bool,
        monitor: &dyn BuildMonitor,
    ) -> Result<Scann> {
        let refine = if with_raw_data { Refine::Fp32 } else { Refine::Off };
        Self::build_with(metric, rows, (nlist, seed), refine, monitor, |scorer, lists| {
            let shape = PqShape { m: scorer.rows.dim().div_ceil(SCANN_PART), nbits: SCANN_BITS };
            Blocks::build(scorer, lists, |means| product_codes(scorer, lists, means, shape, seed, monitor))
        })
    }
}
