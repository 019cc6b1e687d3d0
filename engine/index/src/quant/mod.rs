//! Vectors as codes of fewer bytes: what a graph is walked by, before exact distances are taken from the rows.
//!
//! A [`Quantizer`] says what codes mean; [`Codes`] holds those of all rows. A quantizer learns from the rows in a
//! fixed order and without chance, so the same rows give the same codes.

mod codes;
mod fit;
mod sq8;
#[cfg(test)]
mod tests;

pub(crate) use codes::Codes;
pub(crate) use fit::fits;
pub(crate) use sq8::Sq8;

use crate::container::{Reader, Writer};
use crate::scorer::Scorer;
use crate::{Result, VectorRows};
use vecraft_types::Metric;

/// How vectors become codes and how far a query is from a code row.
///
/// Distances are approximations on the scale of the internal distance: good for choosing candidates, not for
/// answers. They are never NaN.
pub(crate) trait Quantizer: Send + Sync + Sized {
    /// A query made ready, or a code row in its place.
    type Query<'q>
    where
        Self: 'q;

    /// Learns from the rows.
    fn train(scorer: &Scorer) -> Self;

    /// Bytes of a code row.
    fn row_bytes(&self) -> usize;

    /// Codes one row of raw values, which count `weight` times; `out` has [`Quantizer::row_bytes`].
    fn encode(&self, values: &[f32], weight: f32, out: &mut [u8]);

    /// A query of raw values made ready.
    fn query<'q>(&self, values: &[f32]) -> Self::Query<'q>;

    /// A code row as the query.
    fn row_query<'q>(&self, codes: &'q [u8]) -> Self::Query<'q>;

    /// Distance of one code row.
    fn one(&self, query: &Self::Query<'_>, codes: &[u8]) -> f32;

    /// Distances of four code rows, bit for bit those of [`Quantizer::one`].
    fn four(&self, query: &Self::Query<'_>, rows: [&[u8]; 4]) -> [f32; 4];

    /// True if a code row equals the one that `query` stands for.
    fn is_twin(&self, query: &Self::Query<'_>, codes: &[u8]) -> bool;

    /// Bytes held beside the code rows.
    fn memory_bytes(&self) -> usize;

    /// Writes what was learned.
    fn write(&self, writer: &mut Writer<'_>) -> Result<()>;

    /// Reads what [`Quantizer::write`] wrote.
    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Self>;
}
