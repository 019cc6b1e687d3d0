//! Entries about a shard's damaged file: when they come, and when they go.

use crate::testing::{Row, batch, schema};
use crate::{
    Deletes, Error, GrowingSegment, SealedSegment, Segment, SegmentManifest, ShardView, ViewRegistry,
    write_segment,
};
use std::sync::Arc;
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::{CollectionId, LogPosition, PartitionId, SegmentId, ShardId, Timestamp};

const SHARD: ShardId = ShardId { collection: CollectionId(1), index: 0 };

fn seal(disk: &Arc<dyn Disk>, id: u64) -> SegmentManifest {
    let segment = GrowingSegment::new(SegmentId(id), PartitionId(1), Arc::new(schema()));
    let rows: Vec<Row> = (0..5).map(Row::random).collect();
    segment.append(&batch(&rows), LogPosition(1), Timestamp(1)).unwrap();
    write_segment(disk, &format!("{id}.seg"), &segment, 5).unwrap()
}

fn open(disk: &Arc<dyn Disk>, manifest: &SegmentManifest) -> Segment {
    let deletes = Arc::new(Deletes::new());
    let sealed = SealedSegment::open(disk.as_ref(), manifest, Arc::new(schema()), deletes).unwrap();
    Segment::Sealed(Arc::new(sealed))
}

fn show(views: &ViewRegistry, segments: &[&Segment]) {
    let segments = segments.iter().map(|segment| (*segment).clone());
    views.publish(ShardView::of(SHARD, LogPosition(1), Timestamp(1), Arc::new(schema()), segments));
}

fn damage_of(path: &str) -> Error {
    vecraft_storage::Error::corrupt(path, 77, "a sum").into()
}

#[test]
fn i24_a_damaged_file_takes_its_shard_out_as_long_as_the_view_shows_it() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let (one, two) = (seal(&disk, 1), seal(&disk, 2));
    let (first, second) = (open(&disk, &one), open(&disk, &two));
    let views = ViewRegistry::new();
    assert!(!views.report_damage(SHARD, &damage_of("1.seg")), "the shard is not here");
    show(&views, &[&first, &second]);
    assert!(!views.report_damage(SHARD, &Error::Cancelled));
    assert!(!views.report_damage(SHARD, &damage_of("3.seg")), "a file that nobody is shown");
    assert_eq!((views.damage(SHARD), views.refusal(SHARD)), (None, None));

    assert!(views.report_damage(SHARD, &damage_of("1.seg")));
    assert!(!views.report_damage(SHARD, &damage_of("2.seg")), "once is enough");
    let why = views.damage(SHARD).unwrap();
    assert!(why.contains("1.seg at byte 77"), "{why}");
    assert_eq!(views.damaged(), [(SHARD, why)]);
    assert_eq!(views.refusal(SHARD).unwrap().code, vecraft_types::Code::Io);

    show(&views, &[&first]);
    assert!(views.damage(SHARD).is_some(), "a newer view shows the file still");
    show(&views, &[&second]);
    assert_eq!(views.damage(SHARD), None, "its segment is gone");
    assert!(!views.report_damage(SHARD, &damage_of("1.seg")), "a read that began before says it too late");
}

#[test]
fn damage_goes_with_the_shard_and_with_another_file_of_the_same_segment() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let manifest = seal(&disk, 1);
    let (old, new) = (open(&disk, &manifest), open(&disk, &manifest));
    let views = ViewRegistry::new();
    show(&views, &[&old]);
    assert!(views.report_damage(SHARD, &damage_of("1.seg")));
    show(&views, &[&new]);
    assert_eq!(views.damage(SHARD), None, "opened anew, as a snapshot does");
    assert!(views.report_damage(SHARD, &damage_of("1.seg")));
    views.remove(SHARD);
    assert_eq!(views.damaged(), []);
    show(&views, &[&new]);
    assert_eq!(views.damage(SHARD), None);
}
