#![allow(clippy::unwrap_used)]
//! How far the distances by each kind of code are from the exact ones, around the mean of all rows and of a list.

use super::*;
use crate::conformance::METRICS;
use crate::conformance::data::{normal, queries_near, random_rows};
use crate::distances::Distances;
use crate::scorer::Scorer;
use crate::{PqShape, Unwatched};
use vecraft_kernel::distance;

const DIM: usize = 200;
const ROWS: usize = 600;

/// Root of the mean squared error, as a share of the exact distances' standard deviation, once the constant that a
/// query may leave out is taken away. The worst of some queries.
fn error<Q: Quantizer>(quantizer: Q, metric: Metric, rows: &VectorRows, params: &SearchParams) -> f64 {
    let scorer = Scorer::new(metric, rows.clone());
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    // Not the mean of all, so that a centre matters.
    let centre = quantizer.centre(&scorer.mean(&all[..40]));
    let codes = Codes::build_in_order(quantizer, &scorer, Layout::Lines, |row| (row, &centre)).unwrap();
    let mut worst = 0.0f64;
    for query in queries_near(rows, 5, 8) {
        let prepared = codes.quantizer.query(&query, params);
        let base = codes.quantizer.base(&prepared, &centre);
        let mut got = Vec::new();
        codes.many(&prepared, &all, &mut got);
        for &row in &all[..9] {
            assert_eq!(got[row as usize], codes.one(&prepared, row), "four and one, row {row}");
        }
        let exact: Vec<f64> =
            all.iter().map(|&row| f64::from(distance(metric, &query, rows.row(row)))).collect();
        // Of unit vectors the squared distance is twice the cosine's, but for a constant.
        let scale = if metric == Metric::Cosine { 0.5 } else { 1.0 };
        let miss = |(got, exact): (&f32, &f64)| f64::from(got + base) * scale - exact;
        let misses: Vec<f64> = got.iter().zip(&exact).map(miss).collect();
        worst = worst.max(deviation(&misses) / deviation(&exact));
    }
    worst
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Rows whose first dimensions are much wider than the rest, around a point far from the origin.
fn uneven_rows() -> VectorRows {
    let mut values = normal(21, ROWS * DIM);
    for (i, x) in values.iter_mut().enumerate() {
        *x = *x * if i % DIM < 20 { 8.0 } else { 1.0 } + 30.0;
    }
    VectorRows::from_vec(DIM, values).unwrap()
}

#[test]
fn errors_are_within_what_each_kind_promises() {
    for (rows, what) in [(random_rows(20, ROWS, DIM), "even"), (uneven_rows(), "uneven, far from the origin")]
    {
        for metric in METRICS {
            let scorer = Scorer::new(metric, rows.clone());
            let plain = || Frame::learn(&scorer, None);
            let rotated = || Frame::learn(&scorer, Some(Rotation::new(3, DIM)));
            let none = SearchParams::default();
            let bits = |bits| SearchParams { rbq_query_bits: Some(bits), ..none };
            let check = |found: f64, most: f64, kind: &str| {
                assert!(found < most, "{kind}, {what} rows, {metric:?}: error {found}, wanted below {most}");
            };
            check(error(Fp16::new(plain()), metric, &rows, &none), 0.002, "FP16");
            check(error(Bf16::new(plain()), metric, &rows, &none), 0.02, "BF16");
            check(error(Linear::new(rotated(), Sq6::new(DIM)), metric, &rows, &none), 0.07, "SQ6");
            check(error(Linear::new(rotated(), Sq4::new(DIM)), metric, &rows, &none), 0.25, "SQ4");
            let mean = plain().mean().to_vec();
            let shape = PqShape { m: 100, nbits: 6 };
            let at = |place: usize| (place as u32, mean.as_slice());
            let pq = Pq::learn(&scorer, plain(), shape, at, 9, &Unwatched).unwrap();
            check(error(pq, metric, &rows, &none), 0.5, "PQ");
            let one_bit = |params: &SearchParams| {
                error(Linear::new(rotated(), Rabitq::new(DIM)), metric, &rows, params)
            };
            let exact = one_bit(&none);
            check(exact, 1.3, "RaBitQ");
            check(one_bit(&bits(8)), exact * 1.1, "RaBitQ, query of 8 bits");
            check(one_bit(&bits(4)), exact * 1.5, "RaBitQ, query of 4 bits");
        }
    }
}
