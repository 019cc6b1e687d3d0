//! A real group under maintenance, on a disk of its own. Ages are told by a clock that the tests turn.
#![allow(clippy::unwrap_used)]

use super::{MaintenancePolicy, maintain};
use crate::compaction::CompactionPolicy;
use crate::failures::Failures;
use crate::governor::Governor;
use crate::group::{DataGroup, Surroundings};
use crate::machine::{DataMachine, Pressure};
use crate::replica::{GroupReplica, Routes};
use crate::snapshot::Source;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_raft_host::{Birth, GroupSpec, Host, Mark};
use vecraft_runtime::clock::SimClock;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_state::shard::ShardCommand;
use vecraft_storage::{Disk, Kv, SimDisk, SimKv};
use vecraft_types::*;

const GROUP: GroupId = GroupId(1);
const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
const NODE: NodeId = NodeId(1);
const ME: ReplicaId = ReplicaId(7);
/// Bytes of memory for everything.
const LIMIT: u64 = 8 << 20;
const WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What survives a restart, and the clock.
struct Ground {
    disk: SimDisk,
    kv: SimKv,
    clock: SimClock,
    rows: i64,
}

/// A running group.
struct Life {
    group: Arc<DataGroup>,
    host: Host,
    stop: Shutdown,
    governor: Arc<Governor>,
}

/// Every write is followed by a checkpoint; segments are old after ten minutes.
fn policy() -> MaintenancePolicy {
    MaintenancePolicy {
        segment_bytes_max: 1 << 30,
        segment_age_max: Duration::from_secs(600),
        seal_rows_min: 40,
        checkpoint_bytes: 1,
        checkpoint_interval: Duration::from_secs(3_600),
        compaction: CompactionPolicy::default(),
    }
}

impl Ground {
    fn new() -> Ground {
        Ground { disk: SimDisk::new(1), kv: SimKv::new(1), clock: SimClock::new(1_700_000_000_000), rows: 0 }
    }

    async fn live(&self, birth: Birth) -> Life {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let kv: Arc<dyn Kv> = Arc::new(self.kv.clone());
        let (log, _) = NodeLog::open(disk.clone(), "log", LogOptions::default()).unwrap();
        let host = Host::new(log).unwrap();
        let (routes, views) = (Arc::new(Routes::default()), Arc::new(ViewRegistry::new()));
        let growing = GrowingOptions::default();
        let restored: (GroupReplica, Option<Vec<u8>>) =
            crate::restore(&disk, kv.as_ref(), GROUP, routes, views, growing).unwrap();
        let mark = restored.1.map(|bytes| Mark::decode(&bytes).unwrap());
        let (pressure, failures) =
            (Arc::new(Pressure::default()), Failures::load(kv.clone(), GROUP).unwrap());
        let around = Surroundings {
            disk,
            kv,
            clock: Arc::new(self.clock.clone()),
            io: IoPool::new("test-io", Handle::current(), 2),
            segments_changed: Arc::new(Notify::new()),
            source: Source::nobody(),
        };
        let machine = DataMachine::new(restored.0, mark, pressure.clone(), failures, around.clone());
        let machine = Arc::new(Mutex::new(machine));
        let spec = GroupSpec { group: GROUP, node: NODE, replica: ME, birth };
        let raft = host.start_group(spec, machine.clone()).await.unwrap();
        raft.recovered(WAIT).await.unwrap();
        let group = Arc::new(DataGroup::new(raft, machine, pressure, around));
        let stop = Shutdown::new();
        let governor = Arc::new(Governor::new(LIMIT));
        tokio::spawn(maintain(group.clone(), policy(), governor.clone(), stop.clone()));
        Life { group, host, stop, governor }
    }

    async fn insert(&mut self, life: &Life, rows: i64) {
        let keys: Vec<i64> = (self.rows..self.rows + rows).collect();
        let values = keys.iter().flat_map(|key| [*key as f32, 0.0]).collect();
        let batch = RowBatch::new(vec![
            Column::new(FieldId(100), ColumnData::Int64(keys)),
            Column::new(FieldId(101), ColumnData::FloatVector { dim: 2, values }),
        ]);
        self.rows += rows;
        let command = ShardCommand::Insert {
            request: RequestId { client: ClientId(1), sequence: self.rows as u64, part: 0 },
            schema_version: 1,
            partition: PartitionId(1),
            batch: batch.unwrap().encode(),
            is_upsert: false,
        };
        let applied = life.group.propose(SHARD, command, WAIT).await.unwrap();
        life.until(|life| life.checkpointed() >= applied.position).await;
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Life {
    async fn create(&self) {
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        ]);
        self.group.propose(SHARD, ShardCommand::Create { schema }, WAIT).await.unwrap();
    }

    fn sealed(&self) -> usize {
        let machine = self.group.machine.lock();
        let view = machine.replica.shards[&SHARD].segments.values();
        view.filter(|held| held.segment.is_sealed()).count()
    }

    fn checkpointed(&self) -> LogPosition {
        self.group.machine.lock().replica.shards[&SHARD].checkpointed
    }

    async fn until(&self, holds: impl Fn(&Life) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(WAIT, waiting).await.expect("maintenance did not do it in time");
    }

    async fn end(self) {
        self.stop.trigger("the test says so");
        self.group.stop().await;
        self.host.log().close();
    }
}

fn first() -> Birth {
    Birth::Form(BTreeMap::from([(ME, NODE)]))
}

#[tokio::test]
async fn a_segment_grows_old_under_steady_small_writes_and_checkpoints() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    for _ in 0..12 {
        // Each insert waits for its checkpoint, which used to make the segment young again.
        ground.insert(&life, 5).await;
        assert_eq!(life.sealed(), 0);
        ground.pass(50);
    }
    // Its first row is 600 s old now; the next entry makes maintenance look.
    ground.insert(&life, 5).await;
    life.until(|life| life.sealed() == 1).await;
    ground.insert(&life, 5).await;
    assert_eq!(life.sealed(), 1, "the new growing segment is young");
    life.end().await;
}

#[tokio::test]
async fn a_segment_grows_old_without_further_writes_and_over_a_restart() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    ground.insert(&life, 50).await;
    life.end().await;
    ground.pass(599);
    // Nothing is written any more: only the age can wake maintenance, a second from now.
    let life = ground.live(Birth::Resume).await;
    assert_eq!(life.sealed(), 0, "restored from its tail file");
    ground.pass(1);
    life.until(|life| life.sealed() == 1).await;
    life.end().await;
}

#[tokio::test]
async fn few_rows_stay_in_the_tail_file_however_old() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    ground.insert(&life, 38).await;
    ground.pass(6_000);
    ground.insert(&life, 1).await;
    assert_eq!(life.sealed(), 0);
    // With one row more they are worth it, and old at once.
    ground.insert(&life, 1).await;
    life.until(|life| life.sealed() == 1).await;
    life.end().await;
}

#[tokio::test]
async fn i21_rows_go_to_files_when_they_have_most_of_what_keys_and_indexes_leave() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    ground.insert(&life, 20_000).await;
    let bytes = |life: &Life| {
        let replica = &life.group.machine.lock().replica;
        (replica.memory_bytes(), replica.growing_bytes())
    };
    let (all, rows) = bytes(&life);
    assert!(rows > 512 << 10 && all - rows > rows, "keys have more than rows: {rows} of {all}");

    // An index leaves one and a half times what there is: much is used, but not by rows.
    let mut room = life.governor.room_for_index(all, LIMIT / 2).unwrap();
    room.settle(LIMIT - all * 3 / 2);
    ground.insert(&life, 1).await;
    assert_eq!(life.sealed(), 0);
    // Beside the keys it leaves no more than the rows have.
    room.settle(LIMIT - all - rows / 10);
    ground.insert(&life, 1).await;
    life.until(|life| life.sealed() == 1).await;
    life.until(|life| bytes(life).1 == 0).await;
    life.end().await;
}

impl Life {
    fn is_asked(&self) -> bool {
        self.group.machine.lock().replica.newest_ask().is_some()
    }

    async fn delete(&self, keys: std::ops::Range<i64>) {
        let request = RequestId { client: ClientId(2), sequence: keys.end as u64, part: 0 };
        let keys = keys.map(PrimaryKey::Int64).collect();
        let command = ShardCommand::DeleteKeys { request, partition: None, keys };
        self.group.propose(SHARD, command, WAIT).await.unwrap();
    }

    async fn ask(&self) {
        let command = ShardCommand::AskCompaction { bytes_max: 0 };
        self.group.propose(SHARD, command, WAIT).await.unwrap();
    }

    fn rows(&self) -> Vec<u32> {
        let machine = self.group.machine.lock();
        machine.replica.shards[&SHARD].segments.values().map(|held| held.segment.rows()).collect()
    }
}

#[tokio::test]
async fn who_asks_for_a_compaction_needs_to_write_nothing_more() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    ground.insert(&life, 100).await;
    life.delete(0..5).await;
    life.ask().await;
    life.until(|life| !life.is_asked()).await;
    assert_eq!(life.rows(), [95]);
    // And again, with nothing to do.
    life.ask().await;
    life.until(|life| !life.is_asked()).await;
    assert_eq!(life.rows(), [95]);
    life.end().await;
}

#[tokio::test]
async fn p6_an_ask_without_room_waits_and_goes_on_after_a_restart_when_there_is_some() {
    let mut ground = Ground::new();
    let life = ground.live(first()).await;
    life.create().await;
    ground.insert(&life, 100).await;
    life.delete(0..5).await;
    // Enough for the file of what is sealed, too little for a compaction beside 64 MiB that stay free.
    ground.disk.set_capacity(Some(1 << 40));
    let used = (1 << 40) - ground.disk.free_bytes().unwrap();
    ground.disk.set_capacity(Some(used + (32 << 20)));
    life.ask().await;
    life.until(|life| life.sealed() == 1).await;
    assert_eq!((life.is_asked(), life.rows()), (true, vec![100]));
    life.end().await;
    ground.disk.set_capacity(None);
    let life = ground.live(Birth::Resume).await;
    life.until(|life| !life.is_asked()).await;
    assert_eq!(life.rows(), [95]);
    life.end().await;
}
