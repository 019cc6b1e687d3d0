#![allow(clippy::unwrap_used)]

mod catalogue;
mod checkpoint;
mod ddl;
mod fakes;
mod reconcile;
mod units;

use fakes::{FakeShards, MemoryLog};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use vecraft_runtime::clock::SimClock;
use vecraft_runtime::pools::IoPool;
use vecraft_state::meta::{ClusterId, NodeRow};
use vecraft_storage::{Kv, SimKv};
use vecraft_types::api::{CreateCollection, PartitionRequest};
use vecraft_types::{CollectionSchema, DataType, FieldSchema, NodeId};

use crate::machine::{CheckpointPolicy, MetaMachine};
use crate::metastore::Metastore;
use crate::tasks::Ddl;

/// A coordinator's tasks over a log in memory and shards that only remember.
struct Sandbox {
    metastore: Metastore,
    shards: Arc<FakeShards>,
    ddl: Arc<Ddl>,
    log: Arc<MemoryLog>,
}

impl Sandbox {
    async fn new() -> Sandbox {
        let kv: Arc<dyn Kv> = Arc::new(SimKv::new(1));
        let machine = MetaMachine::open(kv.clone(), CheckpointPolicy::default()).unwrap();
        let machine = Arc::new(parking_lot::Mutex::new(machine));
        let log = Arc::new(MemoryLog::new(machine.clone()));
        let clock = Arc::new(SimClock::new(1_000));
        let io = IoPool::new("test-io", Handle::current(), 2);
        let metastore = Metastore::over(machine, log.clone(), kv, clock, io);
        metastore.bootstrap(ClusterId(7), first_node(), 2).await.unwrap();
        let shards = Arc::new(FakeShards::new(2));
        let ddl = Arc::new(Ddl::new(metastore.clone(), shards.clone()));
        Sandbox { metastore, shards, ddl, log }
    }

    /// The next coordinator over what the last one left.
    fn next_coordinator(&self) -> Arc<Ddl> {
        Arc::new(Ddl::new(self.metastore.clone(), self.shards.clone()))
    }
}

fn first_node() -> NodeRow {
    NodeRow { id: NodeId(1), address: String::new() }
}

fn request(name: &str) -> CreateCollection {
    let fields = vec![
        FieldSchema::new("id", DataType::Int64).primary(true),
        FieldSchema::new("vector", DataType::FloatVector { dim: 4 }),
    ];
    CreateCollection {
        name: name.to_owned(),
        schema: CollectionSchema::new(fields),
        shards: 2,
        properties: BTreeMap::new(),
        default_consistency: 2,
    }
}

fn partition(collection: &str, partition: &str) -> PartitionRequest {
    PartitionRequest { collection: collection.to_owned(), partition: partition.to_owned() }
}

/// Waits for a condition; no sleeps of a fixed length.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "not within 20 s: {what}");
}
