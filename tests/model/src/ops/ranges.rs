//! Bounds for the distances of a search, drawn between two rows' scores so that rounding decides nothing.

use crate::nearest::{Score, nearer};
use vecraft_test_sim::rng::Rng;
use vecraft_types::Metric;

/// Which scores are in: farther bound, nearer bound. `None` is open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Hits are nearer than this.
    pub radius: Option<f64>,
    /// Hits are not nearer than this.
    pub near: Option<f64>,
}

impl Bounds {
    /// Whether a row of this score is asked for.
    pub fn contains(&self, metric: Metric, score: f64) -> bool {
        self.radius.is_none_or(|radius| nearer(metric, score, radius).is_lt())
            && self.near.is_none_or(|near| nearer(metric, score, near).is_ge())
    }
}

/// Bounds around a stretch of the rows of these scores.
pub(super) fn draw(rng: &mut Rng, metric: Metric, mut ranked: Vec<Score>) -> Bounds {
    ranked.sort_by(|a, b| nearer(metric, a.value, b.value));
    let mut between = || {
        let at = rng.below(ranked.len().max(1) as u64) as usize;
        let (first, second) = (ranked.get(at)?, ranked.get(at + 1)?);
        let is_apart = (first.value - second.value).abs() > 4.0 * (first.slack + second.slack);
        is_apart.then_some((first.value + second.value) / 2.0)
    };
    match (between(), between()) {
        (Some(one), Some(other)) if one == other => Bounds { radius: Some(one), near: None },
        (Some(one), Some(other)) => match nearer(metric, one, other).is_lt() {
            true => Bounds { radius: Some(other), near: Some(one) },
            false => Bounds { radius: Some(one), near: Some(other) },
        },
        (radius, near) => Bounds { radius, near },
    }
}
