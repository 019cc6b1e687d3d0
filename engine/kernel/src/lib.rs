//! Which of two vectors is nearer: the distance loops every index and every exact scan share.
//!
//! Called by `engine/index` and `engine/segment`. The instruction set (AVX-512, AVX2 with FMA, NEON, or the portable
//! loop, which compilers turn into what every processor of a kind has) is chosen once per process; see
//! [`Kernels::active`]. `scripts/test-neon.sh` runs this crate's tests on an emulated ARM processor.
//!
//! **Internal order.** All scores inside the engine are *distances*: smaller is nearer, never NaN.
//!
//! | metric | internal distance | what Milvus reports | conversion |
//! |---|---|---|---|
//! | L2 | sum of squared differences, >= 0 | the same | `reported = distance` |
//! | IP | minus the dot product | the dot product | `reported = -distance` |
//! | COSINE | minus the cosine, in [-1, 1] | the cosine | `reported = -distance` |
//! | HAMMING | number of bits that differ | the same | `reported = distance` |
//! | JACCARD | one less the share of common bits, in [0, 1] | the same | `reported = distance` |
//!
//! A zero vector has cosine 0 with everything. A sum that overflows into NaN counts as infinitely far, so a
//! total order always exists. [`reported_score`] and [`internal_distance`] are the only places that convert.
//!
//! Byte codes ([`Kernels::dot_codes`]), smaller ones ([`Kernels::dot_small_codes`]), int8 ([`Kernels::dot_bytes`]) and bits
//! ([`Kernels::hamming`], [`Kernels::jaccard`]) are counted in integers, the same on every instruction set.
//!
//! What holds: a batch gives bit for bit what the single call gives, on every instruction set; the sets differ
//! from one another by rounding of f32 only (`dim * f32::EPSILON` times the sum of the absolute terms, tested). Where the
//! processor multiplies brain floats itself, IP also takes a row's subnormal ones, and products below 1.2e-38, as zero.
//!
//! It does not own vectors, does not know rows ids beyond an offset into a slice, allocates only where a query is
//! made ([`Query::new`], [`PackedQuery::new`]), has no threads and does not know how codes are made.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod bytes;
mod codes;
mod columns;
mod dispatch;
mod halves;
#[cfg(target_arch = "aarch64")]
mod neon;
mod norm;
mod packed_query;
mod pages;
mod prefetch;
mod query;
mod reads;
mod scalar;
mod score;
mod shuffles;
mod small_codes;
#[cfg(test)]
mod tests;

pub use bits::BITS_BYTES_MAX;
pub use bytes::BYTES_MAX;
pub use codes::{CODES_MAX, Factors};
pub use dispatch::Kernels;
pub use halves::Half;
pub use norm::{inverse_norm, normalise};
pub use packed_query::{PackedQuery, bits_of, packed_inverse_norm, widened};
pub use pages::{advise_huge_pages, advise_normal, advise_random, fetch_pages};
pub use prefetch::{prefetch_codes, prefetch_row, prefetch_words};
pub use query::Query;
pub use reads::{DiskWatch, thread_reads};
pub use score::{internal_distance, reported_score};
pub use shuffles::{SHUFFLE_PARTS, SHUFFLE_ROWS};
pub use small_codes::{SMALL_CODES_BLOCK, SmallCodes};

use vecraft_types::Metric;

/// Dot product of two vectors of the same length, by the process's kernels. Panics if the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Kernels::active().dot(a, b)
}

/// Squared Euclidean distance of two vectors of the same length. Panics if the lengths differ.
pub fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    Kernels::active().l2_squared(a, b)
}

/// Internal distance of two raw (not normalised) vectors; smaller is nearer. Panics if the lengths differ.
///
/// For many rows against one query prepare a [`Query`], which normalises the query once.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    Query::new(metric, a).distance(b)
}
