//! The one place where internal distances become the numbers Milvus reports, and back.

use vecraft_types::Metric;

/// What Milvus reports for an internal distance: L2 the squared distance, IP the dot product, COSINE the
/// cosine, HAMMING and JACCARD the distance itself. Zero never comes out as minus zero.
pub fn reported_score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::L2 | Metric::Hamming | Metric::Jaccard => distance,
        Metric::Ip | Metric::Cosine => 0.0 - distance,
    }
}

/// The internal distance of a reported score, for radius and range limits given by users.
pub fn internal_distance(metric: Metric, reported: f32) -> f32 {
    reported_score(metric, reported)
}

/// Internal L2: a NaN (overflow of both terms) counts as infinitely far.
#[inline(always)]
pub(crate) fn from_l2(sum: f32) -> f32 {
    sum.min(f32::INFINITY)
}

/// Internal IP.
#[inline(always)]
pub(crate) fn from_dot(dot: f32) -> f32 {
    (0.0 - dot).min(f32::INFINITY)
}

/// Internal COSINE from a dot product of unit vectors; rounding beyond [-1, 1] is cut, NaN counts as opposite.
// `clamp` would pass a NaN on.
#[allow(clippy::manual_clamp)]
#[inline(always)]
pub(crate) fn from_cosine(cosine: f32) -> f32 {
    (0.0 - cosine).min(1.0).max(-1.0)
}
