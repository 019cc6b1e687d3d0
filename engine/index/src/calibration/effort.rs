//! What "how hard to look" means for each kind of index.

use crate::hnsw::plan::PLAIN;
use crate::scan::matches_within;
use crate::{IndexKind, SearchParams, VectorIndex};
use vecraft_types::Bitmap;

/// Breadths above are not measured: comparing all rows is about as fast.
const EF_MAX: usize = 8_192;

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    /// `ef` of a graph, `nprobe` of inverted lists.
    pub(crate) breadth: usize,
    /// So many times more candidates than unasked get their exact distance (indexes of codes).
    pub(crate) refine: usize,
    /// The limit for which as many are taken: what was found of so many neighbours says nothing of fewer candidates.
    pub(crate) refine_for: usize,
}

/// A graph gets so many times the breadth under a filter that its walk goes in two hops for. Measured with AUTOINDEX over images:
/// of a tenth of the rows around one of them, with the breadth that the curve says, 0.922 came for 0.95 and 0.964 for 0.99.
const TWO_HOP_TIMES: usize = 2;

impl Effort {
    /// What it takes under a filter for what it does without one. (Inverted lists are asked for more neighbours instead: [`reach`].)
    pub(super) fn under(self, index: &dyn VectorIndex, filter: Option<&Bitmap>) -> Effort {
        let rows = index.len();
        let is_two_hop = filter.is_some_and(|filter| {
            lists(index).is_none() && (matches_within(filter, rows) as f64) < rows as f64 * PLAIN
        });
        let times = if is_two_hop { TWO_HOP_TIMES } else { 1 };
        Effort { breadth: self.breadth.saturating_mul(times), ..self }
    }

    /// As parameters of a search.
    pub(super) fn set(self, index: &dyn VectorIndex, params: SearchParams) -> SearchParams {
        let breadth = Some(self.breadth);
        let params = SearchParams {
            recall: None,
            level: None,
            refine_times: Some(self.refine),
            refine_for: Some(self.refine_for),
            ..params
        };
        if lists(index).is_some() {
            SearchParams { nprobe: breadth, ..params }
        } else {
            SearchParams { ef: breadth, ..params }
        }
    }

    /// What a search for `k` with these parameters comes to; `None` if it sets what was not measured, or leaves to an index of
    /// codes how many candidates it refines.
    pub(super) fn of(params: &SearchParams, index: &dyn VectorIndex, k: usize) -> Option<Effort> {
        if params.refine_k.is_some()
            || params.reorder_k.is_some()
            || params.rbq_query_bits.is_some_and(|bits| bits > 0)
        {
            return None;
        }
        let refine_for = match params.refine_for {
            Some(refine_for) => refine_for,
            None if is_of_codes(index.kind()) => return None,
            None => k,
        };
        let refine = params.refine_times.unwrap_or(1);
        let breadth = match lists(index) {
            Some(nlist) => params.nprobe_for(nlist),
            None => params.ef_for(k, index.len()),
        };
        Some(Effort { breadth, refine, refine_for })
    }

    /// The least and the greatest breadth that are measured for `k`.
    pub(super) fn breadths(index: &dyn VectorIndex, k: usize) -> (usize, usize) {
        match lists(index) {
            Some(nlist) => (1, nlist),
            None => (k.min(index.len()), index.len().min(EF_MAX)),
        }
    }
}

/// How many neighbours a curve has to be asked for when only `matches` rows match. The nearest `k` matches lie as far out as
/// more rows lie of all: inverted lists must be read that far. Matches that go with the vectors lie farther (measured: half as
/// many again covers them). Of a graph under a filter: [`Effort::under`].
pub(super) fn reach(index: &dyn VectorIndex, k: usize, filter: Option<&Bitmap>) -> usize {
    let rows = index.len();
    match filter.filter(|_| lists(index).is_some()).map(|filter| matches_within(filter, rows)) {
        Some(matches) if matches > 0 && matches < rows => {
            let farther = k as f64 * rows as f64 / matches as f64 * 1.5;
            (farther.ceil() as usize).min(rows)
        }
        _ => k,
    }
}

/// True for indexes of codes, whose candidates get their exact distance at the end.
pub(super) fn is_of_codes(kind: IndexKind) -> bool {
    use IndexKind::{BinIvfFlat, Flat, Hnsw, Hnswlib, IvfFlat};
    !matches!(kind, Flat | Hnsw | IvfFlat | BinIvfFlat | Hnswlib)
}

/// The number of inverted lists, if it has any.
fn lists(index: &dyn VectorIndex) -> Option<usize> {
    use crate::IndexSpec::{BinIvfFlat, IvfFlat, IvfPq, IvfRabitq, IvfSq8, Scann};
    match index.spec() {
        IvfFlat { nlist, .. } | IvfSq8 { nlist, .. } | IvfPq { nlist, .. } => Some(nlist),
        IvfRabitq { nlist, .. } | Scann { nlist, .. } | BinIvfFlat { nlist, .. } => Some(nlist),
        _ => None,
    }
}
