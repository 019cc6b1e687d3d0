//! Searches that an index would answer by comparing every row: by all threads, and not to the end when nobody waits any more.
#![allow(clippy::unwrap_used)]

use super::explain::spec;
use crate::exec::*;
use crate::testing::mix;
use crate::{Error, GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vecraft_index::{Range, SearchParams, Unwatched};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::api::SegmentStrategy as Way;
use vecraft_types::{
    CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, LogPosition, Metric, PartitionId,
    QueryVectors, RowBatch, SegmentId, ShardId, Timestamp,
};

const VECTOR: FieldId = FieldId(101);
const ROWS: usize = 9_000;
/// So many that comparing all rows is worth a second thread.
const DIM: usize = 512;

fn values(first: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|at| (mix(first + at) >> 40) as f32 / (1u64 << 24) as f32).collect()
}

fn segment() -> (Arc<SealedSegment>, ShardView) {
    let schema = Arc::new(CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
    ]));
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(1), Arc::clone(&schema));
    let keys = ColumnData::Int64((0..ROWS as i64).collect());
    let vectors = ColumnData::FloatVector { dim: DIM as u32, values: values(1, ROWS * DIM) };
    let columns = vec![Column::new(FieldId(100), keys), Column::new(VECTOR, vectors)];
    growing.append(&RowBatch::new(columns).unwrap(), LogPosition(1), Timestamp(1)).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let file = write_segment(&disk, "1.seg", &growing, growing.rows()).unwrap();
    let deletes = Arc::clone(growing.deletes());
    let sealed = Arc::new(SealedSegment::open(&*disk, &file, Arc::clone(&schema), deletes).unwrap());
    let segments = [Segment::Sealed(Arc::clone(&sealed))];
    let view = ShardView::of(ShardId::default(), LogPosition(9), Timestamp(9), schema, segments);
    (sealed, view)
}

fn by_threads<T: Send>(threads: usize, job: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(job)
}

#[test]
fn what_an_index_would_compare_is_compared_by_all_threads_and_ends_when_it_is_not_wanted() {
    let (sealed, view) = segment();
    let queries = QueryVectors::Float(values(77, 3 * DIM));
    let all = SearchParams { recall: Some(1.0), ..SearchParams::default() };
    let graph = &[("M", "4"), ("efConstruction", "8")][..];
    let far = Range { from: f32::NEG_INFINITY, below: 1.0 };
    for (kind, params, effort, k, range) in [
        ("FLAT", &[][..], SearchParams::default(), 10, None),
        ("IVF_FLAT", &[("nlist", "8")][..], all, 10, None),
        ("IVF_SQ8", &[("nlist", "8")][..], SearchParams::default(), 5_000, None),
        ("HNSW", graph, SearchParams::default(), 5_000, None),
        ("HNSW", graph, SearchParams::default(), 10, Some(far)),
    ] {
        let plan = SearchPlan {
            field: VECTOR,
            metric: Metric::L2,
            queries: &queries,
            k,
            partitions: None,
            filter: None,
            range,
            params: effort,
        };
        let truth = search_told(&view, &plan, Cancel::never(), None).unwrap();
        let rows = sealed.vector_rows(VECTOR).unwrap();
        let index = vecraft_index::build(&spec(kind, params), Metric::L2, rows, &Unwatched).unwrap();
        sealed.attach_index(VECTOR, index).unwrap();

        let now_us = || 0;
        let book = Notebook::new(&now_us);
        let found = by_threads(2, || search_told(&view, &plan, Cancel::never(), Some(&book)).unwrap());
        assert_eq!(found, truth, "{kind}");
        let told = book.into_segments().remove(0);
        let way = if range.is_some() { Way::ExactScan } else { Way::BruteForce };
        assert_eq!((told.strategy, told.expected_recall), (way, Some(1.0)), "{kind}");
        let distances = told.exact_distances as usize;
        assert!((3 * ROWS..4 * ROWS).contains(&distances), "{kind}: {distances} distances");

        // It is asked once for each query, then at least once for each 256 rows.
        for most in [4, 12, 30] {
            let asked = AtomicUsize::new(0);
            let is_cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= most;
            let ended = by_threads(1, || search(&view, &plan, Cancel::when(&is_cancelled)));
            assert!(matches!(ended, Err(Error::Cancelled)), "{kind}");
            assert_eq!(asked.load(Ordering::Relaxed), most + 1, "{kind}: who is told to stop asks no more");
        }
        sealed.detach_index(VECTOR).unwrap();
    }
}
