//! Saved, opened, damaged: the same answers or an error, never a panic.

use super::data::{clustered_rows, queries_near, random_filter, random_rows};
use super::{Finds, METRICS, subjects};
use crate::random::mix;
use crate::{BuildMonitor, Error, IndexSpec, VectorIndex, VectorRows, build, open};
use proptest::prelude::*;
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
fn any_flipped_bit_and_any_cut_is_noticed() {
    let rows = random_rows(36, 400, 4);
    for subject in subjects() {
        let file = saved(&*subject.build(Metric::Cosine, &rows));
        let step = (file.len() / 700).max(1);
        for at in
            (0..64.min(file.len())).chain((0..file.len()).step_by(step)).chain(file.len() - 16..file.len())
        {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (mix(1, at as u64) % 8);
            assert!(open(&damaged, rows.clone()).is_err(), "byte {at} of {:?}", subject.spec);
            assert!(open(&file[..at], rows.clone()).is_err(), "cut at {at}, {:?}", subject.spec);
        }
        let mut longer = file.clone();
        longer.push(0);
        assert!(open(&longer, rows.clone()).is_err());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whole files with nonsense inside (the checksum is made right again): refused or searched, no panic.
    #[test]
    fn nonsense_under_a_right_checksum_does_not_panic(
        which in 0usize..64, at in any::<prop::sample::Index>(), word in any::<u32>(), cut in 0usize..3,
    ) {
        // The library trusts what its file says; for the twin the checksum is the only guard.
        let mut subjects = subjects();
        subjects.retain(|subject| !matches!(subject.spec, IndexSpec::Hnswlib { .. }));
        let subject = &subjects[which % subjects.len()];
        let rows: VectorRows = random_rows(40, 1_200, 3);
        let mut file = saved_once(which % subjects.len(), || saved(&*subject.build(Metric::Cosine, &rows)));
        let payload_end = file.len() - 16;
        let start = 16 + at.index(payload_end - 16);
        for (i, byte) in word.to_le_bytes().into_iter().enumerate() {
            if start + i < payload_end {
                file[start + i] = byte;
            }
        }
        file.truncate(payload_end - cut.min(payload_end - 16));
        file.extend(((file.len() + 16) as u64).to_le_bytes());
        let sum = xxhash_rust::xxh3::xxh3_64(&file);
        file.extend(sum.to_le_bytes());
        if let Ok(index) = open(&file, rows.clone()) {
            for query in [[0.0; 3], [1.0, -1.0, 0.5]] {
                let _ = index.search(&query, 20, &subject.search, None);
                let _ = index.search(&query, 20, &subject.search, Some(&random_filter(41, 1_200, 0.9)));
            }
        }
    }
}

/// Builds once for all cases.
fn saved_once(which: usize, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    static FILES: std::sync::Mutex<Vec<(usize, Vec<u8>)>> = std::sync::Mutex::new(Vec::new());
    let mut files = FILES.lock().unwrap();
    if let Some((_, file)) = files.iter().find(|(known, _)| *known == which) {
        return file.clone();
    }
    let file = make();
    files.push((which, file.clone()));
    file
}
