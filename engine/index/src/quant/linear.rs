//! Distances from approximate dot products: the algebra that PQ, SQ4, SQ6 and RaBitQ share.
//!
//! All is relative to the mean `m` of the rows (COSINE: of unit vectors), and, in lists, to the mean of the list:
//! ```text
//! x = m + c + y        c  the list's centre, 0 outside lists;  y  what is coded, ŷ what its code stands for
//! q = m + p
//! L2   |q - x|^2 = |p - c|^2 + (|y|^2 + 2 c.y) - 2 p.y
//! IP   -q.x      = -p.c      - m.(c + y)       -   p.y     - q.m
//!                  base        own, per row        by code   the same for all rows: left out
//! ```
//! COSINE is L2 of unit vectors.
//! `p.ŷ` is linear in `p`, so a query is made ready once, not once a list. `own` is 4 bytes at the end of a code row.
//! All vectors but the means may be rotated, which changes no product.

use super::{Frame, Quantizer, Unasked};
use crate::container::{Reader, Writer};
use crate::{Result, SearchParams, VectorRows};
use vecraft_kernel::{Kernels, inverse_norm};
use vecraft_types::Metric;

/// `own` at the end of a row.
const TAIL: usize = 4;

/// How centred vectors become codes that give dot products.
pub(crate) trait Coder: Send + Sync + Sized + 'static {
    /// A query made ready.
    type Query: Send;

    /// See [`Quantizer::UNASKED`].
    const UNASKED: Unasked;

    /// Bytes of a code.
    fn code_bytes(&self) -> usize;

    /// Codes `y` into `out` and leaves in `y` what the code stands for. Returns the squared length it counts with.
    fn encode(&self, y: &mut [f32], out: &mut [u8]) -> f32;

    /// Makes a query ready for products with `times * p`.
    fn query(&self, p: &[f32], times: f32, params: &SearchParams) -> Self::Query;

    /// The product of one code.
    fn product(&self, query: &Self::Query, codes: &[u8]) -> f32;

    /// Products of four codes, bit for bit those of [`Coder::product`].
    fn products(&self, query: &Self::Query, rows: [&[u8]; 4]) -> [f32; 4];

    fn memory_bytes(&self) -> usize;

    fn write(&self, writer: &mut Writer<'_>) -> Result<()>;

    /// Reads what [`Coder::write`] wrote, for vectors of `dim` values.
    fn read(reader: &mut Reader<'_>, dim: usize) -> Result<Self>;
}

/// A coder in its frame.
#[derive(Clone, Debug)]
pub(crate) struct Linear<C> {
    frame: Frame,
    pub(crate) coder: C,
    kernels: &'static Kernels,
}

/// A query made ready: `p`, and what the coder made of it.
#[derive(Debug)]
pub(crate) struct LinearQuery<Q> {
    placed: Vec<f32>,
    pub(crate) coded: Q,
}

impl<C: Coder> Linear<C> {
    pub(crate) fn new(frame: Frame, coder: C) -> Linear<C> {
        Linear { frame, coder, kernels: Kernels::active() }
    }
}

/// Codes and `own` of a row.
#[inline(always)]
pub(crate) fn split(row: &[u8]) -> (&[u8], f32) {
    let (codes, own) = row.split_at(row.len() - TAIL);
    (codes, f32::from_le_bytes([own[0], own[1], own[2], own[3]]))
}

/// NaN, from rows that leave the range of f32, counts as infinitely far.
#[inline(always)]
fn finite(distance: f32) -> f32 {
    distance.min(f32::INFINITY)
}

impl<C: Coder> Quantizer for Linear<C> {
    type Query<'q> = LinearQuery<C::Query>;

    const UNASKED: Unasked = C::UNASKED;

    const IS_CENTRED: bool = true;

    fn row_bytes(&self) -> usize {
        self.coder.code_bytes() + TAIL
    }

    fn centre(&self, mean: &[f32]) -> Vec<f32> {
        self.frame.place(mean, 1.0)
    }

    fn encode(&self, values: &[f32], weight: f32, centre: &[f32], out: &mut [u8]) {
        let mut y = self.frame.place(values, weight);
        let by_mean = self.kernels.dot(self.frame.rotated_mean(), &y);
        y.iter_mut().zip(centre).for_each(|(y, c)| *y -= c);
        let (codes, tail) = out.split_at_mut(self.coder.code_bytes());
        let squared = self.coder.encode(&mut y, codes);
        let own = match self.frame.is_l2() {
            true if centre.is_empty() => squared,
            true => squared + 2.0 * self.kernels.dot(centre, &y),
            false => -by_mean,
        };
        tail.copy_from_slice(&own.to_le_bytes());
    }

    fn query<'q>(&self, values: &[f32], params: &SearchParams) -> Self::Query<'q> {
        let weight = if self.frame.metric() == Metric::Cosine { inverse_norm(values) } else { 1.0 };
        let placed = self.frame.place(values, weight);
        let coded = self.coder.query(&placed, self.frame.times(), params);
        LinearQuery { placed, coded }
    }

    fn base(&self, query: &Self::Query<'_>, centre: &[f32]) -> f32 {
        match self.frame.is_l2() {
            true => self.kernels.l2_squared(&query.placed, centre),
            false => -self.kernels.dot(&query.placed, centre),
        }
    }

    #[inline(always)]
    fn one(&self, query: &Self::Query<'_>, codes: &[u8]) -> f32 {
        let (codes, own) = split(codes);
        finite(own + self.coder.product(&query.coded, codes))
    }

    #[inline(always)]
    fn four(&self, query: &Self::Query<'_>, rows: [&[u8]; 4]) -> [f32; 4] {
        let rows = rows.map(split);
        let products = self.coder.products(&query.coded, rows.map(|(codes, _)| codes));
        std::array::from_fn(|i| finite(rows[i].1 + products[i]))
    }

    fn memory_bytes(&self) -> usize {
        self.frame.memory_bytes() + self.coder.memory_bytes()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.frame.write(writer)?;
        self.coder.write(writer)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Self> {
        let frame = Frame::read(reader, metric, rows)?;
        Ok(Linear::new(frame, C::read(reader, rows.dim())?))
    }
}
