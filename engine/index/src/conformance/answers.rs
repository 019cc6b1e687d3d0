//! Numbers at their limits: k, rows, filters, dimensions.

use super::data::{queries_near, random_filter, random_rows};
use super::{check_answer, subjects_and_variants};
use crate::{Error, SearchParams, VectorRows};
use vecraft_types::{Bitmap, Metric};

#[test]
fn p5_exactly_min_of_k_and_matches() {
    let rows = random_rows(21, 3_000, 8);
    let query = &queries_near(&rows, 22, 1)[0];
    for subject in subjects_and_variants() {
        for &metric in subject.metrics {
            let index = subject.build(metric, &rows);
            for k in [0, 1, 10, 100, 1_000, 2_999, 3_000, 3_001, 16_384] {
                for share in [0.0, 0.001, 0.02, 0.4, 0.6, 0.999] {
                    let filter = random_filter(23, rows.len(), share);
                    // `check_answer` compares the number of hits with the exact scan's.
                    check_answer(&*index, query, k, &SearchParams::default(), Some(&filter));
                }
                check_answer(&*index, query, k, &SearchParams::default(), None);
            }
        }
    }
}

#[test]
fn empty_one_and_two_rows() {
    for subject in subjects_and_variants() {
        for &metric in subject.metrics {
            for count in [0usize, 1, 2, 5] {
                let rows = random_rows(24, count, 4);
                let index = subject.build(metric, &rows);
                assert_eq!((index.len(), index.is_empty()), (count, count == 0));
                let hits = index.search(&[1.0, 0.0, 0.0, 0.0], 3, &subject.search, None).unwrap();
                assert_eq!(hits.len(), count.min(3));
                check_answer(&*index, &[0.0; 4], 3, &subject.search, Some(&Bitmap::new(count, true)));
            }
        }
    }
}

#[test]
fn rows_past_the_end_of_a_filter_do_not_match() {
    let rows = random_rows(25, 2_500, 8);
    for subject in subjects_and_variants() {
        let index = subject.build(Metric::L2, &rows);
        for len in [0, 1, 63, 64, 65, 1_200, 2_400, 2_500, 2_600, 5_000] {
            let hits =
                index.search(&[0.0; 8], 2_500, &subject.search, Some(&Bitmap::new(len, true))).unwrap();
            assert_eq!(hits.len(), len.min(2_500), "filter of {len}, {index:?}");
            assert!(hits.iter().all(|hit| (hit.row as usize) < len));
        }
    }
}

#[test]
fn a_query_of_another_dimension_is_refused() {
    let rows = random_rows(26, 2_000, 8);
    for subject in subjects_and_variants() {
        let index = subject.build(Metric::Ip, &rows);
        let error = index.search(&[0.0; 7], 3, &subject.search, None).unwrap_err();
        assert!(matches!(error, Error::Dimension { expected: 8, got: 7 }), "{error}");
    }
}

#[test]
fn extreme_values_are_ordered_not_fatal() {
    let mut values: Vec<f32> = super::data::normal(27, 2_000 * 4);
    values[40..44].copy_from_slice(&[f32::MAX; 4]);
    values[80..84].copy_from_slice(&[-f32::MAX; 4]);
    values[120..124].copy_from_slice(&[1e-38; 4]);
    let rows = VectorRows::from_vec(4, values).unwrap();
    for subject in subjects_and_variants() {
        for &metric in subject.metrics {
            let index = subject.build(metric, &rows);
            for query in [[f32::MAX; 4], [1e-38; 4], [0.0; 4]] {
                check_answer(&*index, &query, 2_000, &subject.search, None);
                check_answer(&*index, &query, 10, &subject.search, None);
            }
        }
    }
}
