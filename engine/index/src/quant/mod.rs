//! Vectors as codes of fewer bytes: what a graph is walked by and lists are read by, before exact distances are taken
//! from the rows.
//!
//! A [`Quantizer`] says what codes mean; [`Codes`] holds those of all rows. A quantizer learns from the rows in a
//! fixed order and without chance, so the same rows give the same codes.

mod adc;
mod codes;
mod fit;
mod frame;
mod half;
mod linear;
mod pq;
mod rabitq;
mod rotation;
mod signed;
mod small;
mod sq8;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_linear;

pub(crate) use codes::{Codes, Layout};
pub(crate) use fit::fits;
pub(crate) use frame::Frame;
pub(crate) use half::{Bf16, Fp16};
pub(crate) use linear::{Linear, LinearQuery, split};
pub(crate) use pq::Pq;
pub(crate) use rabitq::Rabitq;
pub(crate) use rotation::Rotation;
pub(crate) use small::{Sq4, Sq6};
pub(crate) use sq8::Sq8;

use crate::container::{Reader, Writer};
use crate::{Result, SearchParams, VectorRows};
use vecraft_types::Metric;

/// Candidates whose exact distance is taken when the user does not say: a multiple of the limit, and at least so many.
/// The coarser the codes, the more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unasked {
    pub(crate) times: usize,
    pub(crate) least: usize,
}

/// How vectors become codes and how far a query is from a code row.
///
/// Distances are approximations that order rows as the internal distance does, on any scale: good for choosing
/// candidates, not for answers. They are never NaN.
pub(crate) trait Quantizer: Send + Sync + Sized {
    /// A query made ready, or a code row in its place.
    type Query<'q>
    where
        Self: 'q;

    /// Candidates refined unasked.
    const UNASKED: Unasked;

    /// True if rows of a list are coded relative to the list's mean.
    const IS_CENTRED: bool;

    /// Bytes of a code row.
    fn row_bytes(&self) -> usize;

    /// The mean of a list's rows (COSINE: of unit vectors) made ready to code and compare its rows by. Empty unless
    /// [`Quantizer::IS_CENTRED`].
    fn centre(&self, mean: &[f32]) -> Vec<f32>;

    /// Codes one row of raw values, which count `weight` times, relative to a centre made ready, or to the mean of all
    /// rows when it is empty; `out` has [`Quantizer::row_bytes`].
    fn encode(&self, values: &[f32], weight: f32, centre: &[f32], out: &mut [u8]);

    /// A query of raw values made ready.
    fn query<'q>(&self, values: &[f32], params: &SearchParams) -> Self::Query<'q>;

    /// What is added to the distances of rows coded relative to a centre.
    fn base(&self, query: &Self::Query<'_>, centre: &[f32]) -> f32;

    /// Distance of one code row.
    fn one(&self, query: &Self::Query<'_>, codes: &[u8]) -> f32;

    /// Distances of four code rows, bit for bit those of [`Quantizer::one`].
    fn four(&self, query: &Self::Query<'_>, rows: [&[u8]; 4]) -> [f32; 4];

    /// Bytes held beside the code rows.
    fn memory_bytes(&self) -> usize;

    /// Writes what was learned.
    fn write(&self, writer: &mut Writer<'_>) -> Result<()>;

    /// Reads what [`Quantizer::write`] wrote.
    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Self>;
}

/// Codes that can also be compared with one another, so that a graph can be built by them.
pub(crate) trait RowQuantizer: Quantizer {
    /// A code row as the query.
    fn row_query<'q>(&self, codes: &'q [u8]) -> Self::Query<'q>;

    /// True if a code row equals the one that `query` stands for.
    fn is_twin(&self, query: &Self::Query<'_>, codes: &[u8]) -> bool;
}
