//! Scores in f64, one row after another.

use crate::cell::Cell;
use std::cmp::Ordering;
use vecraft_types::{Metric, Packed};

/// A score as Milvus reports it, and how far rounding may take an f32 calculation from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Squared L2, inner product, cosine, Hamming or Jaccard distance.
    pub value: f64,
    /// Half the width of what still counts as the same.
    pub slack: f64,
}

impl Score {
    /// The score of two vectors of the same type and length.
    pub fn of(metric: Metric, a: &Cell, b: &Cell) -> Score {
        let (a, b) = (&numbers(a)[..], &numbers(b)[..]);
        let pairs = || a.iter().zip(b).map(|(x, y)| (*x, *y));
        let slack = |terms: f64| 1e-6 + 4e-6 * terms;
        match metric {
            Metric::L2 => {
                let value: f64 = pairs().map(|(x, y)| (x - y) * (x - y)).sum();
                Score { value, slack: slack(value) }
            }
            Metric::Ip => {
                let value = pairs().map(|(x, y)| x * y).sum();
                Score { value, slack: slack(pairs().map(|(x, y)| (x * y).abs()).sum()) }
            }
            Metric::Cosine => {
                let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let both = norm(a) * norm(b);
                let dot: f64 = pairs().map(|(x, y)| x * y).sum();
                Score { value: if both > 0.0 { dot / both } else { 0.0 }, slack: slack(1.0) }
            }
            Metric::Hamming => Score { value: pairs().filter(|(x, y)| x != y).count() as f64, slack: 0.0 },
            Metric::Jaccard => {
                let either = pairs().filter(|(x, y)| x + y > 0.0).count() as f64;
                let both = pairs().filter(|(x, y)| x * y > 0.0).count() as f64;
                Score { value: if either > 0.0 { 1.0 - both / either } else { 0.0 }, slack: slack(0.0) }
            }
        }
    }

    /// Whether a reported score can be this one.
    pub fn is(&self, reported: f32) -> bool {
        (f64::from(reported) - self.value).abs() <= self.slack
    }

    /// Whether a reported score is at least as near as this one.
    pub fn is_reached_by(&self, metric: Metric, reported: f32) -> bool {
        let ahead = f64::from(reported) - self.value;
        if metric.larger_is_nearer() { ahead >= -self.slack } else { ahead <= self.slack }
    }
}

/// The elements of a vector as numbers: bits as 0 and 1.
fn numbers(vector: &Cell) -> Vec<f64> {
    let halves = |bytes: &[u8], widen: fn(u16) -> f64| {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().map(|pair| widen(u16::from_le_bytes(*pair))).collect()
    };
    match vector {
        Cell::Packed(Packed::Bit, bytes) => {
            bytes.iter().flat_map(|byte| (0..8).map(move |bit| f64::from(byte >> bit & 1))).collect()
        }
        Cell::Packed(Packed::Int8, bytes) => bytes.iter().map(|byte| f64::from(*byte as i8)).collect(),
        Cell::Packed(Packed::Float16, bytes) => halves(bytes, ieee),
        Cell::Packed(Packed::BFloat16, bytes) => {
            halves(bytes, |bits| f64::from(f32::from_bits(u32::from(bits) << 16)))
        }
        floats => floats.floats().iter().map(|value| f64::from(*value)).collect(),
    }
}

/// A finite half by its definition.
fn ieee(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff) / 1024.0);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-14),
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The order of an answer: nearest first.
pub fn nearer(metric: Metric, a: f64, b: f64) -> Ordering {
    let order = a.total_cmp(&b);
    if metric.larger_is_nearer() { order.reverse() } else { order }
}
