//! The kinds of coded lists: what each is called, and how its codes are learned.

use super::coded::{Coding, IvfCoded};
use super::store::Listed;
use crate::quant::{Frame, Linear, Pq, Sq8};
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
            let list_of = lists.list_of_positions();
            Listed::build(scorer, lists, |means| {
                let at = |place: usize| (lists.members()[place], means[list_of[place] as usize].as_slice());
                Pq::learn(scorer, Frame::learn(scorer, None), shape, at, seed, monitor)
            })
        })
    }
}
