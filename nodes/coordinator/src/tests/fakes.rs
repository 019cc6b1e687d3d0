//! A log and shards in memory.

use crate::log::MetaLog;
use crate::machine::MetaMachine;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use vecraft_raft_host::{Error as LogError, Failed, Mark, Part, Standing};
use vecraft_rpc::services::{ShardAdmin, ShardCreation};
use vecraft_types::{
    Code, Error, GroupId, IndexBuild, IndexId, LogPosition, NodeId, PartitionId, Result, SegmentId, ShardId,
};

/// A log whose entries are applied at once.
pub struct MemoryLog {
    machine: Arc<Mutex<MetaMachine>>,
    /// The next proposals that get lost before they are committed.
    losing: Mutex<u32>,
    /// How many of the next proposals are applied late, and those that wait for it.
    late: Mutex<(u32, Vec<Bytes>)>,
    proposals: Mutex<u64>,
}

impl MemoryLog {
    pub fn new(machine: Arc<Mutex<MetaMachine>>) -> MemoryLog {
        MemoryLog { machine, losing: Mutex::new(0), late: Mutex::default(), proposals: Mutex::new(0) }
    }

    pub fn lose(&self, proposals: u32) {
        *self.losing.lock() = proposals;
    }

    /// The next proposals are committed and not applied before somebody catches up; who proposed them hears nothing of it.
    pub fn delay(&self, proposals: u32) {
        self.late.lock().0 = proposals;
    }

    pub fn proposals(&self) -> u64 {
        *self.proposals.lock()
    }
}

#[async_trait]
impl MetaLog for MemoryLog {
    async fn propose(&self, command: Bytes, _: Duration) -> std::result::Result<Bytes, LogError> {
        tokio::task::yield_now().await;
        *self.proposals.lock() += 1;
        let mut losing = self.losing.lock();
        if *losing > 0 {
            *losing -= 1;
            return Err(LogError::Stopped { group: GroupId::META, reason: "lost by the test".into() });
        }
        let (left, late) = &mut *self.late.lock();
        if *left > 0 {
            *left -= 1;
            late.push(command);
            return Err(LogError::Stopped { group: GroupId::META, reason: "the leader died".into() });
        }
        let stopped = |failed: Failed| LogError::Stopped { group: GroupId::META, reason: failed.to_string() };
        self.machine.lock().apply_bytes(&command).map_err(stopped)
    }

    async fn catch_up(&self, _: Duration) -> std::result::Result<(), LogError> {
        tokio::task::yield_now().await;
        let stopped = |failed: Failed| LogError::Stopped { group: GroupId::META, reason: failed.to_string() };
        for command in std::mem::take(&mut self.late.lock().1) {
            self.machine.lock().apply_bytes(&command).map_err(stopped)?;
        }
        Ok(())
    }

    async fn checkpointed(&self, _: &Mark) -> std::result::Result<(), LogError> {
        Ok(())
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        watch::channel(Standing { part: Part::Leader, ..Standing::default() }).1
    }

    async fn recovered(&self, _: Duration) -> std::result::Result<(), LogError> {
        Ok(())
    }

    async fn ended(&self) {
        std::future::pending().await
    }

    fn positions(&self) -> (LogPosition, LogPosition) {
        Default::default()
    }

    async fn stop(&self) {}
}

/// What the shards' logs say.
#[derive(Default)]
pub struct Shards {
    pub live: BTreeMap<ShardId, (GroupId, ShardCreation)>,
    /// Every shard that was ever made.
    pub made: BTreeSet<ShardId>,
    pub dropped_partitions: BTreeSet<(ShardId, PartitionId)>,
    /// Answers of the next calls.
    failures: Vec<Code>,
    calls: u64,
}

pub struct FakeShards {
    pub shards: Mutex<Shards>,
    groups: u64,
    /// Each create takes a permit and puts it back.
    pub gate: Semaphore,
}

impl FakeShards {
    pub fn new(groups: u64) -> FakeShards {
        FakeShards { shards: Mutex::default(), groups, gate: Semaphore::new(1_000) }
    }

    /// The next `count` calls fail.
    pub fn fail(&self, code: Code, count: usize) {
        self.shards.lock().failures = vec![code; count];
    }

    pub fn live(&self) -> usize {
        self.shards.lock().live.len()
    }

    pub fn calls(&self) -> u64 {
        self.shards.lock().calls
    }

    fn call<T>(&self, change: impl FnOnce(&mut Shards) -> T) -> Result<T> {
        let mut shards = self.shards.lock();
        shards.calls += 1;
        match shards.failures.pop() {
            Some(code) => Err(Error::new(code, "asked for by the test")),
            None => Ok(change(&mut shards)),
        }
    }
}

#[async_trait]
impl ShardAdmin for FakeShards {
    async fn create_shard(&self, group: GroupId, descriptor: ShardCreation) -> Result<()> {
        let _pass = self.gate.acquire().await.unwrap();
        self.call(|shards| {
            let id = descriptor.shard;
            let again = shards.live.insert(id, (group, descriptor.clone()));
            assert!(again.is_none_or(|was| was == (group, descriptor)), "shard {id} made twice, differently");
            shards.made.insert(id);
        })
    }

    async fn drop_shard(&self, group: GroupId, shard: ShardId) -> Result<()> {
        self.call(|shards| {
            let was = shards.live.remove(&shard);
            assert!(was.is_none_or(|(at, _)| at == group), "shard {shard} is not in group {group}");
        })
    }

    async fn drop_partition(&self, group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()> {
        self.call(|shards| {
            assert_eq!(shards.live[&shard].0, group);
            shards.dropped_partitions.insert((shard, partition));
        })
    }

    async fn index_ready(
        &self,
        _: GroupId,
        _: ShardId,
        _: SegmentId,
        _: IndexBuild,
    ) -> Result<Option<IndexBuild>> {
        panic!("the coordinator names no index builds");
    }

    async fn index_dropped(&self, _: GroupId, _: ShardId, _: IndexId) -> Result<()> {
        panic!("the coordinator names no index builds");
    }

    fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        (1..=self.groups).contains(&group.0).then_some(NodeId(1))
    }
}
