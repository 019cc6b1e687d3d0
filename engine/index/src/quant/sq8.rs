//! SQ8: one byte a dimension, with an offset and a step of each row's own.
//!
//! What is coded is `y = x - mean` (COSINE: of unit vectors), over the row's own range: `y ~ low + step * code`. No range
//! has to be learned, and a row of extreme values does not coarsen the others.
//! ```text
//! row      dim codes | step f32 | low f32 | own f32 | sum of codes f32
//! L2       |q - x|^2 = |p|^2 + |y|^2 - 2 p.y       p = q - mean, own = |y|^2 of the decoded row
//! IP       -q.x      = -q.mean - mean.y - p.y      own = -mean.y of the exact row
//! ```
//! A query's `p` becomes signed bytes, `p ~ p_step * f`, so `p.y` is one integer sum: `p_step * (step * sum(f * code) +
//! low * sum(f))`. Both roundings are of values around the mean, where they are smallest. Of two rows, one
//! stands for `p`, its codes less 128; what that takes away comes back through the sum of codes.

use super::signed::Signed;
use super::{Quantizer, RowQuantizer, Unasked};
use crate::container::{Reader, Writer};
use crate::scorer::Scorer;
use crate::{Result, SearchParams, VectorRows};
use vecraft_kernel::{Factors, Kernels, inverse_norm};
use vecraft_types::Metric;

/// Rows the mean is taken of, at most.
const SAMPLE: usize = 1 << 14;

/// Step, low, own and sum at the end of a row.
const TAIL: usize = 16;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Sq8 {
    metric: Metric,
    mean: Vec<f32>,
    mean_squared: f32,
    kernels: &'static Kernels,
}

/// A query made ready: `distance = base + own + step * (scale * sum + codes_scale * codes) + low * low_scale`.
#[derive(Debug)]
pub(crate) struct Sq8Query<'q> {
    factors: Owned<'q>,
    base: f32,
    scale: f32,
    codes_scale: f32,
    low_scale: f32,
}

#[derive(Debug)]
enum Owned<'q> {
    Signed(Vec<i8>),
    /// With its tail.
    Row(&'q [u8]),
}

/// The end of a code row.
struct Tail {
    step: f32,
    low: f32,
    own: f32,
    codes: f32,
}

#[inline(always)]
fn split(row: &[u8]) -> (&[u8], Tail) {
    let (codes, tail) = row.split_at(row.len() - TAIL);
    let number = |at: usize| f32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    (codes, Tail { step: number(0), low: number(4), own: number(8), codes: number(12) })
}

impl Sq8Query<'_> {
    #[inline(always)]
    fn factors(&self) -> Factors<'_> {
        match &self.factors {
            Owned::Signed(factors) => Factors::Signed(factors),
            Owned::Row(row) => Factors::Shifted(&row[..row.len() - TAIL]),
        }
    }

    /// NaN, from rows that leave the range of f32, counts as infinitely far.
    #[inline(always)]
    fn distance(&self, sum: i32, row: &Tail) -> f32 {
        let products = self.scale.mul_add(sum as f32, self.codes_scale * row.codes);
        (self.base + row.own + row.step * products + row.low * self.low_scale).min(f32::INFINITY)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

impl Sq8 {
    fn of_mean(metric: Metric, mean: Vec<f32>) -> Sq8 {
        Sq8 { metric, mean_squared: dot(&mean, &mean) as f32, mean, kernels: Kernels::active() }
    }

    /// Learns the mean of the rows.
    pub(crate) fn train(scorer: &Scorer) -> Sq8 {
        let rows = scorer.rows.len();
        let sample: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(SAMPLE).max(1)).collect();
        let mean = scorer.mean(&sample);
        Sq8::of_mean(scorer.metric, mean)
    }

    /// How many times `p.y` counts.
    fn product_weight(&self) -> f32 {
        if self.metric == Metric::L2 { -2.0 } else { -1.0 }
    }
}

impl Quantizer for Sq8 {
    type Query<'q> = Sq8Query<'q>;

    const UNASKED: Unasked = Unasked { times: 2, least: 20 };

    /// A row's own range is as fine around the mean of all rows as around its list's.
    const IS_CENTRED: bool = false;

    fn row_bytes(&self) -> usize {
        self.mean.len() + TAIL
    }

    fn centre(&self, _mean: &[f32]) -> Vec<f32> {
        Vec::new()
    }

    fn encode(&self, values: &[f32], weight: f32, _centre: &[f32], out: &mut [u8]) {
        let centred: Vec<f32> = values.iter().zip(&self.mean).map(|(x, mean)| x * weight - mean).collect();
        let low = centred.iter().copied().fold(f32::INFINITY, f32::min);
        let high = centred.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // Halves, so that the range of extreme values is still a number.
        let step = (high / 255.0 - low / 255.0).max(0.0);
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let (codes, tail) = out.split_at_mut(values.len());
        for (code, y) in codes.iter_mut().zip(&centred) {
            *code = ((y - low) * inverse + 0.5) as u8;
        }
        let own = match self.metric {
            Metric::L2 => codes.iter().map(|code| f64::from(step * f32::from(*code) + low).powi(2)).sum(),
            _ => -dot(&self.mean, &centred),
        };
        let sum: u32 = codes.iter().map(|code| u32::from(*code)).sum();
        for (slot, number) in tail.chunks_exact_mut(4).zip([step, low, own as f32, sum as f32]) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
    }

    fn query<'q>(&self, values: &[f32], _params: &SearchParams) -> Sq8Query<'q> {
        let weight = if self.metric == Metric::Cosine { inverse_norm(values) } else { 1.0 };
        let centred: Vec<f32> = values.iter().zip(&self.mean).map(|(x, mean)| x * weight - mean).collect();
        let Signed { factors, step, sum } = Signed::of(&centred);
        // The same for every row: it decides nothing.
        let base = match self.metric {
            Metric::L2 => self.kernels.dot(&centred, &centred),
            _ => -self.kernels.dot(values, &self.mean) * weight,
        };
        let scale = step * self.product_weight();
        Sq8Query {
            factors: Owned::Signed(factors),
            base,
            scale,
            codes_scale: 0.0,
            low_scale: scale * sum as f32,
        }
    }

    fn base(&self, _query: &Sq8Query<'_>, _centre: &[f32]) -> f32 {
        0.0
    }

    #[inline(always)]
    fn one(&self, query: &Sq8Query<'_>, codes: &[u8]) -> f32 {
        let (codes, tail) = split(codes);
        query.distance(self.kernels.dot_codes(query.factors(), codes), &tail)
    }

    #[inline(always)]
    fn four(&self, query: &Sq8Query<'_>, rows: [&[u8]; 4]) -> [f32; 4] {
        let rows = rows.map(split);
        let sums = self.kernels.dot_codes4(query.factors(), [rows[0].0, rows[1].0, rows[2].0, rows[3].0]);
        std::array::from_fn(|i| query.distance(sums[i], &rows[i].1))
    }

    fn memory_bytes(&self) -> usize {
        size_of_val(self.mean.as_slice())
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.slice(&self.mean)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Sq8> {
        Ok(Sq8::of_mean(metric, reader.slice(rows.dim(), "mean")?))
    }
}

impl RowQuantizer for Sq8 {
    fn row_query<'q>(&self, codes: &'q [u8]) -> Sq8Query<'q> {
        let (values, tail) = split(codes);
        let dim = values.len() as f32;
        let weight = self.product_weight();
        let (scale, offset) = (weight * tail.step, weight * 128.0f32.mul_add(tail.step, tail.low));
        let base = match self.metric {
            Metric::L2 => tail.own,
            // -z.mean of z = mean + y.
            _ => tail.own - self.mean_squared,
        };
        Sq8Query {
            factors: Owned::Row(codes),
            base,
            scale,
            codes_scale: offset,
            low_scale: scale * (tail.codes - 128.0 * dim) + offset * dim,
        }
    }

    fn is_twin(&self, query: &Sq8Query<'_>, codes: &[u8]) -> bool {
        matches!(query.factors, Owned::Row(row) if row == codes)
    }
}
