#![allow(clippy::unwrap_used)]
use super::{restore, write};
use crate::replica::{GroupReplica, Routes};
use std::sync::Arc;
use vecraft_segment::exec::{self, Cancel};
use vecraft_segment::{GrowingOptions, ShardView, ViewRegistry};
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_storage::{Disk, SimDisk, SimKv};
use vecraft_types::*;

const GROUP: GroupId = GroupId(1);
const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
const PARTITION: PartitionId = PartitionId(9);

struct Rig {
    disk: SimDisk,
    files: Arc<dyn Disk>,
    kv: SimKv,
    views: Arc<ViewRegistry>,
    replica: GroupReplica,
    at: u64,
}

impl Rig {
    fn new() -> Rig {
        let disk = SimDisk::new(1);
        let files: Arc<dyn Disk> = Arc::new(disk.clone());
        let kv = SimKv::new(1);
        let (views, replica, _) = open(&files, &kv);
        let mut rig = Rig { disk, files, kv, views, replica, at: 0 };
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        ]);
        rig.run(ShardCommand::Create { schema });
        rig
    }

    fn run(&mut self, command: ShardCommand) {
        self.at += 1;
        let entry = ShardEntry { shard: SHARD, suggested: Timestamp(1), command };
        self.replica.apply(LogPosition(self.at), entry).unwrap().unwrap();
    }

    fn request(&self) -> RequestId {
        RequestId { client: ClientId(1), sequence: self.at + 1, part: 0 }
    }

    fn insert(&mut self, keys: std::ops::Range<i64>) {
        let values = keys.clone().flat_map(|key| [key as f32, self.at as f32]).collect();
        let batch = RowBatch::new(vec![
            Column::new(FieldId(100), ColumnData::Int64(keys.collect())),
            Column::new(FieldId(101), ColumnData::FloatVector { dim: 2, values }),
        ]);
        let batch = batch.unwrap().encode();
        let request = self.request();
        self.run(ShardCommand::Insert {
            request,
            schema_version: 1,
            partition: PARTITION,
            batch,
            is_upsert: false,
        });
    }

    fn delete(&mut self, key: i64) {
        let request = self.request();
        let keys = vec![PrimaryKey::Int64(key)];
        self.run(ShardCommand::DeleteKeys { request, partition: None, keys });
    }

    fn checkpoint(&mut self) -> Vec<String> {
        let capture = self.replica.capture();
        let written = write(&self.files, &self.kv, capture, b"mark").unwrap();
        self.replica.install(written)
    }

    /// Loses power and comes back from what is durable.
    fn crash(&mut self) {
        self.disk.crash();
        self.kv.crash();
        let (views, replica, mark) = open(&self.files, &self.kv);
        assert_eq!(mark.as_deref(), Some(b"mark".as_slice()));
        self.at = replica.applied().0;
        (self.views, self.replica) = (views, replica);
    }

    fn content(&self) -> Vec<(PrimaryKey, RowRef)> {
        let view = self.views.get(SHARD).unwrap();
        let mut rows = exec::keys(&view, None, None, Cancel::never()).unwrap();
        rows.sort();
        rows
    }

    fn view(&self) -> Arc<ShardView> {
        self.views.get(SHARD).unwrap()
    }
}

fn open(files: &Arc<dyn Disk>, kv: &SimKv) -> (Arc<ViewRegistry>, GroupReplica, Option<Vec<u8>>) {
    let views = Arc::new(ViewRegistry::new());
    let options = GrowingOptions { first_chunk_bytes: 4 << 10, chunk_bytes_max: 16 << 10 };
    let (replica, mark) =
        restore(files, kv, GROUP, Arc::new(Routes::default()), views.clone(), options).unwrap();
    (views, replica, mark)
}

#[test]
fn i3_growing_and_sealed_rows_deletes_and_states_come_back_and_go_on() {
    let mut rig = Rig::new();
    rig.insert(0..500);
    rig.delete(7);
    rig.run(ShardCommand::Seal { segment: SegmentId(1) });
    rig.insert(500..700);
    rig.delete(600);
    rig.delete(8);
    rig.checkpoint();
    let (content, state) = (rig.content(), rig.replica.state.clone());
    assert_eq!(content.len(), 697);
    assert!(rig.view().segments[0].segment.is_sealed(), "a sealed segment serves from its file");

    rig.insert(1_000..1_010);
    rig.crash();
    assert_eq!(rig.content(), content, "exactly the checkpoint: what came later is the log's to replay");
    assert_eq!(rig.replica.state, state);

    // Life goes on: a replaced row of a sealed segment, a second checkpoint, a second crash.
    rig.insert(0..3);
    rig.checkpoint();
    let content = rig.content();
    rig.crash();
    assert_eq!(rig.content(), content);
    assert_eq!(content.len(), 697);
}

#[test]
fn rows_and_deletes_after_the_capture_are_not_in_the_checkpoint() {
    let mut rig = Rig::new();
    rig.insert(0..10);
    let before = rig.content();
    let capture = rig.replica.capture();
    rig.insert(10..20);
    rig.delete(3);
    let written = write(&rig.files, &rig.kv, capture, b"mark").unwrap();
    rig.replica.install(written);
    assert_eq!(rig.content().len(), 19);
    rig.crash();
    assert_eq!(rig.content(), before);
}

#[test]
fn i13_superseded_files_are_garbage_and_unnamed_ones_go_at_start() {
    let mut rig = Rig::new();
    rig.insert(0..10);
    assert!(rig.checkpoint().is_empty());
    rig.insert(10..20);
    let garbage = rig.checkpoint();
    assert_eq!(garbage.len(), 1, "the first tail: {garbage:?}");
    assert!(rig.disk.exists(&garbage[0]).unwrap());
    rig.crash();
    assert!(!rig.disk.exists(&garbage[0]).unwrap());
    assert_eq!(rig.content().len(), 20);
}

#[test]
fn a_dropped_shard_leaves_nothing_behind() {
    let mut rig = Rig::new();
    rig.insert(0..10);
    rig.checkpoint();
    rig.run(ShardCommand::Drop);
    rig.checkpoint();
    assert!(rig.views.get(SHARD).is_none());
    assert!(rig.disk.list("groups/1").unwrap().is_empty());
    rig.crash();
    assert!(rig.views.get(SHARD).is_none());
    assert!(rig.replica.shard_ids().is_empty());
}

#[test]
fn a_checkpoint_without_anything_new_is_clean() {
    let mut rig = Rig::new();
    rig.insert(0..10);
    rig.checkpoint();
    assert!(rig.replica.capture().is_clean());
    rig.delete(4);
    assert!(!rig.replica.capture().is_clean());
}

#[test]
fn i3_a_partition_dropped_under_a_checkpoint_keeps_the_files_it_names_until_the_next() {
    let mut rig = Rig::new();
    rig.insert(0..10);
    let before = rig.content();
    let capture = rig.replica.capture();
    rig.run(ShardCommand::DropPartition { partition: PARTITION });
    let written = write(&rig.files, &rig.kv, capture, b"mark").unwrap();
    assert!(rig.replica.install(written).is_empty(), "the durable checkpoint names this file");
    rig.crash();
    assert_eq!(rig.content(), before);

    rig.run(ShardCommand::DropPartition { partition: PARTITION });
    assert_eq!(rig.checkpoint().len(), 1, "now nothing names it");
    rig.crash();
    assert!(rig.content().is_empty());
}
