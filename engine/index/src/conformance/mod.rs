//! The suite every [`VectorIndex`] passes. A new implementation is added to `subjects`, nowhere else; what differs from one of
//! those in a parameter only, to `variants`, which are built by one metric each.
#![allow(clippy::unwrap_used)]

mod answers;
pub(crate) mod bits;
pub(crate) mod bytes;
mod damage;
pub(crate) mod data;
mod filters;
mod packed;
mod range;
mod recall;

use crate::{
    Hit, IndexSpec, PqShape, Refine, Rows, SearchParams, SqType, Unwatched, VectorIndex, VectorRows, build,
    flat_search,
};
use std::sync::Arc;
use vecraft_types::{Bitmap, Metric};

pub(crate) const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

/// What a subject promises to find, beyond the contract that `check_answer` always holds it to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Finds {
    /// All of it.
    Everything,
    /// The recall a test states, also on hard data.
    AsStated,
    /// The recall a test states, on random data only: the twin inserts in the order given and loses clusters.
    OnEasyData,
    /// This recall, or what a test states if it is less: what codes alone tell, without candidates beyond the limit.
    ByCodes(f64),
}

/// One implementation with parameters under which it must reach the recalls of this suite.
pub(crate) struct Subject {
    pub(crate) spec: IndexSpec,
    pub(crate) search: SearchParams,
    pub(crate) finds: Finds,
    /// The metrics it is built by.
    pub(crate) metrics: &'static [Metric],
}

/// The kinds of indexes over numbers, each built by every metric.
pub(crate) fn subjects() -> Vec<Subject> {
    let subject = |spec, search, finds| Subject { spec, search, finds, metrics: &METRICS };
    let ef = SearchParams { ef: Some(128), ..SearchParams::default() };
    let nprobe = SearchParams { nprobe: Some(24), ..SearchParams::default() };
    let sq =
        |sq_type| IndexSpec::HnswSq { m: 16, ef_construction: 120, sq_type, refine: Refine::Fp32, seed: 7 };
    let (refine, shape) = (Refine::Fp32, PqShape { m: 8, nbits: 8 });
    vec![
        subject(IndexSpec::Flat, SearchParams::default(), Finds::Everything),
        subject(IndexSpec::Hnsw { m: 16, ef_construction: 120, seed: 7 }, ef, Finds::AsStated),
        subject(sq(SqType::Sq8), ef, Finds::AsStated),
        subject(sq(SqType::Sq6), SearchParams { refine_k: Some(6.0), ..ef }, Finds::AsStated),
        subject(sq(SqType::Sq4), SearchParams { ef: Some(256), refine_k: Some(25.0), ..ef }, Finds::AsStated),
        subject(sq(SqType::Fp16), ef, Finds::AsStated),
        subject(
            IndexSpec::HnswPq { m: 16, ef_construction: 120, shape, refine, seed: 7 },
            SearchParams { ef: Some(256), refine_k: Some(20.0), ..ef },
            Finds::AsStated,
        ),
        subject(IndexSpec::IvfFlat { nlist: 40, seed: 7 }, nprobe, Finds::AsStated),
        subject(IndexSpec::IvfSq8 { nlist: 40, refine, seed: 7 }, nprobe, Finds::AsStated),
        subject(IndexSpec::IvfPq { nlist: 40, shape, refine, seed: 7 }, nprobe, Finds::AsStated),
        // One bit of few dimensions says little: many candidates.
        subject(
            IndexSpec::IvfRabitq { nlist: 40, refine, seed: 7 },
            SearchParams { refine_k: Some(80.0), ..nprobe },
            Finds::AsStated,
        ),
        subject(
            IndexSpec::Scann { nlist: 40, with_raw_data: true, seed: 7 },
            SearchParams { reorder_k: Some(600), ..nprobe },
            Finds::AsStated,
        ),
        subject(IndexSpec::Hnswlib { m: 16, ef_construction: 120, seed: 7 }, ef, Finds::OnEasyData),
    ]
}

/// The same kinds with other parameters, and what is chosen for who says nothing.
pub(crate) fn variants() -> Vec<Subject> {
    let ef = SearchParams { ef: Some(128), ..SearchParams::default() };
    let nprobe = SearchParams { nprobe: Some(24), ..SearchParams::default() };
    let (off, shape, (m, ef_construction)) = (Refine::Off, PqShape { m: 8, nbits: 8 }, (16, 120));
    let sq = |sq_type, refine| IndexSpec::HnswSq { m, ef_construction, sq_type, refine, seed: 7 };
    let variants = [
        (IndexSpec::Auto, ef, Finds::AsStated),
        (sq(SqType::Bf16, Refine::Fp32), ef, Finds::AsStated),
        (sq(SqType::Sq8, off), ef, Finds::ByCodes(0.75)),
        (IndexSpec::HnswPq { m, ef_construction, shape, refine: off, seed: 7 }, ef, Finds::ByCodes(0.3)),
        (IndexSpec::IvfSq8 { nlist: 40, refine: off, seed: 7 }, nprobe, Finds::ByCodes(0.75)),
        (IndexSpec::IvfPq { nlist: 40, shape, refine: off, seed: 7 }, nprobe, Finds::ByCodes(0.3)),
        (IndexSpec::IvfRabitq { nlist: 40, refine: off, seed: 7 }, nprobe, Finds::ByCodes(0.1)),
        (IndexSpec::Scann { nlist: 40, with_raw_data: false, seed: 7 }, nprobe, Finds::ByCodes(0.3)),
    ];
    let by_one = |(at, (spec, search, finds))| Subject { spec, search, finds, metrics: one_metric(at) };
    variants.into_iter().enumerate().map(by_one).collect()
}

/// One of the metrics in turn.
fn one_metric(at: usize) -> &'static [Metric] {
    METRICS.chunks(1).nth(at % METRICS.len()).unwrap()
}

/// Everything over numbers.
pub(crate) fn subjects_and_variants() -> Vec<Subject> {
    subjects().into_iter().chain(variants()).collect()
}

/// Everything there is, over numbers and over bits.
pub(crate) fn everything() -> Vec<Subject> {
    subjects_and_variants().into_iter().chain([bits::subject()]).collect()
}

impl Subject {
    /// Over bits, not over numbers.
    pub(crate) fn is_of_bits(&self) -> bool {
        matches!(self.spec, IndexSpec::BinIvfFlat { .. })
    }

    /// The metric of tests that need one only.
    pub(crate) fn metric(&self) -> Metric {
        *self.metrics.last().unwrap()
    }

    pub(crate) fn build(&self, metric: Metric, rows: &VectorRows) -> Arc<dyn VectorIndex> {
        build(&self.spec, metric, rows.clone(), &Unwatched).unwrap()
    }

    /// Asserts a recall measured on hard data.
    pub(crate) fn check_recall(&self, found: f64, least: f64, what: &str) {
        let least = match self.finds {
            Finds::Everything => 1.0,
            Finds::AsStated => least,
            Finds::OnEasyData => 0.0,
            Finds::ByCodes(share) => least.min(share),
        };
        assert!(found >= least, "{what}, {:?}: recall {found}, wanted {least}", self.spec);
    }
}

/// Share of the exact answer that was found, counting equal distances as found.
pub(crate) fn recall(got: &[Hit], exact: &[Hit]) -> f64 {
    let Some(worst) = exact.last() else { return 1.0 };
    let found = got.iter().filter(|hit| hit.distance <= worst.distance).count();
    found.min(exact.len()) as f64 / exact.len() as f64
}

/// Checks the contract of one answer and returns its recall.
pub(crate) fn check_answer(
    index: &dyn VectorIndex,
    query: &[f32],
    k: usize,
    params: &SearchParams,
    filter: Option<&Bitmap>,
) -> f64 {
    let rows = index.rows();
    let exact = flat_search(rows, index.metric(), query, k, filter).unwrap();
    let got = index.search(query, k, params, filter).unwrap();
    let what = format!("{index:?} k {k} filter {:?}", filter.map(Bitmap::count_ones));
    assert_eq!(got.len(), exact.len(), "P5: min(k, matches) hits, {what}");
    for pair in got.windows(2) {
        let order = pair[0].distance.total_cmp(&pair[1].distance).then(pair[0].row.cmp(&pair[1].row));
        assert!(order.is_lt(), "sorted by (distance, row), each once: {pair:?}, {what}");
    }
    for hit in &got {
        assert!(filter.is_none_or(|filter| filter.get(hit.row as usize)), "{hit:?} does not match, {what}");
        let distance = rows.distance(&rows.query(index.metric(), query), hit.row);
        assert_eq!(hit.distance, distance, "row {}, {what}", hit.row);
    }
    assert_eq!(got, index.search(query, k, params, filter).unwrap(), "asked twice, {what}");
    recall(&got, &exact)
}

/// Mean recall of many answers, each checked.
pub(crate) fn mean_recall(
    index: &dyn VectorIndex,
    queries: &[Vec<f32>],
    k: usize,
    params: &SearchParams,
    filter: Option<&Bitmap>,
) -> f64 {
    let total: f64 = queries.iter().map(|query| check_answer(index, query, k, params, filter)).sum();
    total / queries.len() as f64
}
