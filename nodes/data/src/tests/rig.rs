//! A node with one group and one shard, that can be started again.

use crate::{
    DataGroup, DataMachine, DataNode, Failures, Pressure, Routes, Source, Space, Surroundings, WriteLimits,
    restore,
};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_raft_host::{Birth, GroupSpec, Host, Mark};
use vecraft_rpc::services::{RowChange, ShardAdmin, ShardCreation, ShardWrite, ShardWriter, ShardWritten};
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::pools::IoPool;
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_storage::{Disk, KeyRange, Kv, SimDisk, SimKv, Table, Visit, WriteBatch};
use vecraft_types::*;

pub const GROUP: GroupId = GroupId(1);
pub const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
pub const PARTITION: PartitionId = PartitionId(9);
const REPLICA: ReplicaId = ReplicaId(7);
const PATIENCE: Duration = Duration::from_secs(30);

/// What survives a restart, and the node of the present life.
pub struct Rig {
    pub disk: SimDisk,
    pub kv: SimKv,
    pub gate: Arc<Gate>,
    pub changed: Arc<Notify>,
    pub node: DataNode,
    host: Host,
    sequence: u64,
}

/// Where checkpoints wait before their record is written.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<(bool, usize)>,
    opened: Condvar,
}

impl Gate {
    pub fn set_closed(&self, is_closed: bool) {
        self.state.lock().0 = is_closed;
        self.opened.notify_all();
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().1
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.1 += 1;
        while state.0 {
            self.opened.wait(&mut state);
        }
        state.1 -= 1;
    }
}

#[derive(Debug)]
struct GatedKv {
    kv: SimKv,
    gate: Arc<Gate>,
}

impl Kv for GatedKv {
    fn get(&self, table: Table, key: &[u8]) -> vecraft_storage::Result<Option<Vec<u8>>> {
        self.kv.get(table, key)
    }
    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> vecraft_storage::Result<()> {
        self.kv.visit(table, range, visit)
    }
    fn write(&self, batch: &WriteBatch, sync: bool) -> vecraft_storage::Result<()> {
        self.gate.pass();
        self.kv.write(batch, sync)
    }
}

async fn start(
    disk: &SimDisk,
    kv: &SimKv,
    gate: &Arc<Gate>,
    changed: &Arc<Notify>,
    birth: Birth,
) -> (Host, DataNode) {
    let files: Arc<dyn Disk> = Arc::new(disk.clone());
    let (log, _) = NodeLog::open(files.clone(), "log", LogOptions::default()).unwrap();
    let host = Host::new(log).unwrap();
    let (routes, views) = (Arc::new(Routes::default()), Arc::new(ViewRegistry::new()));
    let limits =
        WriteLimits { in_flight_bytes_max: 1 << 20, memory_bytes_max: 1 << 30, flush_seals_rows_min: 1 };
    let space = Space { disk: files.clone(), is_log_stalled: Arc::new(|| false) };
    let node = DataNode::new(routes.clone(), views.clone(), limits, space);
    let (replica, mark) = restore(&files, kv, GROUP, routes, views, GrowingOptions::default()).unwrap();
    let mark = mark.map(|bytes| Mark::decode(&bytes).unwrap());
    let pressure = Arc::new(Pressure::default());
    let failures = Failures::load(Arc::new(kv.clone()), GROUP).unwrap();
    let around = Surroundings {
        disk: files,
        kv: Arc::new(GatedKv { kv: kv.clone(), gate: gate.clone() }),
        clock: SystemClock::shared(),
        io: IoPool::new("test-io", Handle::current(), 2),
        segments_changed: changed.clone(),
        source: Source::nobody(),
    };
    let machine = DataMachine::new(replica, mark, pressure.clone(), failures, around.clone());
    let machine = Arc::new(Mutex::new(machine));
    let waits_for_leader = birth == Birth::Join;
    let spec = GroupSpec { group: GROUP, node: NodeId(1), replica: REPLICA, birth };
    let raft = host.start_group(spec, machine.clone()).await.unwrap();
    if !waits_for_leader {
        raft.recovered(PATIENCE).await.unwrap();
    }
    node.add_group(Arc::new(DataGroup::new(raft, machine, pressure, around)));
    (host, node)
}

impl Rig {
    pub async fn new() -> Rig {
        let rig = Rig::born(Birth::lone(true, REPLICA, NodeId(1))).await;
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
            FieldSchema::new("n", DataType::Int64),
        ]);
        rig.node.create_shard(GROUP, ShardCreation { shard: SHARD, schema }).await.unwrap();
        rig
    }

    /// A replica that leads nothing: it waits for a leader to add it.
    pub async fn follower() -> Rig {
        Rig::born(Birth::Join).await
    }

    async fn born(birth: Birth) -> Rig {
        let (disk, kv, changed) = (SimDisk::new(1), SimKv::new(1), Arc::new(Notify::new()));
        let gate = Arc::new(Gate::default());
        let (host, node) = start(&disk, &kv, &gate, &changed, birth).await;
        Rig { disk, kv, gate, changed, node, host, sequence: 0 }
    }

    /// Stops without a checkpoint, loses power, starts again.
    pub async fn crash(&mut self) {
        self.node.shutdown().await;
        self.host.log().close();
        self.disk.crash();
        self.kv.crash();
        (self.host, self.node) = start(&self.disk, &self.kv, &self.gate, &self.changed, Birth::Resume).await;
    }

    pub async fn insert(&mut self, keys: std::ops::Range<i64>) {
        let values = keys.clone().flat_map(|key| [key as f32, 1.0]).collect();
        let batch = RowBatch::new(vec![
            Column::new(FieldId(100), ColumnData::Int64(keys.clone().collect())),
            Column::new(FieldId(101), ColumnData::FloatVector { dim: 2, values }),
            Column::new(FieldId(102), ColumnData::Int64(keys.collect())),
        ]);
        let batch = batch.unwrap().encode();
        self.write(RowChange::Insert { partition: PARTITION, batch, is_upsert: false }).await.unwrap();
    }

    pub async fn write(&mut self, change: RowChange) -> Result<ShardWritten> {
        self.sequence += 1;
        let write = ShardWrite {
            shard: SHARD,
            schema_version: 1,
            request: RequestId { client: ClientId(1), sequence: self.sequence, part: 0 },
            deadline_ms: PATIENCE.as_millis() as u64,
            change,
        };
        self.node.write(write).await
    }

    /// Seals what grows and writes a checkpoint.
    pub async fn flush(&self) {
        self.node.flush(SHARD).await.unwrap();
    }

    pub fn group(&self) -> Arc<DataGroup> {
        self.node.groups().remove(0)
    }

    /// Paths of the group's column files.
    pub fn files(&self) -> Vec<String> {
        let list =
            |dir: &str| if self.disk.exists(dir).unwrap() { self.disk.list(dir).unwrap() } else { vec![] };
        let dirs = list("groups/1").into_iter().map(|dir| format!("groups/1/{}", dir.name));
        dirs.flat_map(|dir| list(&dir).into_iter().map(move |file| format!("{dir}/{}", file.name))).collect()
    }
}

/// Waits until the condition holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("stuck: {what}"));
}
