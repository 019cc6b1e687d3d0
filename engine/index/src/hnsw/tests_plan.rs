//! The planner's promise: whatever the filter, a search costs at most twice the better single strategy, by the price model of
//! `plan`, beside the descent, the rows that are looked at to choose, and one expansion.
#![allow(clippy::unwrap_used)]

use super::filtered::{End, two_hop};
use super::graph::NONE;
use super::plan::{Breadth, COMPARED, Plan, choose, price_of_all};
use super::search::spread;
use super::walk::{Scratch, descend};
use super::*;
use crate::conformance::data::{clustered_rows, queries_near, random_filter, random_rows};
use crate::conformance::recall;
use crate::distances::Distances;
use crate::top_k::{distance_of, pack, row_of};
use crate::{Hit, Strategy, Unwatched, flat_search};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

const K: usize = 10;
/// Shares of the rows that pass a filter.
const SHARES: [f64; 15] =
    [0.001, 0.01, 0.02, 0.03, 0.035, 0.04, 0.05, 0.06, 0.08, 0.12, 0.2, 0.3, 0.44, 0.46, 0.6];
/// What a search may cost beside, with the descent: 64 rows that a plain walk looks at before it turns back, and the links of one more.
const BESIDE: f64 = 100.0;

/// What one search costs at most, in prices of the better way, and one of how many more than two of them. Seen: 2.4, and two of 2,400;
/// kernels for other instructions round otherwise, so the graph is another one.
const DEAREST: f64 = 3.0;
const DEAR_ONE_OF: usize = 100;

/// The price of a strategy alone, and what it finds.
type Alone = (f64, Vec<Hit>);

/// The usual walk to its end, however far it goes.
fn plain_alone(index: &Hnsw, query: &[f32], entry: (f32, u32), ef: usize, filter: &Bitmap) -> Alone {
    let (graph, scorer) = (&index.graph, &index.scorer);
    let query = scorer.query(query);
    let (mut seen, mut open) =
        (BTreeSet::from([entry.1]), BinaryHeap::from([Reverse(pack(entry.0, entry.1))]));
    let mut pool = BinaryHeap::new();
    let (mut price, mut distances) = (0, Vec::new());
    if filter.get(entry.1 as usize) {
        pool.push(pack(entry.0, entry.1));
    }
    // Beyond that it is no better than comparing, and who cares.
    let most = 2.0 * price_of_all(filter.count_ones(), COMPARED) + 1_000.0;
    while let Some(Reverse(key)) = open.pop() {
        if f64::from(price as u32) > most {
            return (f64::INFINITY, Vec::new());
        }
        if pool.len() >= ef
            && distance_of(key) > pool.peek().map_or(f32::INFINITY, |worst| distance_of(*worst))
        {
            break;
        }
        let links = graph.slots(row_of(key), 0).iter().copied().take_while(|link| *link != NONE);
        let ids: Vec<u32> = links.filter(|link| seen.insert(*link)).collect();
        scorer.many(&query, &ids, &mut distances);
        price += ids.len() + 1;
        for (&id, &distance) in ids.iter().zip(&distances) {
            let key = pack(distance, id);
            if pool.len() < ef || pool.peek().is_some_and(|worst| key < *worst) {
                open.push(Reverse(key));
                if filter.get(id as usize) {
                    pool.push(key);
                    (pool.len() > ef).then(|| pool.pop());
                }
            }
        }
    }
    let found = pool.into_sorted_vec().into_iter().take(K);
    (price as f64, found.map(|key| Hit { row: row_of(key), distance: distance_of(key) }).collect())
}

/// A walk from match to match to its end.
fn two_hop_alone(index: &Hnsw, query: &[f32], entry: (f32, u32), ef: usize, filter: &Bitmap) -> Alone {
    let (graph, scorer) = (&index.graph, &index.scorer);
    let (seeds, scratch) = (spread(filter, graph.len()), &mut Scratch::default());
    let walked = two_hop(
        graph,
        scorer,
        &scorer.query(query),
        entry,
        &seeds,
        Breadth { ef, patience: f64::INFINITY },
        filter,
        usize::MAX,
        scratch,
    );
    assert_eq!(walked.end, End::Finished);
    let found = scratch.pool.iter().take(K);
    (walked.spent as f64, found.map(|(distance, row)| Hit { row, distance }).collect())
}

/// Rows at the places `from..to` of all, by nearness to `centre`.
fn region(rows: &VectorRows, centre: &[f32], places: std::ops::Range<usize>) -> Bitmap {
    let by_distance = flat_search(rows, Metric::L2, centre, rows.len(), None).unwrap();
    let mut filter = Bitmap::new(rows.len(), false);
    by_distance[places].iter().for_each(|hit: &Hit| filter.set(hit.row as usize, true));
    filter
}

/// How many times the better strategy's price a search costs, and all figures in words.
fn ratio(index: &Hnsw, query: &[f32], ef: usize, filter: &Bitmap) -> (f64, String) {
    let (rows, count, matches) = (index.rows(), index.len(), filter.count_ones());
    let (scratch, prepared) = (&mut Scratch::default(), index.scorer.query(query));
    let (nearest, distance, down) = descend(&index.graph, &index.scorer, &prepared, 0, scratch);
    let entry = (distance, nearest);

    let params = SearchParams { ef: Some(ef), ..SearchParams::default() };
    let SearchOutcome { hits, stats } = index.search_explained(query, K, &params, Some(filter)).unwrap();
    let is_compared = matches!(stats.strategy, Strategy::Exact | Strategy::WalkThenExact);
    let compared = if is_compared { matches } else { 0 };
    let paid = price_of_all(compared, COMPARED) + (stats.distances - compared + stats.lists_of_links) as f64;

    let truth = flat_search(rows, Metric::L2, query, K, Some(filter)).unwrap();
    let found = recall(&hits, &truth);
    // What finds less is no better, however cheap.
    let price = |(price, hits): Alone| if recall(&hits, &truth) >= found { price } else { f64::INFINITY };
    let wide = match choose(count, matches, K, ef, COMPARED) {
        Plan::TwoHop(Breadth { ef, .. }) => ef,
        _ => ef,
    };
    let all = price_of_all(matches, COMPARED);
    let plain = price(plain_alone(index, query, entry, ef, filter));
    let hops = price(two_hop_alone(index, query, entry, wide, filter));
    let ratio = (paid - down as f64 - BESIDE) / all.min(plain).min(hops);
    let what = format!(
        "ef {ef}, {matches} matches, {:?}: paid {paid:.0} ({down} for the descent), comparing {all:.0}, plain {plain}, \
         two-hop {hops}: {ratio:.2}, recall {found}",
        stats.strategy
    );
    assert!(paid <= 2.0 * all + down as f64 + BESIDE, "twice comparing all: {what}");
    (ratio, what)
}

#[test]
fn no_filter_costs_more_than_twice_the_better_strategy() {
    let (mut dear, mut searches) = (Vec::new(), 0);
    for rows in [random_rows(41, 24_000, 16), clustered_rows(42, 24_000, 16, 100)] {
        let count = rows.len();
        let index = Hnsw::build(Metric::L2, rows.clone(), 16, 100, 7, &Unwatched).unwrap();
        let queries = queries_near(&rows, 43, 4);
        for (number, query) in queries.iter().enumerate() {
            let other = &queries[(number + 1) % queries.len()];
            for share in SHARES {
                let wanted = (share * count as f64) as usize;
                for (place, filter) in [
                    ("at random", random_filter(44 + number as u64, count, share)),
                    ("near", region(&rows, query, 0..wanted)),
                    ("near, but not the nearest", region(&rows, query, 200..200 + wanted)),
                    ("away", region(&rows, query, count - wanted..count)),
                    ("near another", region(&rows, other, 0..wanted)),
                ] {
                    for ef in [10, 32, 64, 128] {
                        let (ratio, what) = ratio(&index, query, ef, &filter);
                        assert!(ratio <= DEAREST, "{place}: {what}");
                        searches += 1;
                        if ratio > 2.0 {
                            dear.push(format!("{place}: {what}"));
                        }
                    }
                }
            }
        }
    }
    println!("{} of {searches}: {dear:#?}", dear.len());
    // The first part of a walk can look dearer than it is, and the links of one row do not always show where the matches are.
    assert!(
        dear.len() * DEAR_ONE_OF <= searches,
        "of {searches} searches cost more than twice the better way: {dear:#?}"
    );
}
