//! Vectors of bits: every index that takes them keeps the contract, by both metrics; the others refuse them.

use super::data::random_filter;
use super::{Finds, Subject, check_answer, mean_recall, subjects};
use crate::random::{mix, unit};
use crate::{Error, IndexKind, IndexSpec, SearchParams, Unwatched, VectorIndex, VectorRows, build, open};
use bytes::Bytes;
use std::sync::Arc;
use vecraft_kernel::PackedQuery;
use vecraft_types::{Bitmap, Metric, Packed};

const METRICS: [Metric; 2] = [Metric::Hamming, Metric::Jaccard];
const DIM: usize = 128;
const ROWS: usize = 3_000;

/// Rows around 30 centres: a bit of a centre is set with a chance of `share`, one in ten of a row's differs or, where a
/// centre has few, is lost or moved.
pub(crate) fn clustered_bits(seed: u64, rows: usize, share: f64) -> VectorRows {
    let chance = |what: u64, row: u64, at: u64| unit(seed ^ what, row * DIM as u64 + at);
    let is_set = |row: u64, at: u64| {
        let centre = chance(1, mix(seed, row) % 30, at) < share;
        let is_other = chance(2, row, at) < 0.1;
        if is_other { chance(3, row, at) < share } else { centre }
    };
    let byte =
        |row: u64, first: u64| (0..8).fold(0u8, |byte, j| byte << 1 | u8::from(is_set(row, first + j)));
    let bytes: Vec<u8> = (0..rows as u64)
        .flat_map(|row| (0..DIM as u64 / 8).map(move |i| (row, i)))
        .map(|(row, i)| byte(row, 8 * i))
        .collect();
    VectorRows::from_packed(Packed::Bit, DIM, rows, Bytes::from(bytes)).unwrap()
}

/// Lists of bits, for the tests that every index passes.
pub(crate) fn subject() -> Subject {
    let (spec, search, finds) = (IndexSpec::BinIvfFlat { nlist: 40, seed: 7 }, NPROBE, Finds::AsStated);
    Subject { spec, search, finds, metrics: &METRICS }
}

/// Stored rows of which some bits are turned.
pub(crate) fn queries_near(rows: &VectorRows, seed: u64, count: u64) -> Vec<Vec<f32>> {
    (0..count)
        .map(|i| {
            let mut query = rows.values((mix(seed, i) % rows.len() as u64) as u32).into_owned();
            (0..5).for_each(|j| {
                let at = (mix(seed + 1, 5 * i + j) % DIM as u64) as usize;
                query[at] = 1.0 - query[at];
            });
            query
        })
        .collect()
}

fn lists(nlist: usize, metric: Metric, rows: &VectorRows) -> Arc<dyn VectorIndex> {
    build(&IndexSpec::BinIvfFlat { nlist, seed: 7 }, metric, rows.clone(), &Unwatched).unwrap()
}

const NPROBE: SearchParams = SearchParams {
    nprobe: Some(12),
    ef: None,
    level: None,
    recall: None,
    refine_times: None,
    refine_for: None,
    refine_k: None,
    reorder_k: None,
    rbq_query_bits: None,
    leaves_above: None,
};

#[test]
fn lists_of_bits_keep_the_contract_and_find_what_is_near() {
    for share in [0.5, 0.06] {
        let rows = clustered_bits(81, ROWS, share);
        let queries = queries_near(&rows, 82, 25);
        for metric in METRICS {
            let index = lists(40, metric, &rows);
            assert_eq!(index.kind(), IndexKind::BinIvfFlat);
            assert_eq!(index.spec().params()["nlist"], "40");
            let found = mean_recall(&*index, &queries, 10, &NPROBE, None);
            assert!(found >= 0.95, "{metric:?}, {share} of the bits set: recall {found}");
            for (part, wanted) in [(0.001, 0.95), (0.05, 0.95), (0.3, 0.95), (0.9, 0.95)] {
                let filter = random_filter(83, ROWS, part);
                let found = mean_recall(&*index, &queries, 10, &NPROBE, Some(&filter));
                assert!(found >= wanted, "{metric:?}, {part} of the rows: recall {found}");
            }
            let exact = PackedQuery::of_values(metric, Packed::Bit, &queries[0]).unwrap();
            for hit in index.search(&queries[0], 10, &NPROBE, None).unwrap() {
                assert_eq!(hit.distance, exact.distance(rows.bytes(hit.row)));
            }
            let all = SearchParams { nprobe: Some(40), ..NPROBE };
            for query in &queries {
                assert_eq!(check_answer(&*index, query, 10, &all, None), 1.0, "all lists are everything");
            }
        }
    }
}

#[test]
fn p5_exactly_min_of_k_and_matches_of_bits() {
    let rows = clustered_bits(84, 900, 0.5);
    let query = &queries_near(&rows, 85, 1)[0];
    for metric in METRICS {
        for index in
            [lists(32, metric, &rows), build(&IndexSpec::Auto, metric, rows.clone(), &Unwatched).unwrap()]
        {
            for k in [0, 1, 10, 899, 900, 901] {
                check_answer(&*index, query, k, &SearchParams::default(), None);
                for share in [0.0, 0.02, 0.5, 0.999] {
                    let filter = random_filter(86, 900, share);
                    check_answer(&*index, query, k, &SearchParams::default(), Some(&filter));
                }
            }
            check_answer(&*index, query, 900, &SearchParams::default(), Some(&Bitmap::new(100, true)));
            let error = index.search(&query[1..], 3, &SearchParams::default(), None).unwrap_err();
            assert!(matches!(error, Error::Dimension { expected: DIM, got: 127 }), "{error}");
        }
    }
    let more_lists_than_rows = lists(128, Metric::Hamming, &clustered_bits(87, 5, 0.5));
    check_answer(&*more_lists_than_rows, query, 3, &SearchParams::default(), None);
    let none = lists(128, Metric::Jaccard, &clustered_bits(87, 0, 0.5));
    assert_eq!(none.search(query, 3, &SearchParams::default(), None).unwrap(), vec![]);
}

#[test]
fn other_bits_and_the_same_bits_as_numbers_are_refused() {
    let rows = clustered_bits(88, ROWS, 0.5);
    for metric in METRICS {
        let file = super::bytes::saved(&*lists(40, metric, &rows));
        let bytes: Vec<u8> = (0..ROWS as u32).flat_map(|row| rows.bytes(row).to_vec()).collect();
        let as_bytes = VectorRows::from_packed(Packed::Int8, DIM / 8, ROWS, Bytes::from(bytes)).unwrap();
        for other in [as_bytes, clustered_bits(89, ROWS, 0.5), clustered_bits(88, ROWS - 1, 0.5)] {
            assert!(matches!(open(&file, other), Err(Error::OtherRows(_))));
        }
    }
}

#[test]
fn a_recall_of_bits_is_given_and_told() {
    let rows = clustered_bits(90, ROWS, 0.5);
    let queries = queries_near(&rows, 91, 60);
    for metric in METRICS {
        let index = lists(64, metric, &rows);
        for asked in [0.8, 0.95, 1.0] {
            let params = SearchParams { recall: Some(asked), ..SearchParams::default() };
            let found = mean_recall(&*index, &queries, 10, &params, None);
            let told = index.search_explained(&queries[0], 10, &params, None).unwrap().stats.recall.unwrap();
            assert!(found >= f64::from(asked) - 0.05, "{metric:?}: {asked} asked, {found} found");
            assert!(told >= asked, "{metric:?}: {asked} asked, {told} told");
        }
    }
}

#[test]
fn bits_and_numbers_are_told_apart() {
    let bits = clustered_bits(92, 100, 0.5);
    for subject in subjects() {
        let metric = Metric::Hamming;
        let built = build(&subject.spec, metric, bits.clone(), &Unwatched);
        if subject.spec == IndexSpec::Flat {
            assert_eq!(built.unwrap().kind(), IndexKind::Flat);
            continue;
        }
        let error = built.unwrap_err().to_string();
        assert!(error.contains(subject.spec.type_name()) && error.contains("BinaryVector"), "{error}");
    }
    let numbers = super::data::random_rows(93, 100, 8);
    let spec = IndexSpec::BinIvfFlat { nlist: 4, seed: 7 };
    let error = build(&spec, Metric::L2, numbers.clone(), &Unwatched).unwrap_err().to_string();
    assert!(error.contains("BIN_IVF_FLAT is not for FloatVector"), "{error}");
    for (metric, rows, name) in
        [(Metric::L2, bits, "BinaryVector"), (Metric::Jaccard, numbers, "FloatVector")]
    {
        let error = build(&IndexSpec::Flat, metric, rows, &Unwatched).unwrap_err().to_string();
        assert!(error.contains(metric.name()) && error.contains(name), "{error}");
    }
}
