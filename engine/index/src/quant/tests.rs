#![allow(clippy::unwrap_used)]

use super::*;
use crate::SearchParams;
use crate::conformance::METRICS;
use crate::conformance::data::{clustered_rows, normal, queries_near, random_rows};
use crate::distances::{Distances, RowDistances};
use crate::scorer::Scorer;
use vecraft_kernel::distance;

fn sq8(metric: Metric, rows: &VectorRows) -> Codes<Sq8> {
    let scorer = Scorer::new(metric, rows.clone());
    Codes::build(Sq8::train(&scorer), &scorer, Layout::Lines).unwrap()
}

/// Largest difference from the exact distances, as a share of their spread.
fn worst_error(metric: Metric, rows: &VectorRows, queries: &[Vec<f32>]) -> f32 {
    let codes = sq8(metric, rows);
    let ids: Vec<u32> = (0..rows.len() as u32).collect();
    let (mut got, mut worst) = (Vec::new(), 0.0f32);
    let mut compare = |prepared: &<Codes<Sq8> as Distances>::Query<'_>, query: &[f32]| {
        codes.many(prepared, &ids, &mut got);
        let exact: Vec<f32> = ids.iter().map(|&id| distance(metric, query, rows.row(id))).collect();
        let most = exact.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let spread = (most - exact.iter().copied().fold(f32::INFINITY, f32::min)).max(f32::MIN_POSITIVE);
        for ((&id, got), exact) in ids.iter().zip(&got).zip(&exact) {
            assert_eq!(*got, codes.one(prepared, id), "four and one, row {id}");
            worst = worst.max((got - exact).abs() / spread);
        }
    };
    for query in queries {
        compare(&codes.quantizer.query(query, &SearchParams::default()), query);
    }
    if metric != Metric::Cosine {
        for id in [0, 7, rows.len() as u32 - 1] {
            compare(&codes.row_query(id), rows.row(id));
        }
    }
    worst
}

#[test]
fn distances_are_within_two_percent_of_their_spread() {
    for (rows, what) in [
        (random_rows(1, 500, 96), "random"),
        (clustered_rows(2, 500, 24, 10), "clustered"),
        (random_rows(3, 300, 3), "few dimensions"),
        (VectorRows::from_vec(1, normal(4, 300)).unwrap(), "one dimension"),
    ] {
        let queries = queries_near(&rows, 5, 10);
        for metric in METRICS {
            let worst = worst_error(metric, &rows, &queries);
            assert!(worst < 0.02, "{what}, {metric:?}: {worst}");
        }
    }
}

#[test]
fn data_far_from_the_origin_and_beside_extreme_rows_keeps_its_precision() {
    let far: Vec<f32> = normal(6, 300 * 32).into_iter().map(|x| x + 1_000.0).collect();
    let far = VectorRows::from_vec(32, far).unwrap();
    let worst = worst_error(Metric::L2, &far, &queries_near(&far, 7, 10));
    assert!(worst < 0.02, "far from the origin: {worst}");

    let mut values = normal(8, 4_000 * 32);
    values[32..64].iter_mut().for_each(|x| *x *= 1_000.0);
    let rows = VectorRows::from_vec(32, values).unwrap();
    let codes = sq8(Metric::L2, &rows);
    let query = codes.row_query(0);
    for row in 2..100 {
        let exact = distance(Metric::L2, rows.row(0), rows.row(row));
        let error = (codes.one(&query, row) - exact).abs();
        assert!(error < 0.03 * exact, "beside one row of extreme values: {error} of {exact}");
    }
}

#[test]
fn a_row_is_the_twin_of_its_copy_and_of_no_other() {
    let mut values = normal(9, 40 * 8);
    let copy = values[..8].to_vec();
    values[80..88].copy_from_slice(&copy);
    let rows = VectorRows::from_vec(8, values).unwrap();
    for metric in METRICS {
        let codes = sq8(metric, &rows);
        let query = codes.row_query(0);
        for row in 1..40 {
            assert_eq!(codes.is_twin(&query, 0.0, row), row == 10, "{metric:?} {row}");
        }
    }
}

#[test]
fn extreme_values_give_no_nan() {
    let extremes = [f32::MAX, -f32::MAX, 1e-38, 0.0, 1.0, -1e20];
    let values: Vec<f32> = (0..120).map(|i| extremes[i * i % 7 % 6]).collect();
    let rows = VectorRows::from_vec(4, values).unwrap();
    for metric in METRICS {
        let codes = sq8(metric, &rows);
        for query in [[f32::MAX; 4], [-f32::MAX; 4], [0.0; 4], [1e-38; 4]] {
            let prepared = codes.quantizer.query(&query, &SearchParams::default());
            for row in 0..30 {
                assert!(!codes.one(&prepared, row).is_nan(), "{metric:?} {query:?} {row}");
                assert!(!codes.one(&codes.row_query(row), 29 - row).is_nan(), "{metric:?} {row}");
            }
        }
    }
}
