//! Filters over sealed segments ask the scalar indexes, also for views of an earlier moment.
#![allow(clippy::unwrap_used)]

use crate::exec::*;
use crate::testing::{AGE, DIM, NAME, Row, VECTOR, batch, schema};
use crate::{Deletes, Error, GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use std::sync::Arc;
use vecraft_expr::{Ask, Estimate, FieldIndex, Filter};
use vecraft_index::SearchParams;
use vecraft_scalar::{Spec, build, open};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::schema::ScalarKind;
use vecraft_types::{
    FieldId, IndexId, LogPosition, Metric, PartitionId, QueryVectors, SegmentId, ShardId, Timestamp,
};

const ROWS: u64 = 2_000;

/// Half of the rows by each of two entries.
fn sealed() -> (Arc<SealedSegment>, ShardView) {
    let schema = Arc::new(schema());
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(0), Arc::clone(&schema));
    let rows: Vec<Row> = (0..ROWS).map(Row::random).collect();
    for (position, part) in rows.chunks(ROWS as usize / 2).enumerate() {
        let position = position as u64 + 1;
        growing.append(&batch(part), LogPosition(position), Timestamp(position)).unwrap();
    }
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let manifest = write_segment(&disk, "1.seg", &growing, ROWS as u32).unwrap();
    let deletes = Arc::new(Deletes::new());
    let segment = SealedSegment::open(disk.as_ref(), &manifest, Arc::clone(&schema), deletes).unwrap();
    let segment = Arc::new(segment);
    let shown = Segment::Sealed(Arc::clone(&segment));
    let view = ShardView::of(ShardId::default(), LogPosition(2), Timestamp(2), schema, [shown]);
    (segment, view)
}

fn counts(view: &ShardView, filters: &[&str]) -> Vec<u64> {
    let one = |text: &&str| {
        let filter = Filter::parse(text, &view.schema).unwrap();
        count(view, None, Some(&filter), Cancel::never()).unwrap()
    };
    filters.iter().map(one).collect()
}

#[test]
fn a_filter_counts_the_same_with_indexes_and_at_every_moment() {
    let (segment, view) = sealed();
    let filters = [
        "age == 7",
        "age != 7",
        "3 <= age < 5",
        "name == 'n77ö'",
        "name in ['n1ö', 'n2ö', 'n3ö']",
        "name like '%99ö'",
        "not (name like '%9ö')",
        "age < 9 and name like 'n1%'",
    ];
    let earlier = view.at(LogPosition(1), Timestamp(1)).unwrap();
    let wanted = [counts(&view, &filters), counts(&earlier, &filters)];
    assert!(wanted[0] > wanted[1]);
    for (id, field, kind) in [
        (1, AGE, ScalarKind::Inverted),
        (2, NAME, ScalarKind::Trie),
        (3, NAME, ScalarKind::Ngram { min: 2, max: 3 }),
    ] {
        let spec = Spec { kind, path: None };
        let bytes = segment
            .read_column(field, |column, rows| build(&spec, column, rows, u64::MAX, &|| false))
            .unwrap();
        let index = open(&spec, bytes.unwrap().into()).unwrap();
        segment.attach_scalar(IndexId(id), field, index).unwrap();
        assert_eq!([counts(&view, &filters), counts(&earlier, &filters)], wanted, "{kind:?}");
        segment.deletes().delete(id as u32, LogPosition(9 + id));
    }
    assert_eq!(segment.scalars().ids().count(), 3);
}

#[test]
fn an_explanation_says_which_parts_an_index_answered() {
    let (segment, view) = sealed();
    let spec = Spec { kind: ScalarKind::Inverted, path: None };
    let bytes =
        segment.read_column(NAME, |column, rows| build(&spec, column, rows, u64::MAX, &|| false)).unwrap();
    segment.attach_scalar(IndexId(1), NAME, open(&spec, bytes.unwrap().into()).unwrap()).unwrap();
    let filter = Filter::parse("name == 'n77ö' and age < 9", &view.schema).unwrap();
    let queries = QueryVectors::Float(vec![0.0; DIM]);
    let plan = SearchPlan {
        field: VECTOR,
        metric: Metric::L2,
        queries: &queries,
        k: 3,
        partitions: None,
        filter: Some(&filter),
        range: None,
        params: SearchParams::default(),
    };
    let book = Notebook::new(&|| 0);
    search_told(&view, &plan, Cancel::never(), Some(&book)).unwrap();
    let told = book.into_segments().remove(0);
    let mut parts: Vec<(&str, bool)> = told
        .filter_parts
        .iter()
        .map(|answer| (if answer.part.contains("n77") { "name" } else { "age" }, answer.how == "by an index"))
        .collect();
    parts.sort_unstable();
    assert_eq!(parts, [("age", false), ("name", true)], "{:?}", told.filter_parts);
}

/// Says that no row has what is asked.
#[derive(Debug)]
struct Liar(usize);

impl FieldIndex for Liar {
    fn steps(&self) -> Option<&[String]> {
        None
    }

    fn rows(&self) -> usize {
        self.0
    }

    fn estimate(&self, _: &Ask<'_>) -> Option<Estimate> {
        Some(Estimate::default())
    }

    fn mark(&self, _: &Ask<'_>, _: &mut [u64], _: &mut [u64]) {}

    fn mark_known(&self, _: &mut [u64], _: &mut [u64]) {}

    fn memory_bytes(&self) -> usize {
        1_000
    }
}

#[test]
fn an_index_is_asked_from_when_it_is_attached_until_it_is_detached() {
    let (segment, view) = sealed();
    let before = counts(&view, &["age == 7"]);
    let bytes = segment.bytes();
    segment.attach_scalar(IndexId(1), AGE, Arc::new(Liar(ROWS as usize))).unwrap();
    assert_eq!((counts(&view, &["age == 7"]), segment.bytes()), (vec![0], bytes + 1_000));
    segment.detach_scalar(IndexId(2));
    assert_eq!(counts(&view, &["age == 7"]), [0], "another one was meant");
    segment.detach_scalar(IndexId(1));
    assert_eq!((counts(&view, &["age == 7"]), segment.bytes()), (before, bytes));
}

#[test]
fn an_index_over_other_rows_or_no_field_is_refused() {
    let (segment, _) = sealed();
    let refused = |field, rows| match segment.attach_scalar(IndexId(1), field, Arc::new(Liar(rows))) {
        Err(Error::Field { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(AGE, 5), "has an index over 5 rows, the segment has 2000");
    assert_eq!(refused(FieldId(999), ROWS as usize), "is not in the schema");
    assert!(segment.read_column(FieldId(999), |_, _| ()).is_err());
    assert!(segment.read_column(VECTOR, |_, _| ()).is_err(), "vectors are not for filters");
}

#[test]
fn a_sealed_segment_of_many_rows_makes_zone_maps_when_a_filter_asks() {
    let schema = Arc::new(schema());
    let growing = GrowingSegment::new(SegmentId(1), PartitionId(0), Arc::clone(&schema));
    // Ids are the numbers of the rows, in their order.
    let rows: Vec<Row> = (0..10_000).map(Row::random).collect();
    for (position, part) in rows.chunks(5_000).enumerate() {
        let position = position as u64 + 1;
        growing.append(&batch(part), LogPosition(position), Timestamp(position)).unwrap();
    }
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let manifest = write_segment(&disk, "1.seg", &growing, 10_000).unwrap();
    let open = |deletes| SealedSegment::open(disk.as_ref(), &manifest, Arc::clone(&schema), deletes).unwrap();
    let segment = Arc::new(open(Arc::new(Deletes::new())));
    let view = |segment| {
        ShardView::of(ShardId::default(), LogPosition(2), Timestamp(2), Arc::clone(&schema), [segment])
    };
    let (sealed, growing) =
        (view(Segment::Sealed(Arc::clone(&segment))), view(Segment::Growing(Arc::new(growing))));
    let filters = [
        "id >= 9000",
        "4000 <= id < 4200",
        "id in [1, 4096, 9999, 20000]",
        "id < 0",
        "id >= 0",
        "age == 7",
        "not (id < 9000)",
    ];
    let earlier = |view: &ShardView| view.at(LogPosition(1), Timestamp(1)).unwrap();
    assert_eq!(segment.bytes(), 0);
    assert_eq!(counts(&sealed, &filters), counts(&growing, &filters));
    assert_eq!(counts(&earlier(&sealed), &filters), counts(&earlier(&growing), &filters));
    // Three zones of two numbers for each of two columns.
    assert_eq!(segment.bytes(), 2 * 3 * 16);
}
