#![allow(clippy::unwrap_used)]

use super::repair::{connect_unreachable, reachable};
use super::*;
use crate::Unwatched;
use crate::conformance::data::{clustered_rows, queries_near, random_filter, random_rows};
use crate::conformance::recall;
use crate::{Strategy, flat_search};

fn built(metric: Metric, rows: VectorRows, m: usize) -> Hnsw {
    Hnsw::build(metric, rows, m, 60, 3, &Unwatched).unwrap()
}

#[test]
fn every_row_is_reachable_from_the_entry() {
    for metric in crate::conformance::METRICS {
        for (rows, m) in
            [(clustered_rows(1, 6_000, 12, 600), 8), (random_rows(2, 3_000, 4), 2), (random_rows(3, 1, 4), 4)]
        {
            let index = built(metric, rows.clone(), m);
            assert_eq!(reachable(&index.graph), rows.len(), "{metric:?}, M {m}");
        }
    }
}

#[test]
fn repair_reconnects_what_was_cut_off() {
    let mut index = built(Metric::L2, random_rows(4, 500, 4), 4);
    let entry = index.graph.entry;
    for node in 0..500 {
        let kept: Vec<u32> =
            index.graph.links(node, 0).iter().copied().filter(|link| link % 7 != 0).collect();
        index.graph.set_links(node, 0, &kept);
    }
    let before = reachable(&index.graph);
    assert!(before < 500);
    let added = connect_unreachable(&mut index.graph, &index.scorer, &index.scratches);
    assert!(added >= 1 && reachable(&index.graph) == 500, "{added} added");
    assert_eq!(index.graph.entry, entry);
}

#[test]
fn no_list_is_too_long_or_names_a_row_twice_or_itself() {
    let index = built(Metric::Cosine, clustered_rows(5, 4_000, 8, 50), 6);
    let graph = &index.graph;
    for node in 0..graph.len() as u32 {
        for level in 0..=graph.levels[node as usize] as usize {
            let mut links = graph.links(node, level).to_vec();
            assert!(links.len() <= graph.capacity(level) && !links.contains(&node));
            links.sort_unstable();
            let count = links.len();
            links.dedup();
            assert_eq!(links.len(), count, "row {node} level {level}");
        }
    }
}

#[test]
fn the_pool_keeps_the_nearest_and_hands_them_out_once() {
    let mut pool = pool::Pool::default();
    pool.reset(3);
    for (distance, row) in [(5.0, 1), (1.0, 2), (3.0, 3)] {
        pool.insert(distance, row);
    }
    assert!(pool.is_full());
    pool.insert(9.0, 4);
    assert_eq!(pool.pop_unexpanded(), Some(2));
    pool.insert(0.5, 5);
    pool.insert(2.0, 6);
    assert_eq!(
        [pool.pop_unexpanded(), pool.pop_unexpanded(), pool.pop_unexpanded()],
        [Some(5), Some(6), None]
    );
    assert_eq!(pool.iter().collect::<Vec<_>>(), [(0.5, 5), (1.0, 2), (2.0, 6)]);
    assert_eq!((pool.len(), pool.worst()), (3, 2.0));
}

#[test]
fn the_visited_set_forgets_between_walks() {
    let mut visited = visited::Visited::default();
    for _ in 0..600 {
        visited.reset(3);
        assert!(visited.insert(1) && !visited.insert(1) && visited.insert(0));
    }
}

/// Ways taken for queries under a filter, mean number of distances, and mean recall.
fn asked(index: &Hnsw, queries: &[Vec<f32>], filter: &Bitmap) -> (Vec<Strategy>, usize, f64) {
    let params = SearchParams { ef: Some(32), ..SearchParams::default() };
    let (mut ways, mut distances, mut found) = (Vec::new(), 0, 0.0);
    for query in queries {
        let outcome = index.search_explained(query, 10, &params, Some(filter)).unwrap();
        let truth = flat_search(index.rows(), Metric::L2, query, 10, Some(filter)).unwrap();
        assert_eq!(outcome.hits.len(), 10);
        ways.push(outcome.stats.strategy);
        distances += outcome.stats.distances;
        found += recall(&outcome.hits, &truth);
    }
    (ways, distances / queries.len(), found / queries.len() as f64)
}

#[test]
fn a_walk_does_not_cross_the_half_that_does_not_match() {
    let rows = random_rows(21, 20_000, 8);
    let index = built(Metric::L2, rows.clone(), 16);
    let half: Bitmap = (0..rows.len() as u32).map(|row| rows.row(row)[0] > 0.0).collect();
    let inside: Vec<Vec<f32>> =
        queries_near(&rows, 22, 60).into_iter().filter(|query| query[0] > 1.0).collect();
    let outside: Vec<Vec<f32>> = inside.iter().map(|query| query.iter().map(|x| -x).collect()).collect();

    let (ways, usual, found) = asked(&index, &inside, &half);
    assert!(ways.iter().all(|way| *way == Strategy::Walk) && found >= 0.95, "{ways:?}, recall {found}");
    let (ways, distances, found) = asked(&index, &inside, &random_filter(23, rows.len(), 0.5));
    assert!(ways.iter().all(|way| *way == Strategy::Walk) && found >= 0.95, "{ways:?}, recall {found}");
    assert!(distances <= 3 * usual, "{distances} at random, {usual} in the half");
    let (ways, distances, found) = asked(&index, &outside, &half);
    assert!(ways.iter().all(|way| *way == Strategy::TwoHop) && found >= 0.9, "{ways:?}, recall {found}");
    assert!(distances <= 3 * usual, "{distances} outside of the half, {usual} inside");
}
