//! Inverted lists of codes: IVF_SQ8 and its relatives. The nearest by codes get their exact distance from the rows.
//!
//! A list is read from front to back at a fraction of the rows' bytes; the rows themselves are touched for the last
//! candidates only, so they may stay on disk.

use super::BLOCK;
use super::lists::Lists;
use super::probe::Probe;
use super::store::Store;
use crate::cold::{Cold, pages_of};
use crate::container::{Reader, Writer};
use crate::distances::Distances;
use crate::rows_header::{read_rows_header, write_rows_header};
use crate::scorer::Scorer;
use crate::vector_index::check_dim;
use crate::{
    BuildMonitor, IndexKind, IndexSpec, Refine, Result, SearchOutcome, SearchParams, SearchStats, Strategy,
    TopK, VectorIndex, VectorRows, flat,
};
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// An immutable index of inverted lists, compared by codes.
pub(crate) struct IvfCoded<S> {
    exact: Scorer,
    lists: Lists,
    store: S,
    refine: Refine,
    seed: u64,
    cold: Cold,
}

/// What kind of index a way of storing codes makes.
pub(crate) trait Coding: Store {
    /// The kind in the file header.
    const KIND: IndexKind;

    /// The parameters it was built with.
    fn spec(&self, nlist: usize, refine: Refine, seed: u64) -> IndexSpec;
}

impl<S: Coding> IvfCoded<S> {
    /// Trains centroids, fills the lists and codes the rows by `store`, in parallel on the current rayon pool; the
    /// outcome does not depend on threads. `nlist` is lowered to the number of rows.
    pub(super) fn build_with(
        metric: Metric,
        rows: VectorRows,
        (nlist, seed): (usize, u64),
        refine: Refine,
        monitor: &dyn BuildMonitor,
        store: impl FnOnce(&Scorer, &Lists) -> Result<S>,
    ) -> Result<IvfCoded<S>> {
        let nlist = nlist.min(rows.len());
        let exact = Scorer::new(metric, rows);
        let lists = Lists::build(&exact, nlist, seed, monitor)?;
        let store = store(&exact, &lists)?;
        Ok(IvfCoded { exact, lists, store, refine, seed, cold: Cold::default() })
    }

    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<IvfCoded<S>> {
        let metric = read_rows_header(&mut reader, &rows)?;
        let (nlist, seed) = (reader.u64()? as usize, reader.u64()?);
        let refine = Refine::from_number(reader.u32()?)?;
        let exact = Scorer::read(&mut reader, metric, rows)?;
        let lists = Lists::read(&mut reader, nlist, &exact.rows)?;
        let store = S::read(&mut reader, metric, &exact.rows, &lists)?;
        reader.finish()?;
        Ok(IvfCoded { exact, lists, store, refine, seed, cold: Cold::default() })
    }

    fn find(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
        is_cold: bool,
    ) -> Result<SearchOutcome> {
        let (rows, metric) = (&self.exact.rows, self.exact.metric);
        check_dim(rows.dim(), query)?;
        let Some(probe) = Probe::plan(&self.lists, k, params, filter) else {
            return flat::exact_or_left(rows, metric, query, k, params, filter);
        };
        let refined = params.refined_for(k, usize::MAX, self.refine, S::UNASKED).min(rows.len());
        let mut candidates = TopK::new(refined.max(probe.wanted));
        let prepared = self.store.query(query, params);
        let (mut positions, mut distances) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        let mut compared = 0;
        for (read, list) in self.lists.by_distance(metric, query).into_iter().enumerate() {
            if probe.is_done(read, candidates.len(), compared) {
                break;
            }
            if is_cold {
                self.store.fetch(self.lists.positions(list));
            }
            let scratch = (&mut positions, &mut distances);
            compared += self.read_list(&prepared, list, filter, scratch, &mut candidates);
        }
        let (centroids, refined) = (self.lists.len(), candidates.len());
        let hits = self.refined(query, candidates, probe.wanted, is_cold, &mut distances).into_hits();
        let mut stats = SearchStats::new(Strategy::Lists, centroids + compared + refined);
        (stats.coded, stats.centroids) = (compared, centroids);
        (stats.effort, stats.refined) = (Some(probe.nprobe), refined);
        Ok(SearchOutcome { hits, stats })
    }

    /// Pages that a search came by, about: lists are read from front to back, candidates here and there.
    fn touched(&self, stats: &SearchStats) -> usize {
        match stats.strategy {
            Strategy::Lists => pages_of(stats.coded, self.store.row_bytes()) + stats.refined,
            _ => pages_of(stats.distances, self.exact.rows.row_bytes()),
        }
    }

    /// Compares the codes of the matching rows of one list.
    fn read_list(
        &self,
        query: &S::Query<'_>,
        list: u32,
        filter: Option<&Bitmap>,
        (positions, distances): (&mut Vec<u32>, &mut Vec<f32>),
        top: &mut TopK,
    ) -> usize {
        let (members, all) = (self.lists.members(), self.lists.positions(list));
        let mut compared = 0;
        for start in all.clone().step_by(BLOCK) {
            positions.clear();
            positions.extend((start..all.end.min(start + BLOCK as u32)).filter(|position| {
                filter.is_none_or(|filter| filter.get(members[*position as usize] as usize))
            }));
            self.store.distances(query, list, positions, distances);
            compared += positions.len();
            for (&position, &distance) in positions.iter().zip(distances.iter()) {
                top.push(distance, members[position as usize]);
            }
        }
        compared
    }

    /// The nearest `wanted` of the candidates by exact distance.
    fn refined(
        &self,
        query: &[f32],
        candidates: TopK,
        wanted: usize,
        is_cold: bool,
        distances: &mut Vec<f32>,
    ) -> TopK {
        let ids: Vec<u32> = candidates.into_hits().into_iter().map(|hit| hit.row).collect();
        if is_cold {
            self.exact.fetch(&ids);
        }
        self.exact.many(&self.exact.query(query), &ids, distances);
        let mut top = TopK::new(wanted);
        ids.iter().zip(distances.iter()).for_each(|(&row, &distance)| top.push(distance, row));
        top
    }
}

impl<S: Coding> VectorIndex for IvfCoded<S> {
    fn kind(&self) -> IndexKind {
        S::KIND
    }

    fn spec(&self) -> IndexSpec {
        self.store.spec(self.lists.len(), self.refine, self.seed)
    }

    fn metric(&self) -> Metric {
        self.exact.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.exact.rows
    }

    fn memory_bytes(&self) -> usize {
        self.exact.memory_bytes() + self.lists.memory_bytes() + self.store.memory_bytes()
    }

    fn code_bytes(&self) -> usize {
        self.store.row_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        if self.store.is_mapped() {
            let find = |is_cold| self.find(query, k, params, filter, is_cold);
            self.cold.watch(find, |found| found.as_ref().map_or(0, |outcome| self.touched(&outcome.stats)))
        } else {
            self.find(query, k, params, filter, false)
        }
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(out, S::KIND)?;
        write_rows_header(&mut writer, self.exact.metric, &self.exact.rows)?;
        writer.u64(self.lists.len() as u64)?;
        writer.u64(self.seed)?;
        writer.u32(self.refine as u32)?;
        self.exact.write(&mut writer)?;
        self.lists.write(&mut writer)?;
        self.store.write(&mut writer)?;
        writer.finish()
    }
}

impl<S: Coding> std::fmt::Debug for IvfCoded<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?}, {:?}, {:?})", S::KIND.name(), self.exact.metric, self.exact.rows, self.spec())
    }
}
