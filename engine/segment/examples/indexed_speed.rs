//! Times searches of one sealed segment by its index: one query and several in a call, without deletes and with a tenth of the
//! rows deleted all over it.
//!
//! `cargo run --release -p vecraft-segment --example indexed_speed -- [rows] [dim] [index type]`; RAYON_NUM_THREADS says
//! by how many threads.
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use vecraft_index::{IndexSpec, SearchParams, Unwatched};
use vecraft_segment::exec::{Cancel, SearchPlan, search};
use vecraft_segment::{GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use vecraft_storage::{Disk, RealDisk};
use vecraft_types::*;

const VECTOR: FieldId = FieldId(101);
const BATCH: usize = 10_000;
/// Calls timed each.
const CALLS: usize = 201;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |unasked: usize| arguments.next().map_or(unasked, |text| text.parse().unwrap());
    let (rows, dim) = (number(1_000_000), number(16));
    let kind = arguments.next().unwrap_or_else(|| "IVF_FLAT".to_owned());
    let schema = Arc::new(CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: dim as u32 }),
    ]));
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(1), Arc::clone(&schema));
    for first in (0..rows).step_by(BATCH) {
        let keys: Vec<i64> = (first..(first + BATCH).min(rows)).map(|key| key as i64).collect();
        let values = numbers(first * dim, keys.len() * dim);
        let columns = vec![
            Column::new(FieldId(100), ColumnData::Int64(keys)),
            Column::new(VECTOR, ColumnData::FloatVector { dim: dim as u32, values }),
        ];
        let at = first as u64 + 1;
        growing.append(&RowBatch::new(columns).unwrap(), LogPosition(at), Timestamp(at)).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let manifest = write_segment(&disk, "s", &growing, growing.rows()).unwrap();
    let deletes = Arc::clone(growing.deletes());
    let sealed = SealedSegment::open(&*disk, &manifest, Arc::clone(&schema), deletes).unwrap();
    let params = match kind.as_str() {
        "IVF_FLAT" => BTreeMap::from([("nlist".to_owned(), "512".to_owned())]),
        _ => BTreeMap::from([
            ("M".to_owned(), "16".to_owned()),
            ("efConstruction".to_owned(), "60".to_owned()),
        ]),
    };
    let spec = IndexSpec::parse(&kind, &params).unwrap();
    let vectors = sealed.vector_rows(VECTOR).unwrap();
    let index = vecraft_index::build(&spec, Metric::L2, vectors, &Unwatched).unwrap();
    sealed.attach_index(VECTOR, index).unwrap();
    let segment = Segment::Sealed(Arc::new(sealed));
    let view = |position: u64| {
        let at = (LogPosition(position), Timestamp(position));
        ShardView::of(ShardId::default(), at.0, at.1, Arc::clone(&schema), [segment.clone()])
    };
    let last = rows as u64 + 1;
    println!("{rows} x {dim}, {kind}, {} threads", rayon::current_num_threads());
    searches("no deletes", &view(last), dim);
    (0..rows as u32).step_by(10).for_each(|row| assert!(segment.delete(row, LogPosition(last + 1))));
    searches("a tenth deleted", &view(last + 1), dim);
    searches("a tenth deleted, before the deletes", &view(last), dim);
}

fn searches(name: &str, view: &ShardView, dim: usize) {
    for count in [1, 2, 8, 32] {
        let mut took: Vec<u128> = (0..CALLS)
            .map(|call| {
                let queries = QueryVectors::from(numbers(call * 7_919 * dim, count * dim));
                let params = SearchParams { nprobe: Some(1), ..SearchParams::default() };
                let plan = SearchPlan {
                    field: VECTOR,
                    metric: Metric::L2,
                    queries: &queries,
                    k: 10,
                    partitions: None,
                    filter: None,
                    range: None,
                    params,
                };
                let began = Instant::now();
                let hits = search(view, &plan, Cancel::never()).unwrap();
                let took = began.elapsed().as_micros();
                assert!(hits.iter().all(|hits| hits.len() == 10));
                took
            })
            .collect();
        took.sort_unstable();
        println!("  {name}, {count} queries a call: median {} us", took[CALLS / 2]);
    }
}

/// Numbers that look random, the same each time.
fn numbers(first: usize, count: usize) -> Vec<f32> {
    (first..first + count)
        .map(|at| ((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) >> 40) as f32 / 1e7)
        .collect()
}
