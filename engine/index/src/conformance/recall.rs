//! Finds what is near, on easy, clustered and degenerate data.

use super::data::{clustered_rows, clustered_values, normal, queries_near, random_rows};
use super::{Finds, METRICS, mean_recall, subjects, variants};
use crate::VectorRows;
use vecraft_types::Metric;

fn check(rows: &VectorRows, metric: Metric, least: f64, what: &str) {
    let queries = queries_near(rows, 99, 40);
    for subject in subjects() {
        let index = subject.build(metric, rows);
        let found = mean_recall(&*index, &queries, 10, &subject.search, None);
        subject.check_recall(found, least, what);
    }
}

#[test]
fn random_data() {
    let rows = random_rows(1, 4_000, 24);
    for metric in METRICS {
        let queries = queries_near(&rows, 98, 40);
        for subject in subjects() {
            let found = mean_recall(&*subject.build(metric, &rows), &queries, 10, &subject.search, None);
            assert!(found >= 0.95, "{metric:?} {:?}: recall {found}", subject.spec);
        }
    }
}

#[test]
fn clustered_data() {
    for metric in METRICS {
        check(&clustered_rows(2, 4_000, 24, 40), metric, 0.95, "40 clusters");
    }
}

#[test]
fn variants_find_what_they_promise() {
    let rows = clustered_rows(7, 4_000, 24, 40);
    let queries = queries_near(&rows, 97, 40);
    for subject in variants() {
        let index = subject.build(subject.metric(), &rows);
        let found = mean_recall(&*index, &queries, 10, &subject.search, None);
        subject.check_recall(found, 0.95, "40 clusters");
        let stats = index.search_explained(&queries[0], 10, &subject.search, None).unwrap().stats;
        if matches!(subject.finds, Finds::ByCodes(_)) {
            assert_eq!(stats.refined, 10, "{:?}: nothing beyond the limit is refined", subject.spec);
        }
    }
}

#[test]
fn a_thousand_clusters_stay_connected() {
    // The alpha trap: a graph pruned with alpha 1.2 finds 0.23 to 0.45 of this kind of data at any breadth.
    check(&clustered_rows(3, 20_000, 32, 1_000), Metric::L2, 0.97, "1,000 clusters");
}

#[test]
fn many_equal_vectors() {
    let dim = 8;
    let mut values = clustered_values(4, 3_000, dim, 20);
    // Two crowds of equal rows, one of them at the origin.
    let twin = values[..dim].to_vec();
    (500..1_000).for_each(|row| values[row * dim..][..dim].copy_from_slice(&twin));
    values[1_500 * dim..2_000 * dim].fill(0.0);
    let rows = VectorRows::from_vec(dim, values).unwrap();
    for metric in METRICS {
        check(&rows, metric, 0.95, "crowds of equal rows");
    }
}

#[test]
fn one_dimension_and_one_cluster_of_copies() {
    check(&VectorRows::from_vec(1, normal(5, 3_000)).unwrap(), Metric::L2, 0.95, "one dimension");
    check(&VectorRows::from_vec(3, vec![1.5; 9_000]).unwrap(), Metric::Cosine, 1.0, "all equal");
}

#[test]
fn norms_of_very_different_size_under_inner_product() {
    let dim = 16;
    let mut values = normal(6, 4_000 * dim);
    for (row, vector) in values.chunks_exact_mut(dim).enumerate() {
        let scale = 0.1 + (row % 50) as f32 / 10.0;
        vector.iter_mut().for_each(|x| *x *= scale);
    }
    check(&VectorRows::from_vec(dim, values).unwrap(), Metric::Ip, 0.95, "norms from 0.1 to 5");
}
