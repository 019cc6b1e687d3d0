//! Refusals, cancelling, newer fields, indexes, and readers beside the writer.
#![allow(clippy::unwrap_used)]

use crate::exec::*;
use crate::testing::{DIM, KEY, NAME, PACKED, Row, VECTOR, batch, schema};
use crate::{Error, GrowingSegment, SealedSegment, Segment, ShardView, ViewRegistry, write_segment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use vecraft_expr::Filter;
use vecraft_index::{Flat, SearchParams, VectorRows};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::{
    ColumnData, DataType, FieldId, FieldSchema, LogPosition, Metric, Packed, PartitionId, PrimaryKey,
    QueryVectors, SegmentId, ShardId, Timestamp, Value,
};

fn filled(rows: u64) -> (Arc<GrowingSegment>, ShardView) {
    let schema = Arc::new(schema());
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(0), Arc::clone(&schema)));
    let rows: Vec<Row> = (0..rows).map(Row::random).collect();
    growing.append(&batch(&rows), LogPosition(1), Timestamp(1)).unwrap();
    let segment = Segment::Growing(Arc::clone(&growing));
    (growing, ShardView::of(ShardId::default(), LogPosition(1), Timestamp(1), schema, [segment]))
}

fn floats(values: &[f32]) -> QueryVectors {
    QueryVectors::Float(values.to_vec())
}

fn plan(queries: &QueryVectors, k: usize) -> SearchPlan<'_> {
    let params = SearchParams::default();
    SearchPlan {
        field: VECTOR,
        metric: Metric::L2,
        queries,
        k,
        partitions: None,
        filter: None,
        range: None,
        params,
    }
}

#[test]
fn wrong_requests_are_refused() {
    let (_, view) = filled(10);
    let never = Cancel::never();
    assert!(matches!(
        search(&view, &plan(&floats(&[0.0; 5]), 1), never),
        Err(Error::Dimension { expected: 4, got: 5 })
    ));
    let four = floats(&[0.0; 4]);
    let on_key = SearchPlan { field: KEY, ..plan(&four, 1) };
    assert!(matches!(search(&view, &on_key, never), Err(Error::Field { field: KEY, .. })));
    let refusal = |plan: &SearchPlan<'_>| match search(&view, plan, never) {
        Err(Error::Field { field, what }) => {
            assert_eq!(field, plan.field);
            what
        }
        other => panic!("{other:?}"),
    };
    let (bits, bytes) = ((PACKED[0].0, Metric::Hamming), (PACKED[3].0, Metric::L2));
    let of = |kind: Packed, bytes: usize| QueryVectors::Packed { kind, bytes: vec![0; bytes] };
    let two = of(Packed::Bit, 4);
    let on = |(field, metric), queries| SearchPlan { field, metric, ..plan(queries, 1) };
    assert_eq!(search(&view, &on(bits, &two), never).unwrap().len(), 2);
    assert_eq!(refusal(&on(bits, &four)), "is BinaryVector, not FloatVector");
    assert_eq!(refusal(&on(bytes, &two)), "is Int8Vector, not BinaryVector");
    assert_eq!(refusal(&on((VECTOR, Metric::L2), &two)), "is FloatVector, not BinaryVector");
    assert_eq!(refusal(&on((bits.0, Metric::L2), &two)), "is not compared by L2");
    assert_eq!(refusal(&on((VECTOR, Metric::Hamming), &four)), "is not compared by HAMMING");
    let torn = of(Packed::Bit, 3);
    assert!(matches!(search(&view, &on(bits, &torn), never), Err(Error::Dimension { expected: 16, .. })));
    let row = |segment, row| [RowAddress { segment: SegmentId(segment), row }];
    assert!(matches!(fetch(&view, &row(2, 0), &[KEY]), Err(Error::UnknownSegment(SegmentId(2)))));
    assert!(matches!(fetch(&view, &row(1, 10), &[KEY]), Err(Error::UnknownRow { row: 10, rows: 10, .. })));
    assert!(fetch(&view, &row(1, 9), &[KEY, NAME]).is_ok());
    assert_eq!(search(&view, &plan(&floats(&[]), 5), never).unwrap().len(), 0);
    assert_eq!(search(&view, &plan(&floats(&[0.0; 4]), 0), never).unwrap(), vec![vec![]]);
}

#[test]
fn i10_the_keys_an_entry_wrote_are_told_in_order_deleted_ones_and_those_of_files_too() {
    let schema = Arc::new(schema());
    let rows: Vec<Row> = (0..3_000).map(Row::random).collect();
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let make = |id: u64, from: usize| {
        let growing = GrowingSegment::new(SegmentId(id), PartitionId(id), Arc::clone(&schema));
        for at in from..from + 3 {
            let position = LogPosition(at as u64);
            growing.append(&batch(&rows[at * 500..(at + 1) * 500]), position, Timestamp(1)).unwrap();
        }
        growing
    };
    let (first, second) = (make(1, 0), make(2, 3));
    let file = write_segment(&disk, "1.seg", &first, first.rows()).unwrap();
    let sealed = SealedSegment::open(disk.as_ref(), &file, Arc::clone(&schema), Arc::clone(first.deletes()));
    let segments = [Segment::Sealed(Arc::new(sealed.unwrap())), Segment::Growing(Arc::new(second))];
    segments.iter().for_each(|segment| assert!(segment.delete(600, LogPosition(9))));
    let view = ShardView::of(ShardId::default(), LogPosition(9), Timestamp(1), schema, segments);
    for at in 1..6 {
        let keys: Vec<PrimaryKey> =
            rows[at * 500..(at + 1) * 500].iter().map(|row| PrimaryKey::Int64(row.key)).collect();
        assert_eq!(written_by(&view, LogPosition(at as u64)).unwrap(), keys);
    }
    assert!(written_by(&view, LogPosition(7)).unwrap().is_empty());
}

#[test]
fn a_cancelled_read_ends_with_an_error_and_soon() {
    let (_, view) = filled(20_000);
    let asked = AtomicUsize::new(0);
    let is_cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= 5;
    let cancel = Cancel::when(&is_cancelled);
    assert!(matches!(search(&view, &plan(&floats(&[0.0; 4]), 5), cancel), Err(Error::Cancelled)));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
    assert!(matches!(count(&view, None, None, cancel), Err(Error::Cancelled)));
    assert!(matches!(scan(&view, &ScanPlan::default(), cancel), Err(Error::Cancelled)));
}

#[test]
fn fields_newer_than_the_rows_read_as_default_or_null() {
    let (_, mut view) = filled(70);
    let mut newer = (*view.schema).clone();
    let mut level = FieldSchema::new("level", DataType::Int64);
    level.id = FieldId(120);
    level.default_value = Some(Value::Int(7));
    let mut city = FieldSchema::new("city", DataType::VarChar { max_length: 9 });
    city.id = FieldId(121);
    city.nullable = true;
    newer.fields.extend([level, city]);
    view.schema = Arc::new(newer);
    let number = |text: &str| {
        count(&view, None, Some(&Filter::parse(text, &view.schema).unwrap()), Cancel::never()).unwrap()
    };
    assert_eq!((number("level == 7"), number("level == 8"), number("city is null")), (70, 0, 70));
    let address = RowAddress { segment: SegmentId(1), row: 3 };
    let fetched = fetch(&view, &[address], &[FieldId(121), FieldId(120)]).unwrap();
    assert!(fetched.columns[0].is_null(0));
    assert_eq!(fetched.columns[1].data, ColumnData::Int64(vec![7]));
}

#[test]
fn an_index_over_other_rows_is_refused_and_one_of_another_metric_not_used() {
    let (growing, _) = filled(300);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let manifest = write_segment(&disk, "s", &growing, 300).unwrap();
    let sealed =
        SealedSegment::open(&*disk, &manifest, Arc::clone(growing.schema()), Arc::clone(growing.deletes()))
            .unwrap();
    let other = VectorRows::from_vec(DIM, vec![0.0; DIM * 299]).unwrap();
    assert!(sealed.attach_index(VECTOR, Arc::new(Flat::new(Metric::L2, other))).is_err());
    assert!(
        sealed
            .attach_index(KEY, Arc::new(Flat::new(Metric::L2, sealed.vector_rows(VECTOR).unwrap())))
            .is_err()
    );
    let zeros = VectorRows::from_vec(DIM, vec![0.0; DIM * 300]).unwrap();
    sealed.attach_index(VECTOR, Arc::new(Flat::new(Metric::L2, zeros))).unwrap();
    let (bits, kind, dim) = PACKED[0];
    let unset = VectorRows::from_packed(kind, dim as usize, 300, vec![0; 600].into()).unwrap();
    sealed.attach_index(bits, Arc::new(Flat::new(Metric::Hamming, unset))).unwrap();
    let sealed = Segment::Sealed(Arc::new(sealed));
    let view = ShardView::of(ShardId::default(), LogPosition(1), Timestamp(1), Arc::new(schema()), [sealed]);
    let hits = |metric| {
        search(&view, &SearchPlan { metric, ..plan(&floats(&[1.0; 4]), 300) }, Cancel::never()).unwrap()
    };
    assert!(hits(Metric::L2)[0].iter().all(|hit| hit.distance == 4.0), "the index's own rows answer");
    assert!(hits(Metric::Ip)[0].iter().any(|hit| hit.distance != hits(Metric::Ip)[0][0].distance));
    let three = QueryVectors::Packed { kind, bytes: vec![0b101, 1, 0, 0] };
    let hits = |metric| {
        search(&view, &SearchPlan { field: bits, metric, ..plan(&three, 300) }, Cancel::never()).unwrap()
    };
    let all = |hits: &[Hit], distance: f32| hits.iter().all(|hit| hit.distance == distance);
    let found = hits(Metric::Hamming);
    assert!(found.len() == 2 && all(&found[0], 3.0) && all(&found[1], 0.0), "bits go by their index too");
    assert!(!all(&hits(Metric::Jaccard)[0], 1.0), "and not by one of another metric");
}

#[test]
fn readers_of_published_views_see_whole_entries_while_apply_writes() {
    let schema = Arc::new(schema());
    let registry = Arc::new(ViewRegistry::new());
    let growing = Arc::new(GrowingSegment::new(SegmentId(1), PartitionId(0), Arc::clone(&schema)));
    let publish = |position: u64| {
        let segment = Segment::Growing(Arc::clone(&growing));
        let at = (LogPosition(position), Timestamp(position));
        registry.publish(ShardView::of(ShardId::default(), at.0, at.1, Arc::clone(&schema), [segment]));
    };
    publish(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = LogPosition(0);
                while !done.load(Ordering::Relaxed) {
                    let view = registry.get(ShardId::default()).unwrap();
                    assert!(view.position >= last, "I15: views never go back");
                    last = view.position;
                    // Each entry adds two rows and deletes the first of them.
                    let rows = count(&view, None, None, Cancel::never()).unwrap();
                    assert_eq!(rows, view.position.0, "position {}", view.position);
                    let hits = search(&view, &plan(&floats(&[1.0; 4]), 1_000_000), Cancel::never()).unwrap();
                    assert_eq!(hits[0].len() as u64, rows);
                }
            });
        }
        for position in 1..=400u64 {
            let rows = [Row::random(position * 2), Row::random(position * 2 + 1)];
            let first = growing.append(&batch(&rows), LogPosition(position), Timestamp(position)).unwrap();
            assert!(growing.deletes().delete(first, LogPosition(position)));
            publish(position);
        }
        done.store(true, Ordering::Relaxed);
    });
    registry.remove(ShardId::default());
    assert!(registry.get(ShardId::default()).is_none() && registry.list().is_empty());
}
