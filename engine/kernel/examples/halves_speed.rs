//! Times distances of brain floats: a query that consists of them beside one that does not, which is widened arithmetic.
//!
//! `cargo run --release -p vecraft-kernel --example halves_speed -- [rows]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;
use vecraft_kernel::{Kernels, PackedQuery, packed_inverse_norm, prefetch_codes};
use vecraft_types::{Metric, Packed};

const KIND: Packed = Packed::BFloat16;
const PASSES: usize = 25;
/// Rows asked for ahead of the one compared.
const AHEAD: usize = 6;
/// From one row to the next when they come from memory.
const STEP: usize = 7_919;
/// Rows that stay in the cache.
const FEW: usize = 16;

fn main() {
    let rows = std::env::args().nth(1).map_or(60_000, |rows| rows.parse().unwrap());
    println!(
        "{}, {rows} rows, ns a distance, least of {PASSES}: of numbers, of brain floats",
        Kernels::active().name()
    );
    for dim in [384, 784] {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (seed >> 40) as f32 / 16_777_216.0 - 0.5;
            f32::from_bits(value.to_bits() & 0xffff_0000)
        };
        let bytes: Vec<u8> =
            (0..rows * dim).flat_map(|_| (next().to_bits() >> 16).to_le_bytes()[..2].to_vec()).collect();
        let brains: Vec<f32> = (0..dim).map(|_| next()).collect();
        // One value that needs more digits.
        let mut numbers = brains.clone();
        numbers[0] = 0.1;
        let rows = Rows {
            bytes: &bytes,
            width: 2 * dim,
            norms: bytes.chunks_exact(2 * dim).map(|row| packed_inverse_norm(KIND, row)).collect(),
        };
        for metric in [Metric::Ip, Metric::Cosine] {
            let queries =
                [&numbers, &brains].map(|values| PackedQuery::of_values(metric, KIND, values).unwrap());
            for is_cached in [true, false] {
                let mut best = [f64::MAX; 2];
                for _ in 0..PASSES {
                    for (best, query) in best.iter_mut().zip(&queries) {
                        *best = best.min(rows.pass(query, is_cached));
                    }
                }
                let place = if is_cached { "cache" } else { "memory" };
                println!("{dim} {metric:?} {place}: {:.1} {:.1}", best[0], best[1]);
            }
        }
    }
}

struct Rows<'a> {
    bytes: &'a [u8],
    width: usize,
    norms: Vec<f32>,
}

impl Rows<'_> {
    fn row(&self, number: usize) -> &[u8] {
        &self.bytes[number * self.width..][..self.width]
    }

    /// Compares every row once, or a few as often; nanoseconds a distance.
    fn pass(&self, query: &PackedQuery, is_cached: bool) -> f64 {
        let count = self.norms.len();
        let begin = Instant::now();
        let mut sum = 0.0;
        for i in 0..count {
            let number = if is_cached { i % FEW } else { i * STEP % count };
            if !is_cached {
                prefetch_codes(self.row((i + AHEAD) * STEP % count));
            }
            sum += query.distance_normed(self.row(number), self.norms[number]);
        }
        black_box(sum);
        begin.elapsed().as_nanos() as f64 / count as f64
    }
}
