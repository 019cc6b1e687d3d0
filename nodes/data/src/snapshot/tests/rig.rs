//! A node that offers, with a real group of one voter, and a replica that receives, without Raft. Their disks and
//! stores forget what was not synced.

use crate::checkpoint;
use crate::snapshot::{DiskFiles, Source, Throttle, whole};
use crate::{
    DataGroup, DataMachine, DataNode, Failures, Pressure, Routes, Space, Surroundings, WriteLimits, restore,
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use vecraft_log_store::{LogOptions, NodeLog, WriterMode};
use vecraft_raft_host::{Birth, Failed, GroupSpec, Host, Incoming, Machine, Mark, Offer};
use vecraft_rpc::copies::WholeFile;
use vecraft_rpc::files::{FileRange, FilesElsewhere, GroupFiles};
use vecraft_rpc::services::{RowChange, ShardAdmin, ShardCreation, ShardWrite, ShardWriter};
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::pools::IoPool;
use vecraft_segment::exec::{self, Cancel};
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_storage::{Disk, SimDisk, SimKv};
use vecraft_types::*;

pub const GROUP: GroupId = GroupId(1);
pub const PARTITION: PartitionId = PartitionId(9);
pub const DIM: u32 = 64;

pub fn shard(collection: u64) -> ShardId {
    ShardId { collection: CollectionId(collection), index: 0 }
}

fn io() -> IoPool {
    IoPool::new("test-io", Handle::current(), 2)
}

/// The offering node's files, with everything that may go wrong on the way.
pub struct Wire {
    files: DiskFiles,
    pub asked: Mutex<Vec<FileRange>>,
    /// Ranges answered before the other node is gone; negative: for ever.
    pub answers_left: AtomicI64,
    /// One bit of every range is another.
    pub is_noisy: AtomicBool,
}

#[async_trait]
impl FilesElsewhere for Wire {
    async fn read(&self, node: NodeId, range: FileRange) -> Result<Bytes> {
        assert_eq!(node, NodeId(1));
        if self.answers_left.load(Ordering::SeqCst) == 0 {
            return Err(Error::new(Code::ReplicaUnavailable, "the test cut the wire"));
        }
        self.answers_left.fetch_sub(1, Ordering::SeqCst);
        self.asked.lock().push(range.clone());
        let mut bytes = self.files.read(range).await?.to_vec();
        if self.is_noisy.load(Ordering::SeqCst) {
            bytes[100] ^= 1;
        }
        Ok(bytes.into())
    }
}

fn surroundings(disk: &SimDisk, kv: &SimKv, wire: Arc<Wire>) -> Surroundings {
    Surroundings {
        disk: Arc::new(disk.clone()),
        kv: Arc::new(kv.clone()),
        clock: SystemClock::shared(),
        io: io(),
        segments_changed: Arc::new(Notify::new()),
        source: Source { files: wire, throttle: Arc::new(Throttle::new(1 << 40)) },
    }
}

type Parts = (Arc<Mutex<DataMachine>>, Arc<ViewRegistry>, Arc<Routes>, Arc<Pressure>);

/// The machine of the newest checkpoint.
fn machine(around: &Surroundings) -> Parts {
    let (routes, views) = (Arc::new(Routes::default()), Arc::new(ViewRegistry::new()));
    let options = GrowingOptions { first_chunk_bytes: 4 << 10, chunk_bytes_max: 64 << 10 };
    let restored = restore(&around.disk, around.kv.as_ref(), GROUP, routes.clone(), views.clone(), options);
    let (replica, mark) = restored.unwrap();
    let mark = mark.map(|bytes| Mark::decode(&bytes).unwrap());
    let failures = Failures::load(around.kv.clone(), GROUP).unwrap();
    let pressure = Arc::new(Pressure::default());
    let machine = DataMachine::new(replica, mark, pressure.clone(), failures, around.clone());
    (Arc::new(Mutex::new(machine)), views, routes, pressure)
}

/// What readers see of all shards.
pub fn content(views: &ViewRegistry, shards: &[ShardId]) -> Vec<Option<Vec<(PrimaryKey, RowRef)>>> {
    let of_shard = |shard: &ShardId| {
        let mut rows = exec::keys(views.get(*shard)?.as_ref(), None, None, Cancel::never()).unwrap();
        rows.sort();
        Some(rows)
    };
    shards.iter().map(of_shard).collect()
}

/// Paths of the group's files.
pub fn files(disk: &SimDisk) -> Vec<String> {
    let list = |dir: &str| if disk.exists(dir).unwrap() { disk.list(dir).unwrap() } else { vec![] };
    let dirs = list("groups/1").into_iter().map(|dir| format!("groups/1/{}", dir.name));
    dirs.flat_map(|dir| list(&dir).into_iter().map(move |file| format!("{dir}/{}", file.name))).collect()
}

/// Node 1: leads the group and offers.
pub struct Origin {
    pub disk: SimDisk,
    pub views: Arc<ViewRegistry>,
    node: DataNode,
    _host: Host,
    sequence: u64,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

/// Fail points are the process's: a test that sets one must not meet another test.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Origin {
    pub async fn new() -> Origin {
        let _alone = ALONE.lock().await;
        let (disk, kv) = (SimDisk::new(1), SimKv::new(1));
        let around = surroundings(&disk, &kv, wire(&disk));
        let options =
            LogOptions { writer: WriterMode::Inline, preallocate_bytes: 1 << 16, ..LogOptions::default() };
        let (log, _) = NodeLog::open(around.disk.clone(), "log", options).unwrap();
        let host = Host::new(log).unwrap();
        let (machine, views, routes, pressure) = machine(&around);
        let birth = Birth::lone(true, ReplicaId(7), NodeId(1));
        let spec = GroupSpec { group: GROUP, node: NodeId(1), replica: ReplicaId(7), birth };
        let raft = host.start_group(spec, machine.clone()).await.unwrap();
        let limits =
            WriteLimits { in_flight_bytes_max: 64 << 20, memory_bytes_max: 1 << 30, flush_seals_rows_min: 1 };
        let space = Space { disk: around.disk.clone(), is_log_stalled: Arc::new(|| false) };
        let node = DataNode::new(routes, views.clone(), limits, space);
        node.add_group(Arc::new(DataGroup::new(raft, machine, pressure, around)));
        Origin { disk, views, node, _host: host, sequence: 0, _alone }
    }

    pub fn group(&self) -> Arc<DataGroup> {
        self.node.groups().remove(0)
    }

    pub async fn create(&self, shard: ShardId) {
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: DIM }),
        ]);
        self.node.create_shard(GROUP, ShardCreation { shard, schema }).await.unwrap();
    }

    pub async fn drop_shard(&self, shard: ShardId) {
        self.node.drop_shard(GROUP, shard).await.unwrap();
    }

    async fn write(&mut self, shard: ShardId, change: RowChange) {
        self.sequence += 1;
        let request = RequestId { client: ClientId(1), sequence: self.sequence, part: 0 };
        let write = ShardWrite { shard, schema_version: 1, request, deadline_ms: 30_000, change };
        self.node.write(write).await.unwrap();
    }

    pub async fn insert(&mut self, shard: ShardId, keys: Range<i64>) {
        let values = keys.clone().flat_map(|key| (0..DIM).map(move |at| (key * 7 + i64::from(at)) as f32));
        let batch = RowBatch::new(vec![
            Column::new(FieldId(100), ColumnData::Int64(keys.clone().collect())),
            Column::new(FieldId(101), ColumnData::FloatVector { dim: DIM, values: values.collect() }),
        ]);
        let batch = batch.unwrap().encode();
        self.write(shard, RowChange::Insert { partition: PARTITION, batch, is_upsert: true }).await;
    }

    pub async fn delete(&mut self, shard: ShardId, keys: Range<i64>) {
        let keys = keys.map(PrimaryKey::Int64).collect();
        self.write(shard, RowChange::DeleteKeys { partition: None, keys }).await;
    }

    /// Seals what grows and writes a checkpoint.
    pub async fn flush(&self, shard: ShardId) {
        self.node.flush(shard).await.unwrap();
    }

    pub async fn checkpoint(&self) {
        self.group().checkpoint().await.unwrap();
    }

    pub fn offer(&self) -> (Incoming, Offer) {
        let offer = DataMachine::offer(&self.group().machine).unwrap();
        (Incoming { mark: offer.mark.clone(), content: offer.content.clone(), source: NodeId(1) }, offer)
    }
}

fn wire(disk: &SimDisk) -> Arc<Wire> {
    Arc::new(Wire {
        files: DiskFiles::new(Arc::new(disk.clone()), io()),
        asked: Mutex::default(),
        answers_left: AtomicI64::new(-1),
        is_noisy: AtomicBool::new(false),
    })
}

/// Node 2: a replica that is too far behind.
pub struct Receiver {
    pub disk: SimDisk,
    pub kv: SimKv,
    pub wire: Arc<Wire>,
    pub machine: Arc<Mutex<DataMachine>>,
    pub views: Arc<ViewRegistry>,
    pub routes: Arc<Routes>,
    around: Surroundings,
}

impl Receiver {
    pub fn new(origin: &Origin) -> Receiver {
        let (disk, kv, wire) = (SimDisk::new(2), SimKv::new(2), wire(&origin.disk));
        let around = surroundings(&disk, &kv, wire.clone());
        let (machine, views, routes, _) = machine(&around);
        Receiver { disk, kv, wire, machine, views, routes, around }
    }

    /// Loses power and comes back from what is durable.
    pub fn crash(&mut self) {
        self.disk.crash();
        self.kv.crash();
        (self.machine, self.views, self.routes, _) = machine(&self.around);
    }

    /// Is killed and comes back: what was written is there, synced or not.
    pub fn restart(&mut self) {
        (self.machine, self.views, self.routes, _) = machine(&self.around);
    }

    /// Writes a checkpoint of an empty replica at this position, with the mark of another.
    pub fn checkpoint_at(&self, position: LogPosition, mark: &Mark) {
        let mut machine = self.machine.lock();
        machine.replica.advance(position);
        let capture = machine.replica.capture();
        let written =
            checkpoint::write(&self.around.disk, &self.kv, capture, &mark.encode().unwrap()).unwrap();
        machine.replica.install(written);
    }

    pub async fn fetch(&self, snapshot: &Incoming) -> std::result::Result<(), Failed> {
        self.within(DataMachine::fetch(self.machine.clone(), snapshot.clone())).await
    }

    pub async fn install(&self, snapshot: &Incoming) -> std::result::Result<(), Failed> {
        self.within(DataMachine::install(self.machine.clone(), snapshot.clone())).await
    }

    pub async fn pull_whole(&self, file: WholeFile) -> crate::Result<()> {
        self.within(whole::pull_whole(GROUP, &self.around, NodeId(1), file)).await
    }

    async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("stuck")
    }
}
