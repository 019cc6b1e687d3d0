//! Distances between a query and rows, and among rows, with the norms COSINE needs kept at hand.

use crate::distances::{Distances, RowDistances};
use crate::{Rows, VectorRows, container};
use rayon::prelude::*;
use vecraft_kernel::Query;
use vecraft_types::Metric;

/// Rows with their inverse norms (4 bytes a row, COSINE only).
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    pub(crate) metric: Metric,
    pub(crate) rows: VectorRows,
    inverse_norms: Vec<f32>,
}

impl Scorer {
    /// Reads every row once if the metric needs norms.
    pub(crate) fn new(metric: Metric, rows: VectorRows) -> Scorer {
        let inverse_norms = match metric {
            Metric::Cosine => {
                (0..rows.len() as u32).into_par_iter().map(|row| rows.inverse_norm(row)).collect()
            }
            _ => Vec::new(),
        };
        Scorer { metric, rows, inverse_norms }
    }

    /// The same rows and some behind them; only those are read.
    pub(crate) fn grown(&self, rows: VectorRows) -> Scorer {
        let mut inverse_norms = self.inverse_norms.clone();
        if self.metric == Metric::Cosine {
            inverse_norms
                .extend((self.rows.len() as u32..rows.len() as u32).map(|row| rows.inverse_norm(row)));
        }
        Scorer { metric: self.metric, rows, inverse_norms }
    }

    /// Writes the norms, so that opening does not read every row.
    pub(crate) fn write(&self, writer: &mut container::Writer<'_>) -> crate::Result<()> {
        writer.slice(&self.inverse_norms)
    }

    /// Reads what [`Scorer::write`] wrote.
    pub(crate) fn read(
        reader: &mut container::Reader<'_>,
        metric: Metric,
        rows: VectorRows,
    ) -> crate::Result<Scorer> {
        let len = if metric == Metric::Cosine { rows.len() } else { 0 };
        let inverse_norms = reader.slice(len, "norms")?;
        Ok(Scorer { metric, rows, inverse_norms })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.inverse_norms.as_slice())
    }

    #[inline(always)]
    fn inverse_norm(&self, row: u32) -> f32 {
        self.inverse_norms.get(row as usize).copied().unwrap_or(0.0)
    }

    /// A query of raw values made ready for these rows.
    pub(crate) fn query<'q>(&self, values: &'q [f32]) -> Query<'q> {
        Rows::query(&self.rows, self.metric, values)
    }

    /// What a row counts in a mean: COSINE takes the mean of unit vectors.
    pub(crate) fn weight(&self, row: u32) -> f32 {
        if self.metric == Metric::Cosine { self.inverse_norm(row) } else { 1.0 }
    }

    /// The mean of some rows (COSINE: of unit vectors); zero for none.
    pub(crate) fn mean(&self, rows: &[u32]) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.rows.dim()];
        for &row in rows {
            let weight = f64::from(self.weight(row));
            sums.iter_mut().zip(&*self.rows.values(row)).for_each(|(sum, x)| *sum += f64::from(*x) * weight);
        }
        let count = rows.len().max(1) as f64;
        sums.into_iter().map(|sum| (sum / count) as f32).collect()
    }
}

impl Distances for Scorer {
    type Query<'q> = Query<'q>;

    fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    fn one(&self, query: &Query<'_>, row: u32) -> f32 {
        let inverse_norm = self.inverse_norm(row);
        match self.rows.packed() {
            None => query.distance_normed(self.rows.row(row), inverse_norm),
            Some(kind) => query.distance_packed_normed(kind, self.rows.bytes(row), inverse_norm),
        }
    }

    #[inline]
    fn four(&self, query: &Query<'_>, ids: [u32; 4]) -> [f32; 4] {
        if self.rows.packed().is_some() {
            return ids.map(|id| self.one(query, id));
        }
        query.distance_normed4(ids.map(|id| self.rows.row(id)), ids.map(|id| self.inverse_norm(id)))
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.rows.prefetch(row);
    }

    fn fetch(&self, ids: &[u32]) {
        self.rows.fetch(ids);
    }
}

impl RowDistances for Scorer {
    #[inline]
    fn row_query(&self, row: u32) -> Query<'_> {
        match self.rows.packed() {
            None => Query::of_row(self.metric, self.rows.row(row), self.inverse_norm(row)),
            Some(kind) => Query::over_packed(self.metric, kind, self.rows.values(row)),
        }
    }

    fn is_twin(&self, _query: &Query<'_>, distance: f32, _row: u32) -> bool {
        match self.metric {
            Metric::L2 => distance == 0.0,
            Metric::Cosine => distance <= -1.0 + 4.0 * f32::EPSILON,
            _ => false,
        }
    }
}
