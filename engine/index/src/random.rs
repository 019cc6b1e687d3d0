//! Seeded numbers: a pure function of seed and position, so that builds do not depend on threads or on a
//! library's version.

/// A well-mixed 64-bit number for position `at` of stream `seed` (SplitMix64's finaliser).
pub(crate) fn mix(seed: u64, at: u64) -> u64 {
    let mut x = seed ^ at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Uniform in (0, 1].
pub(crate) fn unit(seed: u64, at: u64) -> f64 {
    ((mix(seed, at) >> 11) + 1) as f64 / (1u64 << 53) as f64
}
