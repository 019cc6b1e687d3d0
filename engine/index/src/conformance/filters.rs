//! Filters from one in a thousand to nine in ten, deletes among them.

use super::data::{Both, clustered_rows, queries_near, random_filter, random_rows};
use super::{Finds, check_answer, everything, mean_recall, subjects, subjects_and_variants};
use crate::VectorRows;
use vecraft_types::{Bitmap, Metric};

const SHARES: [f64; 7] = [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9];

#[test]
fn random_filters() {
    let rows = random_rows(11, 8_000, 16);
    let queries = queries_near(&rows, 12, 25);
    for subject in subjects_and_variants() {
        let index = subject.build(Metric::L2, &rows);
        let least = if let Finds::ByCodes(share) = subject.finds { share } else { 0.95 };
        for share in SHARES {
            let filter = random_filter(13, rows.len(), share);
            let found = mean_recall(&*index, &queries, 10, &subject.search, Some(&filter));
            assert!(found >= least, "{share} of the rows, {index:?}: recall {found}");
        }
    }
}

/// The rows nearest to `centre`, or farthest from it.
fn region(rows: &VectorRows, centre: &[f32], count: usize, is_near: bool) -> Bitmap {
    let mut by_distance = crate::flat_search(rows, Metric::L2, centre, rows.len(), None).unwrap();
    if !is_near {
        by_distance.reverse();
    }
    let mut filter = Bitmap::new(rows.len(), false);
    by_distance.iter().take(count).for_each(|hit| filter.set(hit.row as usize, true));
    filter
}

#[test]
fn matching_rows_lie_together_elsewhere() {
    let rows = clustered_rows(14, 10_000, 16, 50);
    let queries = queries_near(&rows, 15, 20);
    for subject in subjects() {
        let index = subject.build(Metric::L2, &rows);
        for (count, is_near, least) in [
            (100, false, 0.95),
            (100, true, 0.95),
            (1_500, true, 0.95),
            (3_000, true, 0.95),
            (4_900, true, 0.95),
            (6_000, true, 0.95),
            (8_000, true, 0.95),
            // Matches begin at a sphere around the query that cuts many clusters: the worst there is for a walk.
            (4_000, false, 0.6),
            (6_000, false, 0.6),
        ] {
            let mut found = 0.0;
            for (i, query) in queries.iter().enumerate() {
                let centre = if is_near { &queries[(i + 7) % queries.len()] } else { query };
                let filter = region(&rows, centre, count, is_near);
                found += check_answer(&*index, query, 10, &subject.search, Some(&filter));
            }
            let found = found / queries.len() as f64;
            subject.check_recall(found, least, &format!("{count} rows, near {is_near}"));
        }
    }
}

#[test]
fn deleted_rows_never_come_back() {
    let both = Both::clustered(16, 5_000, 10);
    for subject in everything() {
        let (rows, queries) = both.of(&subject);
        let metric = if subject.is_of_bits() { subject.metric() } else { Metric::Cosine };
        let index = subject.build(metric, rows);
        let mut live = Bitmap::new(rows.len(), true);
        for query in queries {
            for _ in 0..5 {
                let hits = index.search(query, 20, &subject.search, Some(&live)).unwrap();
                assert_eq!(hits.len(), 20);
                assert!(hits.iter().all(|hit| live.get(hit.row as usize)));
                hits.iter().for_each(|hit| live.set(hit.row as usize, false));
            }
        }
        let found = mean_recall(&*index, queries, 10, &subject.search, Some(&live));
        subject.check_recall(found, 0.95, "after deletes");
    }
}
