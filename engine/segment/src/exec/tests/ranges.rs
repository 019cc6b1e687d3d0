//! Ranges by indexes that overlook rows, against a list of all rows: never fewer hits than there are.
#![allow(clippy::unwrap_used)]

use super::explain::{plan, shard, spec};
use super::fakes::{Fake, with_fake};
use crate::exec::*;
use crate::testing::{DIM, PACKED, Row, VECTOR, batch, mix, packed, schema};
use crate::{GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_expr::Filter;
use vecraft_index::{Range, SearchParams, Unwatched};
use vecraft_kernel::PackedQuery;
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::api::SegmentStrategy as Way;
use vecraft_types::{FieldId, LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp};

const ROWS: u64 = 5_000;
const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

/// A row near one of a few places, so that some rows are near to each other and most are far.
fn clustered(key: u64) -> Row {
    let part = |seed: u64| (mix(seed) >> 40) as f32 / (1u64 << 24) as f32;
    let place = mix(key * 17) % 40;
    let vector = std::array::from_fn(|at| {
        part(place * 1_000_003 + at as u64) * 8.0 - 4.0 + part(key * DIM as u64 + at as u64) - 0.5
    });
    Row { key: key as i64, name: format!("n{}", key % 7), age: Some((key % 50) as i32), vector }
}

fn sealed() -> Arc<SealedSegment> {
    let schema = Arc::new(schema());
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(1), Arc::clone(&schema));
    let rows: Vec<Row> = (0..ROWS).map(clustered).collect();
    growing.append(&batch(&rows), LogPosition(1), Timestamp(1)).unwrap();
    (0..ROWS as u32).step_by(11).for_each(|row| assert!(growing.deletes().delete(row, LogPosition(2))));
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let file = write_segment(&disk, "1.seg", &growing, growing.rows()).unwrap();
    Arc::new(SealedSegment::open(&*disk, &file, schema, Arc::clone(growing.deletes())).unwrap())
}

fn view(sealed: &Arc<SealedSegment>) -> ShardView {
    let at = (LogPosition(9), Timestamp(9));
    let segments = [Segment::Sealed(Arc::clone(sealed))];
    ShardView::of(ShardId::default(), at.0, at.1, Arc::clone(sealed.schema()), segments)
}

/// A number that nothing is near to: between two distances that follow each other, so that the last bit decides nothing.
fn between(sorted: &[f32], at: usize) -> f32 {
    let gap = |at: usize| sorted.get(at + 1).is_some_and(|next| next - sorted[at] > 1e-4);
    let at = (at..sorted.len()).find(|at| gap(*at)).unwrap_or(0);
    sorted.get(at + 1).map_or(f32::MAX, |next| (sorted[at] + next) / 2.0)
}

/// Many ranges of one query: `distance` is how far a row is.
fn check(view: &ShardView, seed: u64, plan: &SearchPlan<'_>, distance: impl Fn(&Row) -> f32, what: &str) {
    for (number, text) in ["", "age < 35", "age < 4", "id < 3000 and age > 20"].into_iter().enumerate() {
        let filter = Filter::parse(text, &view.schema).unwrap();
        let is_match = |key: u64| {
            let age = key % 50;
            !key.is_multiple_of(11) && [true, age < 35, age < 4, key < 3_000 && age > 20][number]
        };
        let matching: Vec<(u32, f32)> = (0..ROWS)
            .filter(|key| is_match(*key))
            .map(|key| (key as u32, distance(&clustered(key))))
            .collect();
        let mut sorted: Vec<f32> = matching.iter().map(|(_, distance)| *distance).collect();
        sorted.sort_by(f32::total_cmp);
        for round in 0..12 {
            let random = |salt: u64, below: usize| mix(seed * 1_009 + round * 31 + salt) as usize % below;
            let within = [3, 12, 60, 400, 3_000][random(1, 5)];
            let below = between(&sorted, random(2, within).min(sorted.len() - 1));
            let inner = between(&sorted, random(3, within).min(sorted.len() - 1));
            let has_inner = random(4, 2) == 0 && inner < below;
            let range = Range { from: if has_inner { inner } else { f32::NEG_INFINITY }, below };
            let k = [1, 7, 10, 100, 1_000][random(5, 5)];
            let inside: BTreeSet<u32> =
                matching.iter().filter(|(_, far)| range.contains(*far)).map(|(row, _)| *row).collect();
            let plan = SearchPlan { k, range: Some(range), filter: Some(&filter), ..*plan };
            let found = search_told(view, &plan, Cancel::never(), None).unwrap().remove(0);
            let what =
                format!("{what}, {:?}, {text:?}, {range:?}, k {k}: {} inside", plan.metric, inside.len());
            assert_eq!(found.hits.len(), k.min(inside.len()), "{what}");
            let told: BTreeSet<u32> = found.hits.iter().map(|hit| hit.address.row).collect();
            assert!(told.len() == found.hits.len() && told.is_subset(&inside), "{what}");
            assert!(found.hits.is_sorted_by(|a, b| a.distance <= b.distance), "{what}");
            if inside.len() < k {
                assert_eq!(found.recall, Some(1.0), "{what}: so few can only be known by comparing");
            }
        }
    }
}

#[test]
fn p5_a_range_gives_min_of_k_and_the_rows_inside_whatever_index_and_however_little_it_looks() {
    let sealed = sealed();
    let lists = &[("nlist", "64")][..];
    let graph = &[("M", "2"), ("efConstruction", "4")][..];
    let little = SearchParams { ef: Some(1), nprobe: Some(1), ..SearchParams::default() };
    let unrefined = SearchParams { refine_k: Some(1.0), ..little };
    for (kind, params, search) in [
        ("HNSW", graph, little),
        ("HNSW", &[("M", "8"), ("efConstruction", "40")], SearchParams::default()),
        ("HNSW_SQ", &[("M", "2"), ("efConstruction", "4"), ("sq_type", "SQ4")], unrefined),
        ("IVF_FLAT", lists, little),
        ("IVF_SQ8", lists, unrefined),
        ("IVF_PQ", &[("nlist", "64"), ("m", "2"), ("nbits", "4")], unrefined),
        ("SCANN", lists, SearchParams { reorder_k: Some(1), refine_k: None, ..unrefined }),
        ("HNSWLIB", graph, little),
        ("FLAT", &[], little),
    ] {
        for metric in METRICS {
            let rows = sealed.vector_rows(VECTOR).unwrap();
            let index = vecraft_index::build(&spec(kind, params), metric, rows, &Unwatched).unwrap();
            sealed.attach_index(VECTOR, index).unwrap();
            for seed in 0..4 {
                let query: Vec<f32> = clustered(seed * 997 + 5).vector.iter().map(|x| x + 0.2).collect();
                let queries = QueryVectors::Float(query.clone());
                let plan = SearchPlan { metric, params: search, ..plan(&queries, 1) };
                let distance = |row: &Row| vecraft_kernel::distance(metric, &query, &row.vector);
                check(&view(&sealed), seed, &plan, distance, kind);
            }
        }
    }
}

#[test]
fn p5_ranges_of_bits_hold_too() {
    let sealed = sealed();
    let (field, kind, dim) = PACKED[0];
    for metric in [Metric::Hamming, Metric::Jaccard] {
        let rows = sealed.vector_rows(field).unwrap();
        let index = vecraft_index::build(&spec("BIN_IVF_FLAT", &[("nlist", "32")]), metric, rows, &Unwatched);
        sealed.attach_index(field, index.unwrap()).unwrap();
        for seed in 0..4 {
            let bytes = packed(seed as i64 * 5, kind, dim);
            let query = PackedQuery::new(metric, kind, &bytes).unwrap();
            let queries = QueryVectors::Packed { kind, bytes };
            let params = SearchParams { nprobe: Some(1), ..SearchParams::default() };
            let plan = SearchPlan { field, metric, params, ..plan(&queries, 1) };
            let distance = |row: &Row| query.distance(&packed(row.key, kind, dim));
            check(&view(&sealed), seed, &plan, distance, "BIN_IVF_FLAT");
        }
    }
}

/// The first 2,000 rows of `shard`, by an index that overlooks every third row as long as it can.
fn overlooking() -> ShardView {
    with_fake(shard(2_000, None, 0), Fake::new(3, 0))
}

#[test]
fn rows_that_an_index_overlooks_are_found_when_the_range_is_not_filled_without_them() {
    let view = overlooking();
    let queries = QueryVectors::Float(vec![0.5; DIM]);
    let mut all: Vec<(f32, u32)> = (0..2_000)
        .map(|key| {
            let far = vecraft_kernel::distance(Metric::L2, &[0.5; DIM], &super::explain::spread(key).vector);
            (far, key as u32)
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let far = |at: usize| (all[at].0 + all[at + 1].0) / 2.0;
    let hits = |from: f32, below: f32, k: usize| {
        let plan = SearchPlan { range: Some(Range { from, below }), ..plan(&queries, k) };
        let book_us = || 0;
        let book = Notebook::new(&book_us);
        let hits = search_told(&view, &plan, Cancel::never(), Some(&book)).unwrap().remove(0).hits;
        let rows: Vec<u32> = hits.iter().map(|hit| hit.address.row).collect();
        (rows, book.into_segments().remove(0))
    };
    let nearest = |rows: std::ops::Range<usize>| all[rows].iter().map(|(_, row)| *row).collect::<Vec<u32>>();
    // Ten rows lie inside, some of which the index overlooks.
    let (rows, told) = hits(f32::NEG_INFINITY, far(9), 10);
    assert_eq!((rows, told.strategy), (nearest(0..10), Way::ExactScan));
    assert!(told.why.contains("fewer rows in the range than wanted"), "{}", told.why);
    assert_eq!(told.ways.len(), 1, "looks that gave no answer are no ways: {:?}", told.ways);
    assert!(told.exact_distances > 2_000, "but they cost something");
    // The near bound: what is nearer takes no places away.
    assert_eq!(hits(far(29), far(34), 10).0, nearest(30..35));
    assert_eq!(hits(far(29), far(49), 10).0.len(), 10);
    // Filled by what the index finds: no scan.
    let (rows, told) = hits(f32::NEG_INFINITY, far(200), 10);
    assert_eq!((rows.len(), told.strategy), (10, Way::GraphWalk));
    assert_eq!(told.expected_recall, None);
}

#[test]
fn groups_in_a_range_are_all_there() {
    let view = overlooking();
    let queries = QueryVectors::Float(vec![0.5; DIM]);
    let range = Range { from: 0.02, below: 0.06 };
    let inside: BTreeSet<u64> = (0..2_000u64)
        .filter(|key| {
            let row = super::explain::spread(*key);
            range.contains(vecraft_kernel::distance(Metric::L2, &[0.5; DIM], &row.vector))
        })
        .collect();
    let ages: BTreeSet<u64> = inside.iter().map(|key| key % 50).collect();
    assert!(ages.len() > 10 && ages.len() < 50, "{}", ages.len());
    for (k, is_strict) in [(50, false), (50, true), (5, false)] {
        let plan = SearchPlan { range: Some(range), ..plan(&queries, k) };
        let by = GroupBy { field: FieldId(102), size: 2, is_strict };
        let found = search_groups(&view, &plan, &by, Cancel::never(), None).unwrap().remove(0);
        let told: BTreeSet<u64> = found.iter().map(|hit| u64::from(hit.address.row) % 50).collect();
        assert_eq!(told.len(), k.min(ages.len()), "k {k}, strict {is_strict}");
        assert!(found.iter().all(|hit| inside.contains(&u64::from(hit.address.row))));
    }
}
