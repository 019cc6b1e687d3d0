//! What is noted of a search is what it did.
#![allow(clippy::unwrap_used)]

use crate::exec::*;
use crate::testing::{AGE, DIM, KEY, Row, VECTOR, batch, mix, schema};
use crate::{GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vecraft_expr::Filter;
use vecraft_index::{IndexSpec, Range, SearchParams, Unwatched, VectorIndex};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::api::{SegmentExplanation, SegmentPhase, SegmentStrategy as Way};
use vecraft_types::{Bitmap, LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp};

/// A row whose vector lies anywhere in the unit cube.
pub(super) fn spread(key: u64) -> Row {
    let vector =
        std::array::from_fn(|at| (mix(key * DIM as u64 + at as u64) >> 40) as f32 / (1u64 << 24) as f32);
    Row { key: key as i64, name: format!("n{}", key % 7), age: Some((key % 50) as i32), vector }
}

pub(super) fn spec(kind: &str, params: &[(&str, &str)]) -> IndexSpec {
    let params: BTreeMap<String, String> =
        params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    IndexSpec::parse(kind, &params).unwrap()
}

/// A shard with one sealed segment, perhaps with an index, and perhaps one growing segment of the next keys.
pub(super) fn shard(rows: u64, index: Option<(&str, &[(&str, &str)])>, growing: u64) -> ShardView {
    let schema = Arc::new(schema());
    let make = |id: u64, keys: std::ops::Range<u64>| {
        let segment = GrowingSegment::new(SegmentId(id), PartitionId(id), Arc::clone(&schema));
        let rows: Vec<Row> = keys.map(spread).collect();
        segment.append(&batch(&rows), LogPosition(id), Timestamp(id)).unwrap();
        segment
    };
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let first = make(1, 0..rows);
    let file = write_segment(&disk, "1.seg", &first, first.rows()).unwrap();
    let deletes = Arc::clone(first.deletes());
    let sealed = SealedSegment::open(disk.as_ref(), &file, Arc::clone(&schema), deletes).unwrap();
    if let Some((kind, params)) = index {
        let rows = sealed.vector_rows(VECTOR).unwrap();
        let built = vecraft_index::build(&spec(kind, params), Metric::L2, rows, &Unwatched).unwrap();
        sealed.attach_index(VECTOR, built).unwrap();
    }
    let mut segments = vec![Segment::Sealed(Arc::new(sealed))];
    if growing > 0 {
        segments.push(Segment::Growing(Arc::new(make(2, rows..rows + growing))));
    }
    ShardView::of(ShardId::default(), LogPosition(9), Timestamp(9), schema, segments)
}

pub(super) fn plan(queries: &QueryVectors, k: usize) -> SearchPlan<'_> {
    SearchPlan {
        field: VECTOR,
        metric: Metric::L2,
        queries,
        k,
        partitions: None,
        filter: None,
        range: None,
        params: SearchParams::default(),
    }
}

/// The notes of a search, by a clock that moves whenever it is looked at. The hits are those of one without notes.
fn noted(view: &ShardView, plan: &SearchPlan<'_>) -> Vec<SegmentExplanation> {
    let ticks = AtomicU64::new(0);
    let now_us = || ticks.fetch_add(1, Ordering::Relaxed);
    let book = Notebook::new(&now_us);
    let found = search_told(view, plan, Cancel::never(), Some(&book)).unwrap();
    assert_eq!(found, search_told(view, plan, Cancel::never(), None).unwrap());
    book.into_segments()
}

fn index_of(view: &ShardView) -> Arc<dyn VectorIndex> {
    view.segments[0].segment.index(VECTOR).unwrap()
}

const QUERIES: [f32; 2 * DIM] = [0.3, 0.6, 0.2, 0.9, 0.8, 0.1, 0.5, 0.4];

/// One segment with an index, two queries: the way, and the numbers that the index itself gives.
fn check(
    index: (&str, &[(&str, &str)]),
    filter: &str,
    params: SearchParams,
    way: Way,
    effort: Option<(&str, u64)>,
) {
    let view = shard(6_000, Some(index), 0);
    for row in 0..100 {
        assert!(view.segments[0].segment.delete(row * 3, LogPosition(5)));
    }
    let filter = Filter::parse(filter, &view.schema).unwrap();
    let queries = QueryVectors::Float(QUERIES.to_vec());
    let plan = SearchPlan { filter: Some(&filter), params, ..plan(&queries, 10) };
    let [told] = &noted(&view, &plan)[..] else { panic!("one segment") };
    assert_eq!(
        (told.strategy, told.ways.len(), told.ways[0].searches),
        (way, 1, 2),
        "{index:?} {filter}: {told:?}"
    );
    assert_eq!((told.rows, told.deleted_rows, told.phase), (6_000, 100, SegmentPhase::Sealed));
    let matches = count(&view, None, Some(&filter), Cancel::never()).unwrap();
    assert_eq!((told.matches, told.estimated_matches), (matches, matches));
    assert_eq!(told.effort.as_ref().map(|effort| (effort.parameter.as_str(), effort.value)), effort);

    let mut bits = Bitmap::new(6_000, false);
    keys(&view, None, Some(&filter), Cancel::never())
        .unwrap()
        .iter()
        .for_each(|(_, row)| bits.set(row.row as usize, true));
    let index = index_of(&view);
    let outcomes: Vec<_> = QUERIES
        .chunks(DIM)
        .map(|query| index.search_explained(query, 10, &params, Some(&bits)).unwrap().stats)
        .collect();
    let sum = |of: fn(&vecraft_index::SearchStats) -> usize| outcomes.iter().map(of).sum::<usize>() as u64;
    assert_eq!(told.distances(), sum(|stats| stats.distances), "all distances of the index are told");
    assert_eq!(told.code_distances, sum(|stats| stats.coded));
    assert_eq!(told.centroid_distances, sum(|stats| stats.centroids));
    let vectors = (told.exact_distances + told.centroid_distances) * 4 * DIM as u64;
    let codes = told.code_distances * index.code_bytes() as u64;
    // Of int32 and int64 fields, each value is read once.
    let columns: u64 = filter.fields().iter().map(|field| if *field == KEY { 8 } else { 4 } * 6_000).sum();
    assert_eq!(told.bytes_touched, vectors + codes + columns);
    assert_eq!(told.filter_parts.len(), filter.parts().iter().filter(|part| !part.matches_all()).count());
    assert!(!told.why.is_empty() && told.filter_us > 0 && told.search_us > 0, "{told:?}");
}

const HNSW: (&str, &[(&str, &str)]) = ("HNSW", &[("M", "8"), ("efConstruction", "60")]);

#[test]
fn the_way_that_is_told_is_the_one_that_was_gone() {
    let params = SearchParams::default();
    check(HNSW, "", params, Way::GraphWalk, Some(("ef", 64)));
    check(HNSW, "age >= 5", SearchParams { ef: Some(20), ..params }, Way::GraphWalk, Some(("ef", 20)));
    check(HNSW, "age < 20", SearchParams { ef: Some(12), ..params }, Way::GraphTwoHop, Some(("ef", 12)));
    check(HNSW, "id < 300 and age < 40", params, Way::BruteForce, None);
    check(HNSW, "", SearchParams { recall: Some(1.0), ..params }, Way::BruteForce, None);
    check(("FLAT", &[]), "age < 20", params, Way::BruteForce, None);
    let sq = ("HNSW_SQ", &[("M", "8"), ("efConstruction", "60"), ("sq_type", "SQ8")][..]);
    check(sq, "", params, Way::GraphWalk, Some(("ef", 64)));
    let lists = &[("nlist", "32")][..];
    check(
        ("IVF_FLAT", lists),
        "",
        SearchParams { nprobe: Some(4), ..params },
        Way::ListsProbed,
        Some(("nprobe", 4)),
    );
    check(("IVF_SQ8", lists), "age < 20", params, Way::ListsProbed, Some(("nprobe", 8)));
    check(("SCANN", lists), "", params, Way::ListsProbed, Some(("nprobe", 8)));
}

#[test]
fn who_set_the_effort_is_told_and_what_recall_to_expect() {
    let view = shard(6_000, Some(HNSW), 0);
    let queries = QueryVectors::Float(QUERIES.to_vec());
    let asked = |params| {
        let plan = SearchPlan { params, ..plan(&queries, 10) };
        noted(&view, &plan).pop().unwrap()
    };
    let params = SearchParams::default();
    for (params, by) in [
        (params, "default"),
        (SearchParams { ef: Some(30), ..params }, "given"),
        (SearchParams { level: Some(3), ..params }, "level 3"),
        (SearchParams { recall: Some(0.9), ..params }, "recall 0.9"),
    ] {
        let told = asked(params);
        assert_eq!(told.effort.unwrap().set_by, by);
        assert!(told.expected_recall.is_some_and(|recall| recall > 0.5 && recall <= 1.0), "{by}");
    }
}

#[test]
fn a_segment_without_a_usable_index_is_scanned_and_says_why() {
    let view = shard(500, None, 200);
    let queries = QueryVectors::Float(QUERIES.to_vec());
    let told = noted(&view, &plan(&queries, 10));
    let whys: Vec<&str> = told.iter().map(|told| told.why.as_str()).collect();
    assert_eq!(
        whys,
        ["the segment has no index on the field", "the segment is growing: it has no index yet"]
    );
    let distances: Vec<u64> = told.iter().map(|told| told.exact_distances).collect();
    assert_eq!((distances, told[1].phase), (vec![2 * 500, 2 * 200], SegmentPhase::Growing));
    assert!(told.iter().all(|told| told.strategy == Way::ExactScan && told.expected_recall == Some(1.0)));

    let view = shard(6_000, Some(HNSW), 0);
    let other = SearchPlan { metric: Metric::Ip, ..plan(&queries, 10) };
    assert_eq!(noted(&view, &other)[0].why, "the index is for L2");
    let nothing = Filter::parse("age > 100", &view.schema).unwrap();
    let none = &noted(&view, &SearchPlan { filter: Some(&nothing), ..plan(&queries, 10) })[0];
    assert_eq!((none.strategy, none.distances(), none.matches), (Way::NoMatch, 0, 0));
    // Everything is in the range, and fewer are wanted than there are.
    let wide = SearchPlan { range: Some(Range { from: 0.0, below: 9.0 }), ..plan(&queries, 10) };
    let wide = &noted(&view, &wide)[0];
    assert_eq!((wide.strategy, wide.expected_recall), (Way::GraphWalk, None));
}

#[test]
fn groups_and_pages_are_told_too() {
    let view = shard(6_000, Some(HNSW), 100);
    let query = QueryVectors::Float(QUERIES[..DIM].to_vec());
    let ticks = AtomicU64::new(0);
    let now_us = || ticks.fetch_add(1, Ordering::Relaxed);
    let book = Notebook::new(&now_us);
    let by = GroupBy { field: AGE, size: 1, is_strict: false };
    search_groups(&view, &plan(&query, 3), &by, Cancel::never(), Some(&book)).unwrap();
    let told = book.into_segments();
    assert_eq!((told[0].strategy, told[1].strategy), (Way::GraphWalk, Way::ExactScan));
    assert!(told.iter().all(|told| told.expected_recall.is_none()), "nothing was measured for groups");

    let book = Notebook::new(&now_us);
    let bounds = PageBounds { after: None, rows_max: usize::MAX };
    search_page(&view, &plan(&query, 3), bounds, Cancel::never(), Some(&book)).unwrap();
    let told = book.into_segments();
    let compared: Vec<u64> = told.iter().map(|told| told.exact_distances).collect();
    assert_eq!(compared, [6_000, 100]);
    assert!(told[0].why.contains("a page compares every row"), "{}", told[0].why);
}
