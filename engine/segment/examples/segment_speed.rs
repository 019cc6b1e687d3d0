//! Times a segment's life: append, search (by one thread, and by all), seal, open, rebuild keys.
//!
//! `cargo run --release -p vecraft-segment --example segment_speed -- [rows] [dim]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Instant;
use vecraft_index::SearchParams;
use vecraft_segment::exec::{Cancel, ScanPlan, SearchPlan, count, fetch, scan, search, visit_keys};
use vecraft_segment::{GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use vecraft_storage::{Disk, RealDisk};
use vecraft_types::*;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let rows = arguments.next().unwrap_or(1_000_000);
    let dim = arguments.next().unwrap_or(128);
    let schema = Arc::new(CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: dim as u32 }),
        FieldSchema::new("age", DataType::Int32),
    ]));
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(1), Arc::clone(&schema)));
    let batches: Vec<RowBatch> = (0..10).map(|n| batch(n * 100, 100, dim)).collect();
    timed(&format!("append {rows} x {dim} in batches of 100"), || {
        for n in 0..rows / 100 {
            let mut batch = batches[n % 10].clone();
            batch.columns[0].data = ColumnData::Int64((n as i64 * 100..(n as i64 + 1) * 100).collect());
            growing.append(&batch, LogPosition(n as u64 + 1), Timestamp(n as u64 + 1)).unwrap();
        }
    });
    println!("  {} MiB in use, {} reserved", growing.bytes() >> 20, growing.reserved_bytes() >> 20);
    (0..rows as u32 / 100).for_each(|row| _ = growing.deletes().delete(row * 100, LogPosition(u64::MAX - 1)));
    let last = LogPosition(u64::MAX - 1);
    let view =
        |segment| ShardView::of(ShardId::default(), last, Timestamp(1), Arc::clone(&schema), [segment]);
    reads("growing", &view(Segment::Growing(Arc::clone(&growing))), dim);

    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let manifest =
        timed("write and sync the file", || write_segment(&disk, "s", &growing, growing.rows()).unwrap());
    println!("  {} MiB", manifest.files[0].bytes >> 20);
    let deletes = Arc::clone(growing.deletes());
    let sealed = timed("open the file", || {
        SealedSegment::open(&*disk, &manifest, Arc::clone(&schema), deletes).unwrap()
    });
    let sealed = view(Segment::Sealed(Arc::new(sealed)));
    timed("visit all keys, first time", || {
        let mut sum = 0u64;
        visit_keys(&sealed, None, None, Cancel::never(), &mut |key, _| sum ^= key.stable_hash()).unwrap();
        sum
    });
    timed("first search, which verifies the vectors", || {
        search(&sealed, &plan(&QueryVectors::from(vec![0.5; dim])), Cancel::never())
    })
    .unwrap();
    reads("sealed, no index", &sealed, dim);
}

fn reads(name: &str, view: &ShardView, dim: usize) {
    println!("{name}");
    let query = QueryVectors::from(vec![0.5; dim]);
    let never = Cancel::never();
    let hits = compared("  exact search, k = 10", || search(view, &plan(&query), never).unwrap());
    let filter = vecraft_expr::Filter::parse("age < 10", &view.schema).unwrap();
    let filtered = SearchPlan { filter: Some(&filter), ..plan(&query) };
    compared("  exact search, 10 % by filter", || search(view, &filtered, never).unwrap());
    let many = QueryVectors::from(vec![0.5; 32 * dim]);
    compared("  exact search, 32 queries at once", || search(view, &plan(&many), never).unwrap());
    timed("  count(*)", || count(view, None, None, never).unwrap());
    timed("  count with filter", || count(view, None, Some(&filter), never).unwrap());
    let page = ScanPlan { limit: Some(100), filter: Some(&filter), ..ScanPlan::default() };
    timed("  first 100 by key with filter", || scan(view, &page, never).unwrap());
    let rows: Vec<_> = hits[0].iter().map(|hit| hit.address).collect();
    timed("  fetch 10 rows", || fetch(view, &rows, &[FieldId(100), FieldId(101)]).unwrap());
}

fn plan(queries: &QueryVectors) -> SearchPlan<'_> {
    let params = SearchParams::default();
    SearchPlan {
        field: FieldId(101),
        metric: Metric::L2,
        queries,
        k: 10,
        partitions: None,
        filter: None,
        range: None,
        params,
    }
}

fn batch(seed: usize, rows: usize, dim: usize) -> RowBatch {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state >> 33
    };
    let values = (0..rows * dim).map(|_| next() as f32 / (1u64 << 31) as f32).collect();
    RowBatch::new(vec![
        Column::new(FieldId(100), ColumnData::Int64(vec![0; rows])),
        Column::new(FieldId(101), ColumnData::FloatVector { dim: dim as u32, values }),
        Column::new(FieldId(102), ColumnData::Int32((0..rows).map(|_| (next() % 100) as i32).collect())),
    ])
    .unwrap()
}

/// The best of some runs on one thread, on all, and how many times faster these are. The answers must be the same.
fn compared<T: PartialEq + Send>(what: &str, work: impl Fn() -> T + Send + Sync) -> T {
    let best = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let once = || {
            let start = Instant::now();
            let answer = std::hint::black_box(pool.install(&work));
            (start.elapsed().as_secs_f64() * 1000.0, answer)
        };
        (0..RUNS).map(|_| once()).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    };
    let threads = std::thread::available_parallelism().unwrap().get();
    let (one, all) = (best(1), best(threads));
    assert!(one.1 == all.1, "the answer depends on the threads");
    println!("{what}: {:.2} ms by one thread, {:.2} by {threads} ({:.2} times)", one.0, all.0, one.0 / all.0);
    all.1
}

/// Runs of which the best counts.
const RUNS: usize = 25;

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = std::hint::black_box(work());
    println!("{what}: {:.2} ms", start.elapsed().as_secs_f64() * 1000.0);
    answer
}
