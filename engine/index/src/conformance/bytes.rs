//! Saved and opened again: the same answers, and what does not belong together is refused. Damage: `damage`.

use super::data::{Both, random_filter, random_rows};
use super::{Finds, everything, subjects_and_variants};
use crate::{
    BuildMonitor, Error, IndexSpec, SearchParams, Unwatched, VectorIndex, build, cold, open, open_mapped,
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vecraft_types::{Bitmap, Metric};

pub(crate) fn saved(index: &dyn VectorIndex) -> Vec<u8> {
    let mut file = Vec::new();
    index.save(&mut file).unwrap();
    file
}

/// A file as a mapping has it, at a page, or `shift` bytes off.
pub(crate) fn as_mapped(file: &[u8], shift: usize) -> Bytes {
    let mut room = vec![0; file.len() + 128];
    let base = (0..64).find(|at| (room.as_ptr() as usize + at).is_multiple_of(64)).unwrap();
    room[base + shift..base + shift + file.len()].copy_from_slice(file);
    let bytes = Bytes::from_owner(room).slice(base + shift..base + shift + file.len());
    assert_eq!(bytes.as_ptr() as usize % 64, shift);
    bytes
}

/// Saves an index and opens it by a copy, by a mapping, and by bytes at no page, which is a copy again: each is the same
/// index, answers the same at the same cost, also as if nothing of it were in memory, and is saved as the same file.
pub(crate) fn check_opened_again(
    index: &Arc<dyn VectorIndex>,
    queries: &[Vec<f32>],
    params: &SearchParams,
    filter: &Bitmap,
) {
    let (file, rows) = (saved(&**index), index.rows());
    let what = |index: &dyn VectorIndex| (index.kind(), index.spec(), index.metric(), index.code_bytes());
    let others: Bitmap = (0..rows.len()).map(|row| !filter.get(row)).collect();
    let ways = [
        open(&file, rows.clone()),
        open_mapped(&as_mapped(&file, 0), rows.clone()),
        open_mapped(&as_mapped(&file, 1), rows.clone()),
    ];
    for (way, opened) in ["copied", "mapped", "off a page"].into_iter().zip(ways) {
        let opened = opened.unwrap();
        assert_eq!(what(&*opened), what(&**index), "{way}");
        for query in queries {
            for (k, filter) in
                [(10, None), (10, Some(filter)), (10, Some(&others)), (rows.len(), Some(filter))]
            {
                let search =
                    |index: &dyn VectorIndex| index.search_explained(query, k, params, filter).unwrap();
                assert_eq!(search(&*opened), search(&**index), "{way}, {index:?}");
                let cold = cold::assuming(|| search(&*opened));
                assert_eq!(cold, search(&**index), "{way}, as if nothing were in memory, {index:?}");
            }
        }
        assert!(saved(&*opened) == file, "{way}, {index:?}");
    }
}

#[test]
fn opened_again_it_answers_the_same_copied_or_mapped() {
    let both = Both::clustered(31, 3_000, 10);
    let filter = random_filter(33, 3_000, 0.4);
    for subject in everything() {
        let (rows, queries) = both.of(&subject);
        for metric in subject.metrics {
            check_opened_again(&subject.build(*metric, rows), queries, &subject.search, &filter);
        }
    }
}

#[test]
fn a_mapped_file_takes_little_memory() {
    let rows = random_rows(3, 3_000, 48);
    for (kind, pairs) in [
        ("HNSW", &[("M", "12")][..]),
        ("HNSW_SQ", &[("M", "12"), ("sq_type", "SQ6")]),
        ("HNSW_PQ", &[("M", "12"), ("m", "12")]),
        ("IVF_SQ8", &[("nlist", "30")]),
        ("IVF_PQ", &[("nlist", "30"), ("m", "12")]),
    ] {
        let parse = |pairs: &[(&str, &str)]| {
            let params = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            IndexSpec::parse(kind, &params.collect()).unwrap()
        };
        let spec = parse(&[pairs, &[("mmap.enabled", "true")]].concat());
        assert_eq!(spec, parse(pairs), "it changes nothing in the file");
        let index = build(&spec, Metric::Cosine, rows.clone(), &Unwatched).unwrap();
        let file = saved(&*index);
        let in_memory = open(&file, rows.clone()).unwrap();
        let mapped = open_mapped(&as_mapped(&file, 0), rows.clone()).unwrap();
        let (less, all) = (mapped.memory_bytes(), in_memory.memory_bytes());
        assert!(all - less >= 3_000 * 12, "{kind}: {less} bytes mapped, {all} in memory");
    }
}

#[test]
fn an_empty_index_is_saved_too() {
    let both = Both::clustered(34, 0, 0);
    for subject in everything() {
        let (rows, _) = both.of(&subject);
        let file = saved(&*subject.build(subject.metric(), rows));
        let mapped = open_mapped(&as_mapped(&file, 0), rows.clone()).unwrap();
        for opened in [open(&file, rows.clone()).unwrap(), mapped] {
            let query = vec![1.0; rows.dim()];
            assert_eq!(opened.search(&query, 3, &subject.search, None).unwrap(), vec![]);
        }
    }
}

#[test]
fn same_seed_same_bytes_for_any_number_of_threads() {
    // From 4,000 rows AUTOINDEX is a graph.
    let both = Both::clustered(35, 4_000, 0);
    for subject in everything() {
        let (rows, _) = both.of(&subject);
        let bytes_with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| saved(&*subject.build(subject.metric(), rows)))
        };
        let alone = bytes_with(1);
        assert!(alone == bytes_with(3) && alone == bytes_with(1), "{:?}", subject.spec);
    }
}

#[test]
fn other_rows_are_refused() {
    let rows = random_rows(37, 500, 4);
    for subject in subjects_and_variants() {
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
    let both = Both::clustered(39, 6_000, 0);
    for subject in everything().into_iter().filter(|subject| subject.finds != Finds::Everything) {
        let ((rows, _), metric) = (both.of(&subject), subject.metric());
        let free = StopAfter(AtomicUsize::new(0), usize::MAX);
        build(&subject.spec, metric, rows.clone(), &free).unwrap();
        assert_eq!(free.0.load(Ordering::Relaxed), rows.len(), "{:?}", subject.spec);
        let error = build(&subject.spec, metric, rows.clone(), &StopAfter(AtomicUsize::new(0), 500));
        assert!(matches!(error, Err(Error::Cancelled { total: 6_000, .. })), "{error:?}");
    }
}
