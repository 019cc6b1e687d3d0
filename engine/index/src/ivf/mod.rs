//! Inverted lists: rows grouped by their nearest of `nlist` centroids; a search reads the `nprobe` nearest lists.
//!
//! [`IvfFlat`] holds row numbers only (4 bytes a row) and reads the vectors, of numbers or of bits, in place; [`IvfCoded`] compares codes, kept
//! in list order, and takes exact distances of the nearest. How many lists are read under a filter: `probe`.
//!
//! They hold no vectors, know no deletes (those are cleared filter bits) and are immutable once built.

mod blocks;
mod centroids;
mod codec;
mod coded;
mod kinds;
mod lists;
mod probe;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use kinds::{IvfPq, IvfRabitq, IvfSq8, Scann};

use crate::distances::Distances;
use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{
    BuildMonitor, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, SearchStats, Strategy, TopK,
    VectorIndex, VectorRows, flat,
};
use lists::Lists;
use probe::Probe;
use std::io::Write;
use vecraft_kernel::Query;
use vecraft_types::{Bitmap, Metric, Packed};

/// Rows compared at a time.
const BLOCK: usize = 256;

/// An immutable index of inverted lists: IVF_FLAT, or BIN_IVF_FLAT over vectors of bits.
pub struct IvfFlat {
    scorer: Scorer,
    seed: u64,
    lists: Lists,
}

impl IvfFlat {
    /// Trains centroids and fills the lists, in parallel on the current rayon pool; the outcome does not depend
    /// on threads. `nlist` is lowered to the number of rows.
    pub fn build(
        metric: Metric,
        rows: VectorRows,
        nlist: usize,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<IvfFlat> {
        let nlist = nlist.min(rows.len());
        let scorer = Scorer::new(metric, rows);
        let lists = Lists::build(&scorer, nlist, seed, monitor)?;
        Ok(IvfFlat { scorer, seed, lists })
    }

    /// Compares the matching rows of one list.
    fn read_list(
        &self,
        query: &Query<'_>,
        list: u32,
        filter: Option<&Bitmap>,
        (ids, distances): (&mut Vec<u32>, &mut Vec<f32>),
        top: &mut TopK,
    ) -> usize {
        let mut compared = 0;
        for block in self.lists.rows(list).chunks(BLOCK) {
            ids.clear();
            ids.extend(block.iter().filter(|row| filter.is_none_or(|filter| filter.get(**row as usize))));
            self.scorer.many(query, ids, distances);
            compared += ids.len();
            ids.iter().zip(distances.iter()).for_each(|(&row, &distance)| top.push(distance, row));
        }
        compared
    }
}

impl VectorIndex for IvfFlat {
    fn kind(&self) -> IndexKind {
        match self.scorer.rows.packed() {
            Some(Packed::Bit) => IndexKind::BinIvfFlat,
            _ => IndexKind::IvfFlat,
        }
    }

    fn spec(&self) -> IndexSpec {
        let (nlist, seed) = (self.lists.len(), self.seed);
        match self.kind() {
            IndexKind::BinIvfFlat => IndexSpec::BinIvfFlat { nlist, seed },
            _ => IndexSpec::IvfFlat { nlist, seed },
        }
    }

    fn metric(&self) -> Metric {
        self.scorer.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.scorer.rows
    }

    fn memory_bytes(&self) -> usize {
        self.scorer.memory_bytes() + self.lists.memory_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        let (rows, metric) = (&self.scorer.rows, self.scorer.metric);
        check_dim(rows.dim(), query)?;
        let Some(probe) = Probe::plan(&self.lists, k, params, filter) else {
            return flat::exact_or_left(rows, metric, query, k, params, filter);
        };
        let prepared = self.scorer.query(query);
        let mut top = TopK::new(probe.wanted);
        let (mut ids, mut distances) = (Vec::new(), Vec::new());
        let mut compared = 0;
        for (read, list) in self.lists.by_distance(metric, query).into_iter().enumerate() {
            if probe.is_done(read, top.len(), compared) {
                break;
            }
            compared += self.read_list(&prepared, list, filter, (&mut ids, &mut distances), &mut top);
        }
        let mut stats = SearchStats::new(Strategy::Lists, compared + self.lists.len());
        (stats.centroids, stats.effort) = (self.lists.len(), Some(probe.nprobe));
        Ok(SearchOutcome { hits: top.into_hits(), stats })
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        codec::write(self, out)
    }
}

impl std::fmt::Debug for IvfFlat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (metric, rows, nlist) = (self.scorer.metric, &self.scorer.rows, self.lists.len());
        write!(f, "{}({metric:?}, {rows:?}, nlist {nlist})", self.kind().name())
    }
}
