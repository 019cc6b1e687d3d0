#![allow(clippy::unwrap_used)]
mod ask;
mod compact;
mod dedup;
mod index;
mod read_pins;

use super::*;
use std::collections::BTreeMap;
use vecraft_types::*;

#[derive(Default, Clone, PartialEq, Debug)]
struct Keys(BTreeMap<PrimaryKey, Vec<RowRef>>);

impl KeyIndex for Keys {
    fn rows(&self, key: &PrimaryKey) -> Vec<RowRef> {
        self.0.get(key).cloned().unwrap_or_default()
    }
    fn add(&mut self, key: PrimaryKey, row: RowRef) {
        self.0.entry(key).or_default().push(row);
    }
    fn remove(&mut self, key: &PrimaryKey) -> Vec<RowRef> {
        self.0.remove(key).unwrap_or_default()
    }
    fn remove_row(&mut self, key: &PrimaryKey, row: &RowRef) -> bool {
        let before = self.len();
        if let Some(rows) = self.0.get_mut(key) {
            rows.retain(|other| other != row);
        }
        self.0.retain(|_, rows| !rows.is_empty());
        self.len() < before
    }
    fn retain(&mut self, keep: &mut dyn FnMut(&RowRef) -> bool) {
        self.0.retain(|_, rows| {
            rows.retain(|row| keep(row));
            !rows.is_empty()
        });
    }
    fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

const SHARD: ShardId = ShardId { collection: CollectionId(7), index: 0 };
const P: PartitionId = PartitionId(1);

struct Rig {
    group: GroupState,
    keys: Keys,
    at: u64,
    sequence: u64,
}

impl Rig {
    fn new(rule: PkConflict) -> Rig {
        let mut schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        ]);
        schema.pk_conflict = rule;
        let mut rig = Rig { group: GroupState::default(), keys: Keys::default(), at: 0, sequence: 0 };
        rig.run(ShardCommand::Create { schema }).reply.unwrap();
        rig
    }

    fn run(&mut self, command: ShardCommand) -> Outcome {
        self.at += 1;
        let entry = ShardEntry { shard: SHARD, suggested: Timestamp(5), command };
        self.group.apply(LogPosition(self.at), entry, &mut self.keys)
    }

    fn request(&mut self) -> RequestId {
        self.sequence += 1;
        RequestId { client: ClientId(1), sequence: self.sequence, part: 0 }
    }

    fn insert(&mut self, keys: &[i64]) -> Outcome {
        let request = self.request();
        self.run(insert(request, keys))
    }

    fn insert_into(&mut self, partition: PartitionId, keys: &[i64]) -> Outcome {
        let request = self.request();
        self.run(insert_into(partition, request, keys))
    }
}

fn insert(request: RequestId, keys: &[i64]) -> ShardCommand {
    insert_into(P, request, keys)
}

fn insert_into(partition: PartitionId, request: RequestId, keys: &[i64]) -> ShardCommand {
    let batch = RowBatch::new(vec![
        Column::new(FieldId(100), ColumnData::Int64(keys.to_vec())),
        Column::new(FieldId(101), ColumnData::FloatVector { dim: 2, values: vec![0.5; keys.len() * 2] }),
    ]);
    let batch = batch.unwrap().encode();
    ShardCommand::Insert { request, schema_version: 1, partition, batch, is_upsert: false }
}

#[test]
fn i9_timestamps_grow_with_the_log_whatever_the_clock_says() {
    let mut rig = Rig::new(PkConflict::Replace);
    let first = rig.insert(&[1]).reply.unwrap().timestamp;
    let second = rig.insert(&[2]).reply.unwrap().timestamp;
    assert!(first >= Timestamp(5) && second > first);
}

#[test]
fn replace_leaves_one_live_row_also_inside_a_batch() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]).reply.unwrap();
    let outcome = rig.insert(&[1, 3, 3]);
    assert_eq!(outcome.reply.unwrap().deleted, 2);
    assert_eq!(rig.keys.len(), 3);
    assert_eq!(rig.keys.rows(&PrimaryKey::Int64(3))[0].row, 4);
}

#[test]
fn reject_refuses_the_whole_batch_and_allow_keeps_all() {
    let mut rig = Rig::new(PkConflict::Reject);
    rig.insert(&[1]).reply.unwrap();
    let refused = rig.insert(&[5, 1]);
    assert_eq!(refused.reply, Err(Refusal::KeyExists(PrimaryKey::Int64(1))));
    assert!(refused.effects.is_empty());
    assert_eq!(rig.insert(&[6, 6]).reply, Err(Refusal::KeyExists(PrimaryKey::Int64(6))));
    assert_eq!(rig.keys.len(), 1);

    let mut rig = Rig::new(PkConflict::Allow);
    rig.insert(&[1, 1]).reply.unwrap();
    assert_eq!(rig.keys.len(), 2);
}

#[test]
fn i10_a_retry_is_answered_not_applied() {
    let mut rig = Rig::new(PkConflict::Allow);
    let request = rig.request();
    let first = rig.run(insert(request, &[1])).reply;
    let retry = rig.run(insert(request, &[1]));
    assert_eq!(retry.reply, first);
    assert!(retry.effects.is_empty());
    assert_eq!(rig.keys.len(), 1);
}

#[test]
fn i10_a_retry_older_than_the_window_is_an_unknown_outcome() {
    let mut rig = Rig::new(PkConflict::Allow);
    let request = rig.request();
    rig.run(insert(request, &[1])).reply.unwrap();
    for key in 0..9_000 {
        rig.insert(&[key]).reply.unwrap();
    }
    assert_eq!(rig.run(insert(request, &[1])).reply, Err(Refusal::OutcomeUnknown));
}

#[test]
fn i11_another_schema_version_or_shard_is_refused() {
    let mut rig = Rig::new(PkConflict::Replace);
    let request = rig.request();
    let ShardCommand::Insert { partition, batch, .. } = insert(request, &[1]) else { unreachable!() };
    let stale = ShardCommand::Insert { request, schema_version: 2, partition, batch, is_upsert: false };
    assert_eq!(rig.run(stale).reply, Err(Refusal::SchemaMismatch { current: 1 }));
    rig.run(insert(request, &[1])).reply.unwrap();
    rig.run(ShardCommand::Drop).reply.unwrap();
    assert_eq!(rig.insert(&[1]).reply, Err(Refusal::UnknownShard));
}

#[test]
fn i12_a_resolved_delete_spares_rows_that_changed() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]).reply.unwrap();
    let seen = [1, 2].map(PrimaryKey::Int64).map(|key| (key.clone(), rig.keys.rows(&key)[0]));
    rig.insert(&[2]).reply.unwrap();
    let request = rig.request();
    let reply = rig.run(ShardCommand::DeleteVersions { request, rows: seen.to_vec() }).reply.unwrap();
    assert_eq!((reply.deleted, reply.conflicts), (1, 1));
    assert_eq!(rig.keys.len(), 1);
}

#[test]
fn i12_a_resolved_delete_of_one_of_two_rows_that_an_entry_wrote_under_one_key_spares_the_other() {
    let mut rig = Rig::new(PkConflict::Allow);
    rig.insert(&[7, 7]).reply.unwrap();
    let key = PrimaryKey::Int64(7);
    let both = rig.keys.rows(&key);
    assert_eq!(both[0].position, both[1].position);
    let request = rig.request();
    let rows = vec![(key.clone(), both[0])];
    let reply = rig.run(ShardCommand::DeleteVersions { request, rows }).reply.unwrap();
    assert_eq!((reply.deleted, reply.conflicts), (1, 0));
    assert_eq!(rig.keys.rows(&key), [both[1]]);
}

#[test]
fn a_dropped_partition_takes_its_rows_and_stays_closed() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]).reply.unwrap();
    let dropped = rig.run(ShardCommand::DropPartition { partition: P });
    assert_eq!(dropped.reply.unwrap().deleted, 2);
    assert_eq!(dropped.effects.len(), 1);
    assert_eq!(rig.insert(&[3]).reply, Err(Refusal::PartitionDropped));
    assert!(rig.keys.is_empty());
}

#[test]
fn i13_after_a_seal_rows_go_to_a_new_segment() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1]).reply.unwrap();
    assert_eq!(rig.run(ShardCommand::Seal { segment: SegmentId(1) }).effects.len(), 1);
    assert!(rig.run(ShardCommand::Seal { segment: SegmentId(1) }).effects.is_empty());
    rig.insert(&[2]).reply.unwrap();
    assert_eq!(rig.keys.rows(&PrimaryKey::Int64(2))[0].segment, SegmentId(2));
}

#[test]
fn malformed_rows_are_refused_without_a_trace() {
    let mut rig = Rig::new(PkConflict::Replace);
    let request = rig.request();
    let before = rig.group.shards.clone();
    let batch = bytes::Bytes::from_static(b"VRB1nonsense");
    let bad = ShardCommand::Insert { request, schema_version: 1, partition: P, batch, is_upsert: false };
    assert!(matches!(rig.run(bad).reply, Err(Refusal::Malformed(_))));
    let mut after = rig.group.shards.clone();
    let shard = after.get_mut(&SHARD).unwrap();
    (shard.last_position, shard.read_pins) = (before[&SHARD].last_position, before[&SHARD].read_pins.clone());
    assert_eq!(after, before);
}
