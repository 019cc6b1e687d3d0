//! I3, P1: what was answered comes back after a power cut, from the checkpoint and the log above it. With the real
//! group, the real log, and a disk and a store that forget what was not synced.

mod formats;
mod snapshots;

use super::*;
use std::collections::BTreeSet;
use vecraft_log_store::{LogOptions, NodeLog, WriterMode};
use vecraft_raft_host::{Birth, Failed, GroupSpec, Host, Incoming, Machine as _, Offer};
use vecraft_rpc::services::Catalogue;
use vecraft_runtime::random::{Random, SeededRandom};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::Tasks;
use vecraft_state::meta::{MetaChange, MetaRoot, MetaState, NodeRow, Placement};
use vecraft_storage::SimDisk;
use vecraft_types::{CollectionDescriptor, GroupId};

use crate::checkpoint;
use crate::messages::Named;
use crate::metastore::META_REPLICA;
use crate::tasks::by_name::new_request;
use vecraft_rpc::codec;
use vecraft_storage::Table;

/// What survives the process.
struct Machine {
    disk: SimDisk,
    kv: SimKv,
    clock: SimClock,
    shards: Arc<FakeShards>,
    policy: CheckpointPolicy,
}

/// One life of the process.
struct Life {
    metastore: Metastore,
    ddl: Ddl,
    log: NodeLog,
}

impl Machine {
    fn new(seed: u64) -> Machine {
        Machine {
            disk: SimDisk::new(seed),
            kv: SimKv::new(seed),
            clock: SimClock::new(1_000_000),
            shards: Arc::new(FakeShards::new(2)),
            policy: CheckpointPolicy::default(),
        }
    }

    async fn start(&self, is_new: bool) -> Life {
        let options =
            LogOptions { writer: WriterMode::Inline, preallocate_bytes: 1 << 16, ..LogOptions::default() };
        let (log, _) = NodeLog::open(Arc::new(self.disk.clone()), "log", options).unwrap();
        let host = Host::new(log.clone()).unwrap();
        let birth = Birth::lone(is_new, META_REPLICA, NodeId(1));
        let spec = GroupSpec { group: GroupId::META, node: NodeId(1), replica: META_REPLICA, birth };
        let io = IoPool::new("test-io", Handle::current(), 1);
        let (kv, clock) = (Arc::new(self.kv.clone()), Arc::new(self.clock.clone()));
        let metastore = Metastore::start(&host, spec, kv, clock, io, self.policy).await.unwrap();
        metastore.bootstrap(ClusterId(7), first_node(), 2).await.unwrap();
        let ddl = Ddl::new(metastore.clone(), self.shards.clone());
        Life { metastore, ddl, log }
    }

    /// The power goes: nothing is written any more, and what was not synced may be gone.
    async fn cut_power(&self, life: Life) {
        life.metastore.abort().await;
        drop(life);
        self.disk.crash();
        self.kv.crash();
    }

    /// What the checkpoint alone holds.
    fn checkpointed(&self) -> MetaState {
        MetaMachine::open(Arc::new(self.kv.clone()), self.policy).unwrap().state().clone()
    }
}

fn content(metastore: &Metastore) -> (MetaRoot, Vec<Arc<CollectionDescriptor>>) {
    metastore.read(|state| (state.root().clone(), state.collections().cloned().collect()))
}

#[tokio::test]
async fn i1_the_first_replica_is_the_one_bootstrap_records() {
    let machine = Machine::new(1);
    let life = machine.start(true).await;
    let root = life.metastore.root();
    assert_eq!(root.groups[&GroupId::META].replicas, [(META_REPLICA, NodeId(1))].into());
    assert!(root.groups.values().flat_map(|group| group.replicas.keys()).collect::<BTreeSet<_>>().len() == 3);
    life.metastore.stop().await;
}

#[tokio::test]
async fn i3_a_power_cut_loses_no_answered_ddl() {
    let machine = Machine::new(2);
    let life = machine.start(true).await;
    life.ddl.create_collection(request("a")).await.unwrap();
    life.ddl.create_collection(request("b")).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    assert!(!life.metastore.checkpoint().await.unwrap(), "nothing new");
    assert_eq!(machine.checkpointed().collections().count(), 2);
    life.ddl.drop_collection("a".into()).await.unwrap();
    life.ddl.create_partition(partition("b", "p")).await.unwrap();
    let ids = life.ddl.allocate_ids(5).await.unwrap();
    let before = content(&life.metastore);
    machine.cut_power(life).await;
    let life = machine.start(false).await;
    assert_eq!(content(&life.metastore), before);
    let row = life.metastore.catalogue().by_name("b").unwrap();
    assert!(row.partition("p").is_some() && life.metastore.catalogue().by_name("a").is_none());
    assert!(life.ddl.allocate_ids(1).await.unwrap() >= ids + 5, "row ids are not given twice");
    life.metastore.stop().await;
    drop(life);
    assert_eq!(machine.checkpointed().collections().count(), 1, "a clean stop leaves nothing to replay");
}

#[tokio::test]
async fn a_checkpoint_that_fails_loses_no_row() {
    let machine = Machine::new(3);
    let life = machine.start(true).await;
    life.ddl.create_collection(request("a")).await.unwrap();
    machine.kv.fail_writes(1);
    life.metastore.checkpoint().await.unwrap_err();
    life.ddl.create_collection(request("b")).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    let names: Vec<_> = machine.checkpointed().collections().map(|row| row.name.clone()).collect();
    assert_eq!(names, ["a", "b"]);
    life.ddl.drop_collection("a".into()).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    assert_eq!(machine.checkpointed(), life.metastore.read(|state| state.clone()));
    life.metastore.stop().await;
}

#[tokio::test]
async fn checkpoints_follow_the_log() {
    let mut machine = Machine::new(4);
    machine.policy.entries_max = 10;
    let life = machine.start(true).await;
    let shutdown = Shutdown::new();
    life.metastore
        .spawn_checkpoints(&Tasks::new(Handle::current(), shutdown.clone(), |_| {}), shutdown.clone());
    for i in 0..200 {
        life.ddl.create_collection(request(&format!("c{i}"))).await.unwrap();
    }
    until("the checkpoints", || machine.checkpointed().collections().count() >= 190).await;
    shutdown.trigger("done");
    let before = content(&life.metastore);
    machine.cut_power(life).await;
    let life = machine.start(false).await;
    assert_eq!(content(&life.metastore), before);
    life.metastore.stop().await;
    life.log.close();
}

/// Another node's replica, which the log does not reach.
struct Follower {
    kv: SimKv,
    machine: Arc<parking_lot::Mutex<MetaMachine>>,
}

impl Follower {
    fn open(kv: SimKv) -> Follower {
        let machine = MetaMachine::open(Arc::new(kv.clone()), CheckpointPolicy::default()).unwrap();
        Follower { kv, machine: Arc::new(parking_lot::Mutex::new(machine)) }
    }

    async fn take(&self, offer: &Offer) -> Result<(), Failed> {
        let (mark, content) = (offer.mark.clone(), offer.content.clone());
        let incoming = Incoming { mark, content, source: NodeId(1) };
        MetaMachine::fetch(self.machine.clone(), incoming.clone()).await?;
        MetaMachine::install(self.machine.clone(), incoming).await
    }

    fn state(&self) -> MetaState {
        self.machine.lock().state().clone()
    }

    fn names(&self) -> Vec<String> {
        self.machine.lock().catalogue().list().iter().map(|row| row.name.clone()).collect()
    }
}

/// Random DDL with checkpoints and power cuts in between; the seed brings a failure back.
async fn random_lives(seed: u64) {
    let (machine, random) = (Machine::new(seed), SeededRandom::new(seed));
    let mut life = machine.start(true).await;
    let mut names = BTreeSet::new();
    for _ in 0..40 {
        let name = format!("c{}", random.next_u64() % 6);
        match random.next_u64() % 8 {
            0..=2 => {
                life.ddl.create_collection(request(&name)).await.unwrap();
                names.insert(name);
            }
            3 => {
                life.ddl.drop_collection(name.clone()).await.unwrap();
                names.remove(&name);
            }
            4 => _ = life.ddl.create_partition(partition(&name, "p")).await,
            5 => _ = life.ddl.drop_partition(partition(&name, "p")).await,
            6 => _ = life.metastore.checkpoint().await.unwrap(),
            _ => {
                let before = content(&life.metastore);
                machine.cut_power(life).await;
                life = machine.start(false).await;
                assert_eq!(content(&life.metastore), before, "seed {seed}");
            }
        }
        let seen: BTreeSet<_> =
            life.metastore.catalogue().list().iter().map(|row| row.name.clone()).collect();
        assert_eq!(seen, names, "seed {seed}");
        assert_eq!(machine.shards.live(), names.len() * 2, "seed {seed}");
    }
    life.metastore.stop().await;
}

#[tokio::test]
async fn p1_random_lives_agree_with_what_was_answered() {
    for seed in 0..20 {
        random_lives(seed).await;
    }
}
