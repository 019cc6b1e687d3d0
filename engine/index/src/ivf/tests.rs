#![allow(clippy::unwrap_used)]

use super::*;
use crate::conformance::data::{clustered_rows, queries_near, random_rows};
use crate::kmeans::{Centroids, Values};
use crate::search_params::CANDIDATES_MAX;
use crate::{Refine, Unwatched, flat_search};

#[test]
fn every_row_is_in_the_list_of_its_nearest_centroid() {
    for metric in crate::conformance::METRICS {
        let index = IvfFlat::build(metric, clustered_rows(1, 3_000, 8, 30), 40, 5, &Unwatched).unwrap();
        let centroids::Centroids::Numbers(values) = &index.lists.centroids else { panic!("numbers") };
        let near = Centroids::new(metric, values, 8, Values::Raw);
        let mut seen = vec![0; 3_000];
        for list in 0..index.lists.len() as u32 {
            assert!(index.lists.rows(list).is_sorted());
            for &row in index.lists.rows(list) {
                seen[row as usize] += 1;
                assert_eq!(near.nearest(&index.scorer.rows.values(row)).0, list);
            }
        }
        assert!(seen.iter().all(|times| *times == 1), "{metric:?}");
    }
}

#[test]
fn reading_all_lists_is_exact_and_reading_few_is_cheap() {
    let rows = clustered_rows(2, 6_000, 12, 60);
    let index = IvfFlat::build(Metric::L2, rows.clone(), 64, 5, &Unwatched).unwrap();
    for query in queries_near(&rows, 3, 10) {
        let all = SearchParams { nprobe: Some(64), ..SearchParams::default() };
        let exact = flat_search(&rows, Metric::L2, &query, 10, None).unwrap();
        assert_eq!(index.search(&query, 10, &all, None).unwrap(), exact);
        let few = SearchParams { nprobe: Some(2), ..SearchParams::default() };
        let outcome = index.search_explained(&query, 10, &few, None).unwrap();
        assert_eq!(outcome.stats.strategy, Strategy::Lists);
        assert!(outcome.stats.distances < 1_500, "{:?}", outcome.stats);
    }
}

#[test]
fn lists_are_read_on_until_k_matches_are_found() {
    let rows = clustered_rows(4, 8_000, 8, 40);
    let index = IvfFlat::build(Metric::L2, rows.clone(), 100, 5, &Unwatched).unwrap();
    // Matches far away from the query: the nearest list has none of them.
    let query = rows.row(0).to_vec();
    let filter: Bitmap = (0..8_000).map(|row| row >= 4_000).collect();
    let one = SearchParams { nprobe: Some(1), ..SearchParams::default() };
    let outcome = index.search_explained(&query, 50, &one, Some(&filter)).unwrap();
    assert_eq!((outcome.hits.len(), outcome.stats.strategy), (50, Strategy::Lists));
}

#[test]
fn no_list_stays_empty_on_repeated_rows() {
    let values: Vec<f32> = (0..2_000).flat_map(|i| [(i % 100) as f32, 1.0]).collect();
    let rows = VectorRows::from_vec(2, values).unwrap();
    let index = IvfFlat::build(Metric::L2, rows, 80, 5, &Unwatched).unwrap();
    let empty = (0..80).filter(|list| index.lists.rows(*list).is_empty()).count();
    assert!(empty <= 20, "{empty} of 80 lists are empty");
    let more_lists_than_rows = IvfFlat::build(Metric::Ip, random_rows(6, 7, 3), 128, 5, &Unwatched).unwrap();
    assert_eq!(more_lists_than_rows.lists.len(), 7);
}

#[test]
fn candidates_are_bounded_whatever_is_asked() {
    let rows = random_rows(7, CANDIDATES_MAX + 2_000, 2);
    let index = IvfSq8::build(Metric::L2, rows.clone(), (8, 5), Refine::Fp32, &Unwatched).unwrap();
    let query = &queries_near(&rows, 8, 1)[0];
    let all = SearchParams { nprobe: Some(8), ..SearchParams::default() };
    for asked in [
        SearchParams { refine_k: Some(f32::MAX), ..all },
        SearchParams { refine_k: Some(10_000.0), ..all },
        SearchParams { reorder_k: Some(i32::MAX as usize), ..all },
    ] {
        let outcome = index.search_explained(query, 10, &asked, None).unwrap();
        assert_eq!(outcome.stats.refined, CANDIDATES_MAX, "{asked:?}");
        assert_eq!(outcome.hits, flat_search(&rows, Metric::L2, query, 10, None).unwrap());
    }
    // Hits are not candidates only.
    let most = CANDIDATES_MAX + 1_000;
    assert_eq!(index.search(query, most, &all, None).unwrap().len(), most);
}
