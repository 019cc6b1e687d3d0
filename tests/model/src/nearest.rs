//! Scores in f64, one row after another.

use std::cmp::Ordering;
use vecraft_types::Metric;

/// A score as Milvus reports it, and how far rounding may take an f32 calculation from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Squared L2, inner product or cosine.
    pub value: f64,
    /// Half the width of what still counts as the same.
    pub slack: f64,
}

impl Score {
    /// The score of two vectors of the same length.
    pub fn of(metric: Metric, a: &[f32], b: &[f32]) -> Score {
        let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
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
                let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
                let both = norm(a) * norm(b);
                let dot: f64 = pairs().map(|(x, y)| x * y).sum();
                Score { value: if both > 0.0 { dot / both } else { 0.0 }, slack: slack(1.0) }
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

/// The order of an answer: nearest first.
pub fn nearer(metric: Metric, a: f64, b: f64) -> Ordering {
    let order = a.total_cmp(&b);
    if metric.larger_is_nearer() { order.reverse() } else { order }
}
