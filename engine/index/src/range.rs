//! How near an answer may be: `radius` and `range_filter` of a search, as in Milvus.

use crate::{Error, Result};
use std::collections::BTreeMap;
use vecraft_kernel::internal_distance;
use vecraft_types::Metric;

/// The far bound: hits are nearer than it.
const RADIUS: &str = "radius";
/// The near bound: hits are not nearer than it.
const RANGE_FILTER: &str = "range_filter";

/// Hits from `from` (included) to `below` (not included), in internal distances, of which the smaller is nearer for every
/// metric. In scores: L2, HAMMING and JACCARD from `range_filter` to below `radius`; IP and COSINE above `radius` up to `range_filter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The nearest that a hit may be.
    pub from: f32,
    /// What a hit must be nearer than.
    pub below: f32,
}

impl Range {
    /// Takes the two words out of the parameters of a search; `None` when neither is there.
    ///
    /// # Errors
    /// [`Error::Parameter`] for what is no number, and for bounds between which there is nothing.
    pub fn take(metric: Metric, params: &mut BTreeMap<String, String>) -> Result<Option<Range>> {
        let (radius, near) = (number(params, RADIUS)?, number(params, RANGE_FILTER)?);
        if radius.is_none() && near.is_none() {
            return Ok(None);
        }
        let internal = |score: f32| internal_distance(metric, score);
        let range = Range {
            from: near.map_or(f32::NEG_INFINITY, internal),
            below: radius.map_or(f32::INFINITY, internal),
        };
        if range.from >= range.below {
            let (near, radius) = (near.unwrap_or_default(), radius.unwrap_or_default());
            let side = if metric.larger_is_nearer() { "less" } else { "greater" };
            let reason = format!("must be {side} than {RANGE_FILTER}, {near}, with metric {}", metric.name());
            return Err(Error::parameter(RADIUS, &radius.to_string(), reason));
        }
        Ok(Some(range))
    }

    /// Whether a row at this distance is a hit.
    #[inline]
    pub fn contains(&self, distance: f32) -> bool {
        self.from <= distance && distance < self.below
    }
}

fn number(params: &mut BTreeMap<String, String>, name: &str) -> Result<Option<f32>> {
    let Some(text) = params.remove(name) else { return Ok(None) };
    match text.trim().parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        _ => Err(Error::parameter(name, &text, "must be a finite number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn take(metric: Metric, given: &[(&str, &str)]) -> Result<Option<Range>> {
        let mut params: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        params.insert("ef".to_owned(), "10".to_owned());
        let range = Range::take(metric, &mut params);
        assert_eq!(params.len(), 1, "what is not ours stays");
        range
    }

    #[test]
    fn the_near_bound_belongs_to_it_and_the_far_one_does_not() {
        let l2 = take(Metric::L2, &[("radius", "2.5"), ("range_filter", "1")]).unwrap().unwrap();
        assert!(l2.contains(1.0) && l2.contains(2.4) && !l2.contains(2.5) && !l2.contains(0.9));
        let ip = take(Metric::Ip, &[("radius", "0.5"), ("range_filter", "0.8")]).unwrap().unwrap();
        assert!(ip.contains(-0.8) && ip.contains(-0.6) && !ip.contains(-0.5) && !ip.contains(-0.9));
    }

    #[test]
    fn one_bound_is_enough_and_none_is_none() {
        assert_eq!(take(Metric::L2, &[]).unwrap(), None);
        let far = take(Metric::L2, &[("radius", "2")]).unwrap().unwrap();
        assert!(far.contains(0.0) && !far.contains(2.0));
        let near = take(Metric::Cosine, &[("range_filter", "0.5")]).unwrap().unwrap();
        assert!(near.contains(-0.5) && near.contains(1.0) && !near.contains(-0.6));
    }

    #[test]
    fn bounds_with_nothing_between_and_words_are_errors() {
        for (metric, radius, near, side) in [
            (Metric::L2, "1", "1", "greater"),
            (Metric::L2, "1", "2", "greater"),
            (Metric::Hamming, "8", "16", "greater"),
            (Metric::Jaccard, "0.25", "0.5", "greater"),
            (Metric::Ip, "0.8", "0.5", "less"),
            (Metric::Cosine, "0.8", "0.5", "less"),
        ] {
            let given = [("radius", radius), ("range_filter", near)];
            let text = take(metric, &given).unwrap_err().to_string();
            let said = format!(
                "parameter radius = {radius}: must be {side} than range_filter, {near}, with metric {}",
                metric.name()
            );
            assert!(text.contains(&said), "{text}, wanted {said}");
            let (radius, near) = (given[1].1, given[0].1);
            if radius != near {
                // What it says to do helps.
                assert!(take(metric, &[("radius", radius), ("range_filter", near)]).is_ok(), "{metric:?}");
            }
        }
        for text in ["", "wide", "NaN", "inf"] {
            let mut params = BTreeMap::from([(RADIUS.to_owned(), text.to_owned())]);
            assert!(Range::take(Metric::L2, &mut params).is_err(), "{text}");
        }
    }
}
