//! Inverted lists: rows grouped by their nearest of `nlist` centroids; a search reads the `nprobe` nearest lists.
//!
//! Lists hold row numbers only (4 bytes a row, ascending), the vectors are read in place. Under a filter
//! lists are read on until `min(k, matches)` answers are found (P5) and a fair share of the matches is seen; few
//! matches are compared without lists.

mod codec;
mod kmeans;
#[cfg(test)]
mod tests;

use crate::distances::Distances;
use crate::scan::matches_within;
use crate::scorer::Scorer;
use crate::top_k::{pack, row_of};
use crate::vector_index::check_dim;
use crate::{
    BuildMonitor, Error, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, SearchStats, Strategy,
    TopK, VectorIndex, VectorRows, flat,
};
use rayon::prelude::*;
use std::io::Write;
use vecraft_kernel::Query;
use vecraft_types::{Bitmap, Metric};

/// Rows assigned between two looks at the monitor.
const ASSIGN_BATCH: usize = 2_048;
/// Rows compared at a time.
const BLOCK: usize = 256;

/// An immutable index of inverted lists.
pub struct IvfFlat {
    scorer: Scorer,
    seed: u64,
    /// `nlist * dim` values; unit vectors for IP and COSINE.
    centroids: Vec<f32>,
    /// List `i` is `members[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    members: Vec<u32>,
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
        let count = rows.len();
        let nlist = nlist.min(count);
        let scorer = Scorer::new(metric, rows);
        let centroids = kmeans::train(&scorer, nlist, seed, monitor)?;
        let mut lists: Vec<u32> = Vec::with_capacity(count);
        while lists.len() < count {
            if monitor.cancelled() {
                return Err(Error::Cancelled { done: lists.len(), total: count });
            }
            let batch = lists.len()..(lists.len() + ASSIGN_BATCH).min(count);
            lists.par_extend(
                batch.into_par_iter().map(|row| kmeans::nearest(&scorer, row as u32, &centroids).0),
            );
            monitor.progress(lists.len(), count);
        }
        let mut starts = vec![0u32; nlist + 1];
        lists.iter().for_each(|&list| starts[list as usize + 1] += 1);
        (0..nlist).for_each(|list| starts[list + 1] += starts[list]);
        let mut next = starts.clone();
        let mut members = vec![0u32; count];
        for (row, &list) in lists.iter().enumerate() {
            members[next[list as usize] as usize] = row as u32;
            next[list as usize] += 1;
        }
        Ok(IvfFlat { scorer, seed, centroids, starts, members })
    }

    fn nlist(&self) -> usize {
        self.starts.len() - 1
    }

    fn list(&self, list: u32) -> &[u32] {
        &self.members[self.starts[list as usize] as usize..self.starts[list as usize + 1] as usize]
    }

    /// All lists, nearest centroid first.
    fn lists_by_distance(&self, query: &[f32]) -> Vec<u32> {
        let mut distances = vec![0.0; self.nlist()];
        kmeans::centroid_query(self.scorer.metric, query).batch(&self.centroids, &mut distances);
        let mut keys: Vec<u64> =
            distances.iter().zip(0..).map(|(&distance, list)| pack(distance, list)).collect();
        keys.sort_unstable();
        keys.into_iter().map(row_of).collect()
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
        for block in self.list(list).chunks(BLOCK) {
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
        IndexKind::IvfFlat
    }

    fn spec(&self) -> IndexSpec {
        IndexSpec::IvfFlat { nlist: self.nlist(), seed: self.seed }
    }

    fn metric(&self) -> Metric {
        self.scorer.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.scorer.rows
    }

    fn memory_bytes(&self) -> usize {
        self.scorer.memory_bytes()
            + size_of_val(self.centroids.as_slice())
            + size_of_val(self.starts.as_slice())
            + size_of_val(self.members.as_slice())
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
        let nprobe = params.nprobe_for(self.nlist());
        // Reading lists looks at each row's bit and at the centroids; few matches are cheaper to compare all.
        let looked_at = self.nlist() + nprobe * rows.len() / self.nlist().max(1) / 8;
        if matches <= 2 * k || matches <= looked_at {
            return flat::exact(rows, self.scorer.metric, query, k, filter);
        }
        let prepared = self.scorer.query(query);
        let mut top = TopK::new(wanted);
        let (mut ids, mut distances) = (Vec::new(), Vec::new());
        // Under a filter `nprobe` means the matching rows that as many average lists hold: where the nearest lists
        // hold few matches, more lists are read for about the same price.
        let fair = filter.map_or(0, |_| nprobe * matches / self.nlist().max(1));
        let mut compared = 0;
        for (read, list) in self.lists_by_distance(query).into_iter().enumerate() {
            if read >= nprobe && top.len() >= wanted && compared >= fair {
                break;
            }
            compared += self.read_list(&prepared, list, filter, (&mut ids, &mut distances), &mut top);
        }
        let stats = SearchStats { strategy: Strategy::Lists, distances: compared + self.nlist() };
        Ok(SearchOutcome { hits: top.into_hits(), stats })
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        codec::write(self, out)
    }
}

impl std::fmt::Debug for IvfFlat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IvfFlat({:?}, {:?}, nlist {})", self.scorer.metric, self.scorer.rows, self.nlist())
    }
}
