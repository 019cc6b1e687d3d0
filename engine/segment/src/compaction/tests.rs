//! Rows that go on, their names, their deletes, and the file of the output.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{Row, batch, rows_of, schema};
use crate::{GrowingOptions, GrowingSegment, SealedSegment, ShardView, exec, write_segment};
use std::collections::BTreeMap;
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::{CollectionId, RowRef, ShardId, Timestamp};

const PARTITION: PartitionId = PartitionId(2);
const OUTPUT: SegmentId = SegmentId(9);

/// A segment with entries at these positions, three rows each; rows follow from position and place.
fn segment(id: u64, positions: std::ops::Range<u64>, options: GrowingOptions) -> GrowingSegment {
    let segment = GrowingSegment::with_options(SegmentId(id), PARTITION, Arc::new(schema()), options);
    for at in positions {
        segment.append(&batch(&rows_at(at)), LogPosition(at), Timestamp(at * 10)).unwrap();
    }
    segment
}

fn rows_at(position: u64) -> Vec<Row> {
    (0..3).map(|place| Row::random(position * 3 + place)).collect()
}

fn small_chunks() -> GrowingOptions {
    GrowingOptions { first_chunk_bytes: 1 << 10, chunk_bytes_max: 4 << 10 }
}

fn made(id: SegmentId, inputs: &[Input], floor: u64) -> Arc<Compaction> {
    Arc::new(Compaction::new(id, PARTITION, Arc::new(schema()), inputs, LogPosition(floor)))
}

fn input(segment: GrowingSegment) -> Input {
    Input::Segment(Segment::Growing(Arc::new(segment)))
}

/// Two segments of a hundred entries; every fourth row is deleted at 250, every seventh at 350.
fn inputs() -> [Input; 2] {
    let segments = [segment(1, 1..101, GrowingOptions::default()), segment(2, 101..201, small_chunks())];
    segments.map(|segment| {
        (0..segment.rows())
            .step_by(4)
            .for_each(|row| assert!(segment.deletes().delete(row, LogPosition(250))));
        (0..segment.rows()).step_by(7).for_each(|row| {
            segment.deletes().delete(row, LogPosition(350));
        });
        input(segment)
    })
}

/// What is live at a position, by the rows' versions.
fn live(blocks: &[crate::Block], deletes: &Deletes, at: u64) -> Vec<(Row, u64)> {
    let positions: Vec<u64> = blocks.iter().flat_map(|block| block.positions().unwrap().to_vec()).collect();
    let rows = rows_of(blocks).into_iter().zip(positions).enumerate();
    rows.filter(|(row, _)| deletes.is_live(*row as u32, LogPosition(at))).map(|(_, row)| row).collect()
}

fn live_of(input: &Input, at: u64) -> Vec<(Row, u64)> {
    let Input::Segment(segment) = input else { panic!() };
    live(&segment.blocks(segment.rows()), segment.deletes(), at)
}

fn written(compaction: &Compaction, disk: &Arc<dyn Disk>, path: &str) -> SealedSegment {
    let manifest = compaction.write(disk, path).unwrap();
    SealedSegment::open(&**disk, &manifest, Arc::new(schema()), compaction.deletes().clone()).unwrap()
}

#[test]
fn the_output_shows_what_the_inputs_showed_at_every_position_from_the_floor_on() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let inputs = inputs();
    for floor in [0, 249, 250, 300, 350, 400] {
        let compaction = made(OUTPUT, &inputs, floor);
        let sealed = written(&compaction, &disk, &format!("floor-{floor}"));
        sealed.verify().unwrap();
        assert_eq!(sealed.rows(), compaction.rows());
        for at in [floor, 250, 300, 351, 1_000].into_iter().filter(|at| *at >= floor) {
            let expected: Vec<_> = inputs.iter().flat_map(|input| live_of(input, at)).collect();
            let shown = live(&sealed.blocks(sealed.rows()), sealed.deletes(), at);
            assert_eq!(shown, expected, "floor {floor}, read at {at}");
        }
        assert_eq!(sealed.manifest().last_position.0 > 100, compaction.rows() > 0);
    }
    // Nothing that is gone for everybody takes space.
    assert_eq!(made(OUTPUT, &inputs, 350).deletes().count(), 0);
    assert!(made(OUTPUT, &inputs, 350).rows() < made(OUTPUT, &inputs, 0).rows());
}

#[test]
fn i22_the_bytes_are_those_of_a_segment_with_the_same_rows() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let inputs = inputs();
    let compaction = made(OUTPUT, &inputs, 250);
    let manifest = compaction.write(&disk, "a").unwrap();
    // Kept as another replica has it: in one file each.
    let sealed = inputs.clone().map(|input| {
        let Input::Segment(Segment::Growing(growing)) = input else { panic!() };
        let path = format!("in-{}", growing.id());
        let manifest = write_segment(&disk, &path, &growing, growing.rows()).unwrap();
        let deletes = growing.deletes().clone();
        let sealed = SealedSegment::open(&*disk, &manifest, Arc::new(schema()), deletes).unwrap();
        Input::Segment(Segment::Sealed(Arc::new(sealed)))
    });
    let other = made(OUTPUT, &sealed, 250).write(&disk, "b").unwrap();
    assert_eq!(manifest.files[0].checksum, other.files[0].checksum);
    // And as if nothing had ever been deleted.
    let fresh = GrowingSegment::with_options(OUTPUT, PARTITION, Arc::new(schema()), small_chunks());
    for (row, position) in inputs.iter().flat_map(|input| live_of(input, 250)) {
        fresh.append(&batch(&[row]), LogPosition(position), Timestamp(position * 10)).unwrap();
    }
    let fresh = write_segment(&disk, "c", &fresh, fresh.rows()).unwrap();
    assert_eq!(manifest.files[0].checksum, fresh.files[0].checksum);
}

#[test]
fn a_delete_by_the_new_name_reaches_readers_of_both() {
    let inputs = inputs();
    let compaction = made(OUTPUT, &inputs, 250);
    for number in (0..compaction.rows()).step_by(5) {
        let was_live = compaction.deletes().deleted_at(number).is_none();
        assert_eq!(compaction.delete(number, LogPosition(400)), was_live);
    }
    assert!(!compaction.delete(compaction.rows(), LogPosition(400)));
    for (part, input) in compaction.parts().iter().zip(&inputs).enumerate().map(|(i, (_, input))| (i, input))
    {
        let Input::Segment(segment) = input else { panic!() };
        for row in 0..segment.rows() {
            let (old, new) = (segment.deletes().deleted_at(row), compaction.place(part, row));
            match new {
                Some(new) => assert_eq!(old, compaction.deletes().deleted_at(new)),
                None => assert!(old.unwrap() <= LogPosition(250)),
            }
        }
    }
}

#[test]
fn an_output_that_nobody_read_yet_can_be_compacted_again() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let [first, second] = inputs();
    let third = input(segment(3, 201..231, small_chunks()));
    let inner = made(OUTPUT, &[first.clone(), second.clone()], 250);
    (0..40).for_each(|row| {
        inner.delete(row, LogPosition(360));
    });
    let outer = made(SegmentId(10), &[Input::Compaction(inner.clone()), third.clone()], 360);
    // The same, had the first output been durable.
    let sealed = Input::Segment(Segment::Sealed(Arc::new(written(&inner, &disk, "inner"))));
    let direct = made(SegmentId(10), &[sealed, third.clone()], 360);
    assert_eq!(outer.rows(), direct.rows());
    assert_eq!(outer.parts().len(), 3);
    let files = [outer.write(&disk, "x").unwrap(), direct.write(&disk, "y").unwrap()];
    assert_eq!(files[0].files[0].checksum, files[1].files[0].checksum);
    // A delete still reaches the segment that readers see.
    let Input::Segment(third) = third else { panic!() };
    assert!(outer.delete(outer.rows() - 1, LogPosition(400)));
    assert_eq!(third.deletes().deleted_at(third.rows() - 1), Some(LogPosition(400)));
}

#[test]
fn i12_readers_of_the_inputs_are_told_the_names_that_the_log_knows() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let inputs = inputs();
    let compaction = made(OUTPUT, &inputs, 250);
    let shard = ShardId { collection: CollectionId(1), index: 0 };
    let (at, schema) = (LogPosition(300), Arc::new(schema()));
    let of = |segments: Vec<Segment>| ShardView::of(shard, at, Timestamp(3_000), schema.clone(), segments);
    let names = |view: &ShardView| -> BTreeMap<RowRef, vecraft_types::PrimaryKey> {
        let keys = exec::keys(view, None, None, exec::Cancel::never()).unwrap();
        keys.into_iter().map(|(key, row)| (row, key)).collect()
    };
    let before = of(Vec::new()).with(&compaction, None);
    let after = of(vec![Segment::Sealed(Arc::new(written(&compaction, &disk, "o")))]);
    assert_eq!(before.segments.len(), 2);
    assert_eq!(names(&before), names(&after));
    assert!(names(&before).keys().all(|row| row.segment == OUTPUT));
}

#[test]
fn damaged_bytes_of_an_input_are_an_error_that_names_the_file() {
    let sim = SimDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let growing = segment(1, 1..2_000, GrowingOptions::default());
    let manifest = write_segment(&disk, "input", &growing, growing.rows()).unwrap();
    let bytes = manifest.files[0].bytes;
    for place in (64..bytes / 2).step_by(8 << 10) {
        sim.corrupt("input", place, 0x10).unwrap();
    }
    // Columns are verified when they are read first.
    let sealed = SealedSegment::open(&*disk, &manifest, Arc::new(schema()), Arc::default()).unwrap();
    let compaction = made(OUTPUT, &[Input::Segment(Segment::Sealed(Arc::new(sealed)))], 1);
    let error = compaction.write(&disk, "output").unwrap_err().to_string();
    assert!(error.contains("input"), "{error}");
    assert!(!disk.exists("output").unwrap());
}
