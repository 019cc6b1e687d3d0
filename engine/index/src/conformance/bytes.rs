//! Saved and opened again: the same answers, and what does not belong together is refused. Damage: `damage`.

use super::data::{clustered_rows, queries_near, random_filter, random_rows};
use super::{Finds, METRICS, subjects};
use crate::{BuildMonitor, Error, VectorIndex, build, open};
use std::sync::atomic::{AtomicUsize, Ordering};
use vecraft_types::Metric;

fn saved(index: &dyn VectorIndex) -> Vec<u8> {
    let mut file = Vec::new();
    index.save(&mut file).unwrap();
    file
}

#[test]
fn opened_again_it_answers_the_same() {
    let rows = clustered_rows(31, 3_000, 12, 30);
    let queries = queries_near(&rows, 32, 10);
    let filter = random_filter(33, rows.len(), 0.4);
    for subject in subjects() {
        for metric in METRICS {
            let index = subject.build(metric, &rows);
            let file = saved(&*index);
            let opened = open(&file, rows.clone()).unwrap();
            assert_eq!(saved(&*opened), file, "{index:?}");
            assert_eq!((opened.kind(), opened.spec(), opened.metric()), (index.kind(), index.spec(), metric));
            for query in &queries {
                for filter in [None, Some(&filter)] {
                    assert_eq!(
                        opened.search_explained(query, 10, &subject.search, filter).unwrap(),
                        index.search_explained(query, 10, &subject.search, filter).unwrap()
                    );
                }
            }
        }
    }
}

#[test]
fn an_empty_index_is_saved_too() {
    for subject in subjects() {
        let rows = random_rows(34, 0, 4);
        let opened = open(&saved(&*subject.build(Metric::Cosine, &rows)), rows).unwrap();
        assert_eq!(opened.search(&[1.0; 4], 3, &subject.search, None).unwrap(), vec![]);
    }
}

#[test]
fn same_seed_same_bytes_for_any_number_of_threads() {
    let rows = clustered_rows(35, 4_000, 10, 100);
    for subject in subjects() {
        let bytes_with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| saved(&*subject.build(Metric::Cosine, &rows)))
        };
        let alone = bytes_with(1);
        assert!(alone == bytes_with(3) && alone == bytes_with(1), "{:?}", subject.spec);
    }
}

#[test]
fn other_rows_are_refused() {
    let rows = random_rows(37, 500, 4);
    for subject in subjects() {
        let file = saved(&*subject.build(Metric::L2, &rows));
        for other in [random_rows(38, 500, 4), random_rows(37, 499, 4), random_rows(37, 250, 8)] {
            let error = open(&file, other).unwrap_err();
            assert!(matches!(error, Error::OtherRows(_)), "{error}");
        }
    }
}

#[test]
fn a_build_reports_progress_and_stops_when_told() {
    struct StopAfter(AtomicUsize, usize);
    impl BuildMonitor for StopAfter {
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) >= self.1
        }
        fn progress(&self, done: usize, total: usize) {
            let before = self.0.swap(done, Ordering::Relaxed);
            assert!(before <= done && done <= total);
        }
    }
    let rows = random_rows(39, 6_000, 8);
    for subject in subjects().into_iter().filter(|subject| subject.finds != Finds::Everything) {
        let free = StopAfter(AtomicUsize::new(0), usize::MAX);
        build(&subject.spec, Metric::L2, rows.clone(), &free).unwrap();
        assert_eq!(free.0.load(Ordering::Relaxed), rows.len(), "{:?}", subject.spec);
        let error = build(&subject.spec, Metric::L2, rows.clone(), &StopAfter(AtomicUsize::new(0), 500));
        assert!(matches!(error, Err(Error::Cancelled { total: 6_000, .. })), "{error:?}");
    }
}
