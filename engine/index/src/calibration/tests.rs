//! A recall that is asked for is given, and what an answer says of itself is so.
#![allow(clippy::unwrap_used)]

use super::curve::{Ladder, RecallCurve, Step};
use super::effort::Effort;
use crate::conformance::data::{clustered_rows, random_rows};
use crate::{
    IndexSpec, PqShape, Refine, SearchParams, SqType, Unwatched, VectorIndex, VectorRows, build, flat_search,
    open,
};
use std::sync::Arc;
use vecraft_types::{Bitmap, Metric};

const DIM: usize = 24;
const ROWS: usize = 6_000;

fn specs() -> Vec<IndexSpec> {
    let shape = PqShape { m: 8, nbits: 8 };
    vec![
        IndexSpec::Hnsw { m: 8, ef_construction: 60, seed: 3 },
        IndexSpec::HnswSq { m: 8, ef_construction: 60, sq_type: SqType::Sq4, refine: Refine::Fp32, seed: 3 },
        IndexSpec::HnswPq { m: 8, ef_construction: 60, shape, refine: Refine::Off, seed: 3 },
        IndexSpec::IvfFlat { nlist: 64, seed: 3 },
        IndexSpec::IvfPq { nlist: 64, shape, refine: Refine::Off, seed: 3 },
        IndexSpec::IvfRabitq { nlist: 64, refine: Refine::Fp32, seed: 3 },
    ]
}

/// Rows to index, and queries of the same kind that are not among them.
fn split() -> (VectorRows, VectorRows) {
    let all = clustered_rows(11, ROWS + ROWS / 20, DIM, 40);
    let some = |is_query: bool| {
        let rows = (0..all.len()).filter(|row| (row % 21 == 20) == is_query);
        let values = rows.flat_map(|row| all.row(row as u32).to_vec()).collect();
        VectorRows::from_vec(DIM, values).unwrap()
    };
    (some(false), some(true))
}

/// Mean recall and mean estimate over the queries.
fn found(index: &dyn VectorIndex, queries: &VectorRows, params: &SearchParams, k: usize) -> (f32, f32) {
    let (mut found, mut told) = (0.0, 0.0);
    for row in 0..queries.len() as u32 {
        let query = queries.row(row);
        let outcome = index.search_explained(query, k, params, None).unwrap();
        let truth = flat_search(index.rows(), index.metric(), query, k, None).unwrap();
        let limit = truth[k - 1].distance;
        let limit = limit + limit.abs() * 1e-5;
        found += outcome.hits.iter().filter(|hit| hit.distance <= limit).count() as f32 / k as f32;
        told += outcome.stats.recall.unwrap();
    }
    (found / queries.len() as f32, told / queries.len() as f32)
}

#[test]
fn a_recall_that_is_asked_for_is_given_and_told() {
    let (rows, queries) = split();
    for spec in specs() {
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            let index = build(&spec, metric, rows.clone(), &Unwatched).unwrap();
            for (k, asked) in [(1, 0.9), (3, 0.95), (10, 0.8), (10, 0.95), (10, 1.0), (20, 0.95)] {
                let params = SearchParams { recall: Some(asked), ..SearchParams::default() };
                let (given, told) = found(&*index, &queries, &params, k);
                let what =
                    || format!("{spec:?} {metric:?}, {k} wanted, {asked} asked: {given} given, {told} told");
                assert!(given >= asked - 0.02, "{}", what());
                // Fewer than were measured are found more easily.
                assert!(told <= given + 0.04 && (k != 10 || given <= told + 0.06), "{}", what());
            }
        }
    }
}

#[test]
fn an_index_of_codes_says_nothing_of_parameters_that_were_not_measured() {
    let (rows, queries) = split();
    for spec in specs() {
        let index = build(&spec, Metric::L2, rows.clone(), &Unwatched).unwrap();
        let outcome = index.search_explained(queries.row(0), 10, &SearchParams::default(), None).unwrap();
        let is_exact = matches!(spec, IndexSpec::Hnsw { .. } | IndexSpec::IvfFlat { .. });
        assert_eq!(outcome.stats.recall.is_some(), is_exact, "{spec:?}");
    }
}

#[test]
fn a_file_without_a_curve_is_compared_by_who_asks_for_a_recall() {
    let (rows, queries) = split();
    let mut file = Vec::new();
    build(&specs()[0], Metric::L2, rows.clone(), &Unwatched).unwrap().save(&mut file).unwrap();
    let start = file.windows(8).position(|bytes| bytes == b"VCINDEX\n").unwrap();
    let bare = open(&file[start..], rows).unwrap();
    let ask = |params: &SearchParams| bare.search_explained(queries.row(0), 10, params, None).unwrap().stats;
    let asked = ask(&SearchParams { recall: Some(0.9), ..SearchParams::default() });
    assert_eq!((asked.distances, asked.recall), (ROWS, Some(1.0)));
    assert_eq!(ask(&SearchParams::default()).recall, None);
}

#[test]
fn a_build_that_is_not_wanted_any_more_is_not_measured() {
    struct AfterTheRows(std::sync::atomic::AtomicBool);
    impl crate::BuildMonitor for AfterTheRows {
        fn cancelled(&self) -> bool {
            self.0.load(std::sync::atomic::Ordering::Relaxed)
        }
        fn progress(&self, done: usize, total: usize) {
            self.0.fetch_or(done == total, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let monitor = AfterTheRows(false.into());
    let built = build(&specs()[0], Metric::L2, split().0, &monitor);
    assert!(matches!(built, Err(crate::Error::Cancelled { .. })));
}

#[test]
fn less_recall_is_less_work() {
    let (rows, queries) = split();
    for spec in specs() {
        let index = build(&spec, Metric::L2, rows.clone(), &Unwatched).unwrap();
        let work = |asked: f32| {
            let params = SearchParams { recall: Some(asked), ..SearchParams::default() };
            let one =
                |row| index.search_explained(queries.row(row), 10, &params, None).unwrap().stats.distances;
            (0..queries.len() as u32).map(one).sum::<usize>()
        };
        let (low, high, all) = (work(0.8), work(0.97), work(1.0));
        assert!(low < high && high < all, "{spec:?}: {low} {high} {all}");
        assert_eq!(all, queries.len() * ROWS, "{spec:?}");
    }
}

#[test]
fn a_graph_looks_twice_as_far_for_a_recall_where_its_walk_goes_in_two_hops() {
    let (rows, _) = split();
    let effort = Effort { breadth: 20, refine: 1, refine_for: 10 };
    // Every third row matches, every second, none of a filter.
    let share = |step: usize| (0..rows.len()).map(|row| row % step == 0).collect::<Bitmap>();
    for (spec, breadths) in
        [(&specs()[0], [40, 20, 20]), (&specs()[1], [40, 20, 20]), (&specs()[3], [20, 20, 20])]
    {
        let index = build(spec, Metric::L2, rows.clone(), &Unwatched).unwrap();
        let filters = [Some(share(3)), Some(share(2)), None];
        let got = filters.map(|filter| effort.under(&*index, filter.as_ref()).breadth);
        assert_eq!(got, breadths, "{spec:?}");
    }
}

#[test]
fn a_recall_that_is_asked_for_is_given_among_the_rows_around_one() {
    let (rows, queries) = split();
    let spec =
        IndexSpec::HnswSq { m: 8, ef_construction: 60, sq_type: SqType::Sq8, refine: Refine::Fp32, seed: 3 };
    let index = build(&spec, Metric::L2, rows.clone(), &Unwatched).unwrap();
    // The tenth of the rows that is nearest to one of them.
    let near = flat_search(&rows, Metric::L2, rows.row(77), rows.len() / 10, None).unwrap();
    let mut filter = Bitmap::new(rows.len(), false);
    near.iter().for_each(|hit| filter.set(hit.row as usize, true));
    for asked in [0.9, 0.95, 0.98] {
        let params = SearchParams { recall: Some(asked), ..SearchParams::default() };
        let mut found = 0.0;
        for row in 0..queries.len() as u32 {
            let query = queries.row(row);
            let hits = index.search_explained(query, 10, &params, Some(&filter)).unwrap().hits;
            let truth = flat_search(&rows, Metric::L2, query, 10, Some(&filter)).unwrap();
            found +=
                hits.iter().filter(|hit| hit.distance <= truth[9].distance * 1.00001).count() as f32 / 10.0;
        }
        let found = found / queries.len() as f32;
        assert!(found >= asked - 0.01, "asked {asked}, found {found}");
    }
}

#[test]
fn the_curve_is_in_the_file() {
    let (rows, queries) = split();
    for spec in specs() {
        let built = build(&spec, Metric::L2, rows.clone(), &Unwatched).unwrap();
        let mut file = Vec::new();
        built.save(&mut file).unwrap();
        let opened: Arc<dyn VectorIndex> = open(&file, rows.clone()).unwrap();
        let params = SearchParams { recall: Some(0.9), ..SearchParams::default() };
        for row in 0..20 {
            let ask = |index: &dyn VectorIndex| {
                index.search_explained(queries.row(row), 10, &params, None).unwrap()
            };
            assert_eq!(ask(&*built), ask(&*opened));
        }
        let mut again = Vec::new();
        opened.save(&mut again).unwrap();
        assert!(file == again, "{spec:?}");
    }
}

#[test]
fn few_rows_are_compared_by_who_asks_for_a_recall() {
    let rows = random_rows(1, 500, DIM);
    let index =
        build(&IndexSpec::Hnsw { m: 8, ef_construction: 60, seed: 3 }, Metric::L2, rows.clone(), &Unwatched)
            .unwrap();
    let params = SearchParams { recall: Some(0.9), ..SearchParams::default() };
    let outcome = index.search_explained(rows.row(3), 10, &params, None).unwrap();
    assert_eq!((outcome.stats.distances, outcome.stats.recall), (500, Some(1.0)));
}

fn curve() -> RecallCurve {
    let step =
        |breadth, recall: f32| Step { breadth, cost: breadth as f32 * 10.0, recall, sure: recall - 0.01 };
    let refined = |step: Step| Step { cost: step.cost + 65.0, ..step };
    RecallCurve::new(vec![
        Ladder { k: 10, refine: 1, steps: vec![step(10, 0.7), step(20, 0.9), step(60, 0.92)] },
        Ladder {
            k: 10,
            refine: 4,
            steps: vec![step(10, 0.8), step(20, 0.95), step(40, 0.99)].into_iter().map(refined).collect(),
        },
        Ladder { k: 100, refine: 1, steps: vec![step(100, 0.9)] },
    ])
}

#[test]
fn the_cheapest_way_is_taken_and_between_two_steps_recall_rises_evenly() {
    let curve = curve();
    let least = |k, recall| curve.effort(k, recall).map(|effort| (effort.breadth, effort.refine));
    assert_eq!(least(10, 0.5), Some((10, 1)));
    assert_eq!(least(3, 0.785), Some((15, 1)));
    // 60 at 10 each, or 20 and the exact distances of more candidates.
    assert_eq!(least(10, 0.905), Some((18, 4)));
    assert_eq!(least(10, 0.96), Some((30, 4)));
    assert_eq!(least(10, 0.99), None);
    // More neighbours than were measured: so many times the breadth.
    assert_eq!(least(200, 0.8), Some((200, 1)));
    let told = |breadth, refine| curve.recall(10, Effort { breadth, refine, refine_for: 10 }).unwrap();
    let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} {b}");
    close(told(15, 1), 0.8);
    close(told(15, 3), 0.8);
    close(told(5, 1), 0.35);
    close(told(30, 4), 0.97);
    close(told(4_000, 4), 0.99);
}

#[test]
fn a_curve_comes_back_from_its_bytes_and_a_damaged_one_does_not() {
    let bytes = curve().to_bytes();
    assert_eq!(RecallCurve::read(&bytes).unwrap(), curve());
    for short in 0..bytes.len() {
        assert!(RecallCurve::read(&bytes[..short]).is_err(), "{short} of {} bytes", bytes.len());
    }
    assert!(RecallCurve::read(&[&bytes[..], &[0]].concat()).is_err());
    // Of the first step: breadth, cost, recall, sure; and the second ladder's k and refine.
    for (at, wrong) in
        [(16, 30.0f32.to_bits()), (20, f32::NAN.to_bits()), (24, f32::NAN.to_bits()), (28, 2.0f32.to_bits())]
    {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
        assert!(RecallCurve::read(&damaged).is_err(), "word at {at}");
    }
}
