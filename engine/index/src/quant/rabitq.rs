//! RaBitQ: one bit a dimension, the sign of the rotated difference from the centre.
//!
//! `y` is estimated by `f * s`, of signs `s` and `f = |y|^2 / sum |y_i|`: of all multiples of the signs the one whose
//! product with a random direction is right on average. Lengths are exact, products are estimates, whose error falls
//! with the root of the dimension; below some 128 dimensions there is little left to go by.
//! ```text
//! code row   bits, whole words | f f32
//! p.y        f * (2 * sum of p where the bit is set - sum of p)
//! ```
//! The query is f32, or (`rbq_query_bits`) whole numbers of 1 to 8 bits, in planes of bits, so that the sum is a count.

use super::Unasked;
use super::linear::Coder;
use crate::container::{Reader, Writer};
use crate::{Result, SearchParams};
use vecraft_kernel::Kernels;

/// `f` at the end of a code.
const TAIL: usize = 4;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Rabitq {
    dim: usize,
    kernels: &'static Kernels,
}

/// A query made ready. Dimensions are padded with zeros to whole words.
#[derive(Debug)]
pub(crate) enum RabitqQuery {
    /// As it is.
    Exact { values: Vec<f32>, total: f32 },
    /// `p ~ low + step * number`; plane `b` has bit `b` of all numbers.
    Planes { planes: Vec<u8>, low: f32, step: f32, total: f32 },
}

impl Rabitq {
    pub(crate) fn new(dim: usize) -> Rabitq {
        Rabitq { dim, kernels: Kernels::active() }
    }

    fn bits_bytes(&self) -> usize {
        self.dim.div_ceil(64) * 8
    }

    fn planes(&self, p: &[f32], times: f32, bits: usize) -> RabitqQuery {
        let least = p.iter().copied().fold(f32::INFINITY, f32::min);
        let most = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let largest = ((1u32 << bits) - 1) as f32;
        let step = (most / largest - least / largest).max(0.0);
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let bytes = self.bits_bytes();
        let mut planes = vec![0u8; bits * bytes];
        let mut sum = 0u32;
        for (i, p) in p.iter().enumerate() {
            let number = ((p - least) * inverse + 0.5).clamp(0.0, largest) as u32;
            sum += number;
            for plane in 0..bits {
                planes[plane * bytes + i / 8] |= ((number >> plane & 1) as u8) << (i % 8);
            }
        }
        let (low, step) = (least * times, step * times);
        RabitqQuery::Planes { planes, low, step, total: low * p.len() as f32 + step * sum as f32 }
    }
}

impl Coder for Rabitq {
    type Query = RabitqQuery;

    const UNASKED: Unasked = Unasked { times: 10, least: 100 };

    fn code_bytes(&self) -> usize {
        self.bits_bytes() + TAIL
    }

    fn encode(&self, y: &mut [f32], out: &mut [u8]) -> f32 {
        let squared: f64 = y.iter().map(|y| f64::from(*y).powi(2)).sum();
        let absolute: f64 = y.iter().map(|y| f64::from(y.abs())).sum();
        let factor = if absolute > 0.0 { (squared / absolute) as f32 } else { 0.0 };
        let (bits, tail) = out.split_at_mut(out.len() - TAIL);
        bits.fill(0);
        for (i, y) in y.iter_mut().enumerate() {
            let is_positive = *y > 0.0;
            bits[i / 8] |= u8::from(is_positive) << (i % 8);
            *y = if is_positive { factor } else { -factor };
        }
        tail.copy_from_slice(&factor.to_le_bytes());
        squared as f32
    }

    fn query(&self, p: &[f32], times: f32, params: &SearchParams) -> RabitqQuery {
        match params.rbq_query_bits.unwrap_or(0).min(8) {
            0 => {
                let mut values: Vec<f32> = p.iter().map(|p| p * times).collect();
                let total = values.iter().sum();
                values.resize(self.bits_bytes() * 8, 0.0);
                RabitqQuery::Exact { values, total }
            }
            bits => self.planes(p, times, bits),
        }
    }

    #[inline(always)]
    fn product(&self, query: &RabitqQuery, codes: &[u8]) -> f32 {
        let (bits, tail) = codes.split_at(codes.len() - TAIL);
        let factor = f32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let (set, total) = match query {
            RabitqQuery::Exact { values, total } => (self.kernels.masked_sum(values, bits), *total),
            RabitqQuery::Planes { planes, low, step, total } => {
                let (weighted, ones) = self.kernels.weighted_bits(planes, bits);
                (low * ones as f32 + step * weighted as f32, *total)
            }
        };
        factor * (2.0 * set - total)
    }

    #[inline(always)]
    fn products(&self, query: &RabitqQuery, rows: [&[u8]; 4]) -> [f32; 4] {
        rows.map(|row| self.product(query, row))
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn write(&self, _writer: &mut Writer<'_>) -> Result<()> {
        Ok(())
    }

    fn read(_reader: &mut Reader<'_>, dim: usize) -> Result<Self> {
        Ok(Rabitq::new(dim))
    }
}
