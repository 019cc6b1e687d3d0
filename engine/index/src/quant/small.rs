//! SQ4 and SQ6: four or six bits a dimension, with an offset and a step of each row's own, after a random rotation.
//!
//! A rotated vector has no outstanding dimensions: its values lie around zero like a bell, so one step fits all. Four bits
//! leave the rare outermost values out of the range: a finer step for the many is worth more.
//! ```text
//! code row   packed codes | step f32 | low f32          y ~ low + step * code
//! ```
//! A query becomes signed bytes, `p ~ p_step * f`, so that `p.y` is one integer sum over the packed codes.

use super::Unasked;
use super::linear::Coder;
use super::signed::Signed;
use crate::container::{Reader, Writer};
use crate::{Result, SearchParams};
use vecraft_kernel::{Kernels, SMALL_CODES_BLOCK, SmallCodes};

/// Step and low at the end of a code.
const TAIL: usize = 8;
/// Half the range of four bits, in standard deviations of a row's values.
const FOUR_REACH: f32 = 2.75;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct SmallSq<const SIX: bool> {
    dim: usize,
    kernels: &'static Kernels,
}

/// Four bits a dimension.
pub(crate) type Sq4 = SmallSq<false>;
/// Six bits a dimension.
pub(crate) type Sq6 = SmallSq<true>;

/// A query made ready: `product = step * codes' sum + low * factors' sum`, both in units of the query.
#[derive(Debug)]
pub(crate) struct SmallQuery {
    /// Whole blocks; zero where there is no dimension.
    factors: Vec<i8>,
    step: f32,
    sum: f32,
}

impl<const SIX: bool> SmallSq<SIX> {
    const CODES: SmallCodes = if SIX { SmallCodes::Six } else { SmallCodes::Four };

    pub(crate) fn new(dim: usize) -> Self {
        SmallSq { dim, kernels: Kernels::active() }
    }

    /// Low and high end of what is coded.
    fn range(y: &[f32]) -> (f32, f32) {
        let low = y.iter().copied().fold(f32::INFINITY, f32::min);
        let high = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if SIX {
            return (low, high);
        }
        let squared: f64 = y.iter().map(|y| f64::from(*y).powi(2)).sum();
        let reach = (squared / y.len() as f64).sqrt() as f32 * FOUR_REACH;
        (low.max(-reach), high.min(reach))
    }
}

#[inline(always)]
fn split(row: &[u8]) -> (&[u8], f32, f32) {
    let (codes, tail) = row.split_at(row.len() - TAIL);
    let number = |at: usize| f32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    (codes, number(0), number(4))
}

impl SmallQuery {
    #[inline(always)]
    fn product(&self, sum: i32, step: f32, low: f32) -> f32 {
        step * (self.step * sum as f32) + low * self.sum
    }
}

impl<const SIX: bool> Coder for SmallSq<SIX> {
    type Query = SmallQuery;

    const UNASKED: Unasked =
        if SIX { Unasked { times: 2, least: 20 } } else { Unasked { times: 4, least: 40 } };

    fn code_bytes(&self) -> usize {
        Self::CODES.row_bytes(self.dim) + TAIL
    }

    fn encode(&self, y: &mut [f32], out: &mut [u8]) -> f32 {
        let (low, high) = Self::range(y);
        let largest = f32::from(Self::CODES.largest());
        // Halves, so that the range of extreme values is still a number.
        let step = (high / largest - low / largest).max(0.0);
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let codes: Vec<u8> =
            y.iter().map(|y| ((y - low) * inverse + 0.5).clamp(0.0, largest) as u8).collect();
        let mut squared = 0.0f64;
        for (y, code) in y.iter_mut().zip(&codes) {
            *y = low + step * f32::from(*code);
            squared += f64::from(*y).powi(2);
        }
        let (packed, tail) = out.split_at_mut(out.len() - TAIL);
        Self::CODES.pack(&codes, packed);
        tail[..4].copy_from_slice(&step.to_le_bytes());
        tail[4..].copy_from_slice(&low.to_le_bytes());
        squared as f32
    }

    fn query(&self, p: &[f32], times: f32, _params: &SearchParams) -> SmallQuery {
        let Signed { mut factors, step, sum } = Signed::of(p);
        factors.resize(p.len().next_multiple_of(SMALL_CODES_BLOCK), 0);
        let step = step * times;
        SmallQuery { factors, step, sum: step * sum as f32 }
    }

    #[inline(always)]
    fn product(&self, query: &SmallQuery, codes: &[u8]) -> f32 {
        let (codes, step, low) = split(codes);
        query.product(self.kernels.dot_small_codes(Self::CODES, &query.factors, codes), step, low)
    }

    #[inline(always)]
    fn products(&self, query: &SmallQuery, rows: [&[u8]; 4]) -> [f32; 4] {
        let rows = rows.map(split);
        let codes = rows.map(|(codes, _, _)| codes);
        let sums = self.kernels.dot_small_codes4(Self::CODES, &query.factors, codes);
        std::array::from_fn(|i| query.product(sums[i], rows[i].1, rows[i].2))
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn write(&self, _writer: &mut Writer<'_>) -> Result<()> {
        Ok(())
    }

    fn read(_reader: &mut Reader<'_>, dim: usize) -> Result<Self> {
        Ok(SmallSq::new(dim))
    }
}
