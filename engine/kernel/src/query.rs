//! One query against many rows.

use crate::norm::inverse_norm_of;
use crate::score::{from_cosine, from_dot, from_l2};
use crate::{Kernels, PackedQuery, inverse_norm, prefetch_row, widened};
use std::borrow::Cow;
use vecraft_types::{Metric, Packed};

/// Rows asked for ahead of the one being computed; measured best between 4 and 8 out of cache.
const AHEAD: usize = 6;

/// A query made ready: for COSINE it is normalised once. All results are internal distances (smaller is nearer).
/// Metrics of bits (HAMMING, JACCARD) say nothing of floats: by them every row is infinitely far.
#[derive(Clone, Debug)]
pub struct Query<'q> {
    metric: Metric,
    values: Cow<'q, [f32]>,
    /// COSINE: what `values` must still be multiplied by to have length 1.
    scale: f32,
    kernels: &'static Kernels,
    /// For rows of packed vectors: the same query made ready for them.
    packed: Option<PackedQuery>,
}

impl<'q> Query<'q> {
    /// Prepares a query for the process's kernels.
    pub fn new(metric: Metric, values: &'q [f32]) -> Self {
        Self::with_kernels(metric, values, Kernels::active())
    }

    /// Prepares a query for a given instruction set (tests compare them).
    pub fn with_kernels(metric: Metric, values: &'q [f32], kernels: &'static Kernels) -> Self {
        let values = match metric {
            Metric::L2 | Metric::Ip | Metric::Hamming | Metric::Jaccard => Cow::Borrowed(values),
            Metric::Cosine => {
                let inverse = inverse_norm(values);
                Cow::Owned(values.iter().map(|x| x * inverse).collect())
            }
        };
        Query { metric, values, scale: 1.0, kernels, packed: None }
    }

    /// Prepares a query for rows of packed vectors of this kind ([`Query::distance_packed`]).
    pub fn over_packed(metric: Metric, kind: Packed, values: Cow<'q, [f32]>) -> Self {
        let packed = PackedQuery::of_values(metric, kind, &values);
        Query { metric, values, scale: 1.0, kernels: Kernels::active(), packed }
    }

    /// A stored row as the query, with its [`inverse_norm`] (used by COSINE only): borrows where
    /// [`Query::new`] would copy. For builds, which compare rows with rows; rounding differs slightly.
    pub fn of_row(metric: Metric, row: &'q [f32], inverse_norm: f32) -> Self {
        Query {
            metric,
            values: Cow::Borrowed(row),
            scale: inverse_norm,
            kernels: Kernels::active(),
            packed: None,
        }
    }

    /// The metric asked for.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.values.len()
    }

    /// Distance to one raw row. Panics if the dimensions differ.
    #[inline]
    pub fn distance(&self, row: &[f32]) -> f32 {
        match self.metric {
            Metric::L2 => from_l2(self.kernels.l2_squared(&self.values, row)),
            Metric::Ip => from_dot(self.kernels.dot(&self.values, row)),
            Metric::Cosine => {
                let (dot, norm_squared) = self.kernels.dot_and_norm(&self.values, row);
                from_cosine(dot * (self.scale * inverse_norm_of(norm_squared, || row)))
            }
            Metric::Hamming | Metric::Jaccard => f32::INFINITY,
        }
    }

    /// [`Query::distance`] for four rows at once, bit for bit the same. Panics if dimensions differ.
    #[inline]
    pub fn distance4(&self, rows: [&[f32]; 4]) -> [f32; 4] {
        match self.metric {
            Metric::L2 => self.kernels.l2_squared4(&self.values, rows).map(from_l2),
            Metric::Ip => self.kernels.dot4(&self.values, rows).map(from_dot),
            Metric::Cosine => {
                let dots = self.kernels.dot4(&self.values, rows);
                std::array::from_fn(|i| {
                    let norm_squared = self.kernels.dot(rows[i], rows[i]);
                    from_cosine(dots[i] * (self.scale * inverse_norm_of(norm_squared, || rows[i])))
                })
            }
            Metric::Hamming | Metric::Jaccard => [f32::INFINITY; 4],
        }
    }

    /// Distance to one raw row whose [`inverse_norm`] is known (used by COSINE only); equals
    /// [`Query::distance`] bit for bit. Panics if the dimensions differ.
    #[inline]
    pub fn distance_normed(&self, row: &[f32], inverse_norm: f32) -> f32 {
        match self.metric {
            Metric::L2 => from_l2(self.kernels.l2_squared(&self.values, row)),
            Metric::Ip => from_dot(self.kernels.dot(&self.values, row)),
            Metric::Cosine => from_cosine(self.kernels.dot(&self.values, row) * (self.scale * inverse_norm)),
            Metric::Hamming | Metric::Jaccard => f32::INFINITY,
        }
    }

    /// [`Query::distance_normed`] for four rows at once, bit for bit the same. Panics if dimensions differ.
    #[inline]
    pub fn distance_normed4(&self, rows: [&[f32]; 4], inverse_norms: [f32; 4]) -> [f32; 4] {
        match self.metric {
            Metric::L2 => self.kernels.l2_squared4(&self.values, rows).map(from_l2),
            Metric::Ip => self.kernels.dot4(&self.values, rows).map(from_dot),
            Metric::Cosine => {
                let dots = self.kernels.dot4(&self.values, rows);
                std::array::from_fn(|i| from_cosine(dots[i] * (self.scale * inverse_norms[i])))
            }
            Metric::Hamming | Metric::Jaccard => [f32::INFINITY; 4],
        }
    }

    /// Distance to one packed row: quick when the query was made for such rows ([`Query::over_packed`]), else by
    /// widening the row. Panics if the dimensions differ.
    #[inline]
    pub fn distance_packed(&self, kind: Packed, row: &[u8]) -> f32 {
        match &self.packed {
            Some(query) => query.distance(row),
            None => self.distance(&widened(kind, row)),
        }
    }

    /// [`Query::distance_packed`] when the row's [`packed_inverse_norm`](crate::packed_inverse_norm) is known.
    #[inline]
    pub fn distance_packed_normed(&self, kind: Packed, row: &[u8], inverse_norm: f32) -> f32 {
        match &self.packed {
            Some(query) => query.distance_normed(row, inverse_norm),
            None => self.distance_normed(&widened(kind, row), inverse_norm),
        }
    }

    /// Distances to contiguous rows: `out[i]` belongs to `rows[i * dim ..]`. Panics unless
    /// `rows.len() == out.len() * dim`.
    pub fn batch(&self, rows: &[f32], out: &mut [f32]) {
        let dim = self.dim();
        assert_eq!(rows.len(), out.len() * dim, "rows and results differ in number");
        if dim == 0 {
            return out.fill(0.0);
        }
        let mut rows = rows.chunks_exact(dim);
        let mut groups = out.chunks_exact_mut(4);
        for group in &mut groups {
            if let (Some(a), Some(b), Some(c), Some(d)) = (rows.next(), rows.next(), rows.next(), rows.next())
            {
                group.copy_from_slice(&self.distance4([a, b, c, d]));
            }
        }
        for (slot, row) in groups.into_remainder().iter_mut().zip(rows) {
            *slot = self.distance(row);
        }
    }

    /// Distances to chosen rows of a contiguous block: `out[i]` belongs to row `ids[i]`, later ones prefetched.
    /// Panics if an id is outside `rows` or if `ids` and `out` differ in length.
    pub fn batch_ids(&self, rows: &[f32], ids: &[u32], out: &mut [f32]) {
        assert_eq!(ids.len(), out.len(), "ids and results differ in number");
        let dim = self.dim();
        let row = |id: u32| &rows[id as usize * dim..][..dim];
        ids.iter().take(AHEAD).for_each(|id| prefetch_row(row(*id)));
        for (i, slot) in out.iter_mut().enumerate() {
            if let Some(next) = ids.get(i + AHEAD) {
                prefetch_row(row(*next));
            }
            *slot = self.distance(row(ids[i]));
        }
    }
}
