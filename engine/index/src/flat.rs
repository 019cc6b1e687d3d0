//! Exact search: every matching row is compared. Also what growing segments and small segments use.

use crate::container::{Reader, Writer};
use crate::rows_header::{read_rows_header, write_rows_header};
use crate::scan::{matches_within, scan};
use crate::vector_index::check_dim;
use crate::{
    Hit, IndexKind, IndexSpec, Result, Rows, SearchOutcome, SearchParams, SearchStats, Strategy, TopK,
    VectorIndex, VectorRows,
};
use std::io::Write;
use vecraft_types::{Bitmap, Metric};

/// The `k` nearest rows whose filter bit is set (no filter: all), nearest first, equal distances by lower row.
/// Rows past the filter's end do not match. Errors only if the query's dimension is wrong.
pub fn flat_search<R: Rows + ?Sized>(
    rows: &R,
    metric: Metric,
    query: &[f32],
    k: usize,
    filter: Option<&Bitmap>,
) -> Result<Vec<Hit>> {
    Ok(exact(rows, metric, query, k, filter)?.hits)
}

/// [`flat_search`] with its cost.
pub(crate) fn exact<R: Rows + ?Sized>(
    rows: &R,
    metric: Metric,
    query: &[f32],
    k: usize,
    filter: Option<&Bitmap>,
) -> Result<SearchOutcome> {
    check_dim(rows.dim(), query)?;
    let matches = filter.map_or(rows.len(), |filter| matches_within(filter, rows.len()));
    let mut top = TopK::new(k.min(matches));
    let mut distances = 0;
    if !top.is_full() {
        distances = scan(&rows.query(metric, query), rows, filter, false, &mut top);
    }
    Ok(SearchOutcome { hits: top.into_hits(), stats: SearchStats::new(Strategy::Exact, distances) })
}

/// Whether comparing so many rows of so many bytes is left to the caller.
pub(crate) fn is_left(params: &SearchParams, matches: usize, row_bytes: usize) -> bool {
    params.leaves_above.is_some_and(|most| matches.saturating_mul(row_bytes) > most)
}

/// [`exact`], or nothing but what is left to the caller.
pub(crate) fn exact_or_left<R: Rows + ?Sized>(
    rows: &R,
    metric: Metric,
    query: &[f32],
    k: usize,
    params: &SearchParams,
    filter: Option<&Bitmap>,
) -> Result<SearchOutcome> {
    if params.leaves_above.is_some() && k > 0 {
        check_dim(rows.dim(), query)?;
        let left = filter.map_or(rows.len(), |filter| matches_within(filter, rows.len()));
        if is_left(params, left, rows.row_bytes()) {
            let stats = SearchStats { left, ..SearchStats::new(Strategy::Exact, 0) };
            return Ok(SearchOutcome { hits: Vec::new(), stats });
        }
    }
    exact(rows, metric, query, k, filter)
}

/// Exact search as a [`VectorIndex`]; holds nothing but the rows.
#[derive(Clone, Debug)]
pub struct Flat {
    metric: Metric,
    rows: VectorRows,
}

impl Flat {
    /// An exact index over `rows`.
    pub fn new(metric: Metric, rows: VectorRows) -> Flat {
        Flat { metric, rows }
    }

    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<Flat> {
        let metric = read_rows_header(&mut reader, &rows)?;
        reader.finish()?;
        Ok(Flat { metric, rows })
    }
}

impl VectorIndex for Flat {
    fn kind(&self) -> IndexKind {
        IndexKind::Flat
    }

    fn spec(&self) -> IndexSpec {
        IndexSpec::Flat
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn rows(&self) -> &VectorRows {
        &self.rows
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        exact_or_left(&self.rows, self.metric, query, k, params, filter)
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(out, IndexKind::Flat)?;
        write_rows_header(&mut writer, self.metric, &self.rows)?;
        writer.finish()
    }
}
