//! The rows: points near cluster centres, functions of their key.

use super::{CLUSTERS, DIM};

/// Uniform in 0..1, a function of two numbers.
pub(super) fn noise(a: u64, b: u64) -> f32 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        x ^= x >> 31;
        x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    (x >> 40) as f32 / (1u64 << 24) as f32
}

/// Row `key`: a point near one of the cluster centres.
pub fn vector(key: i64) -> Vec<f32> {
    let cluster = key as u64 % CLUSTERS;
    let centre = |d: usize| noise(cluster + 1_000_000_000, d as u64) * 10.0;
    (0..DIM).map(|d| centre(d) + noise(key as u64 + 1, d as u64) * 2.0).collect()
}

pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}
