//! What a graph is walked and built by: distances to rows, exact or from codes.

use crate::scan;

/// Distances between queries and rows, and among rows. Static dispatch: these calls are the inner loop.
///
/// Contract: never NaN; the same query and row give the same distance, alone or among others.
pub(crate) trait Distances: Send + Sync {
    /// A query made ready, or a stored row in its place.
    type Query<'q>
    where
        Self: 'q;

    /// Rows whose memory is asked for before they are read.
    const AHEAD: usize = scan::AHEAD;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Distance of one row.
    fn one(&self, query: &Self::Query<'_>, row: u32) -> f32;

    /// Distances of four rows.
    fn four(&self, query: &Self::Query<'_>, ids: [u32; 4]) -> [f32; 4];

    /// Hints that a row will be read soon.
    fn prefetch(&self, row: u32);

    /// Asks for the pages of `ids` that are in mapped files, for rows that are probably not in memory.
    fn fetch(&self, ids: &[u32]);

    /// Distances of `ids` into `out` (cleared first), rows ahead prefetched.
    #[inline]
    fn many(&self, query: &Self::Query<'_>, ids: &[u32], out: &mut Vec<f32>) {
        out.clear();
        ids.iter().take(Self::AHEAD).for_each(|&id| self.prefetch(id));
        let (groups, rest) = ids.as_chunks::<4>();
        for (i, group) in groups.iter().enumerate() {
            ids.iter().skip(i * 4 + Self::AHEAD).take(4).for_each(|&id| self.prefetch(id));
            out.extend(self.four(query, *group));
        }
        out.extend(rest.iter().map(|&id| self.one(query, id)));
    }

    /// [`Distances::many`] of rows that are probably not in memory, if `is_cold`: their pages are asked for first.
    #[inline]
    fn many_of_maybe_cold(&self, query: &Self::Query<'_>, ids: &[u32], out: &mut Vec<f32>, is_cold: bool) {
        if is_cold {
            self.fetch(ids);
        }
        self.many(query, ids, out);
    }
}

/// Distances among the rows themselves: what a graph is built by.
pub(crate) trait RowDistances: Distances {
    /// A stored row as the query.
    fn row_query(&self, row: u32) -> Self::Query<'_>;

    /// True if a row, at `distance` from the stored row that `query` stands for, is as good as equal to it.
    fn is_twin(&self, query: &Self::Query<'_>, distance: f32, row: u32) -> bool;
}
