//! The data role of a node: which group holds which shard, and the services over them.

use crate::group::DataGroup;
use crate::replica::Routes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vecraft_segment::ViewRegistry;
use vecraft_types::{Code, Error, GroupId, Result, ShardId};

/// The groups of this node and the views of their shards. Clones are the same.
#[derive(Clone)]
pub struct DataNode {
    groups: Arc<RwLock<BTreeMap<GroupId, Arc<DataGroup>>>>,
    routes: Arc<Routes>,
    pub(crate) views: Arc<ViewRegistry>,
    pub(crate) limits: WriteLimits,
    pub(crate) in_flight: Arc<tokio::sync::Semaphore>,
}

/// What a node takes on at one time.
#[derive(Clone, Copy, Debug)]
pub struct WriteLimits {
    /// Bytes of writes in flight (I21).
    pub in_flight_bytes_max: usize,
    /// Bytes of growing segments and key indexes; more writes are refused until a flush freed some (I21).
    pub memory_bytes_max: u64,
}

impl DataNode {
    /// A node without groups.
    pub fn new(routes: Arc<Routes>, views: Arc<ViewRegistry>, limits: WriteLimits) -> DataNode {
        let in_flight = Arc::new(tokio::sync::Semaphore::new(limits.in_flight_bytes_max / UNIT));
        DataNode { groups: Arc::default(), routes, views, limits, in_flight }
    }

    /// Adds a started group.
    pub fn add_group(&self, group: Arc<DataGroup>) {
        self.groups.write().insert(group.raft.id(), group);
    }

    /// The groups here.
    pub fn groups(&self) -> Vec<Arc<DataGroup>> {
        self.groups.read().values().cloned().collect()
    }

    pub(crate) fn group(&self, id: GroupId) -> Result<Arc<DataGroup>> {
        let missing =
            || Error::new(Code::ReplicaUnavailable, "the group is not on this node").with("group", id);
        self.groups.read().get(&id).cloned().ok_or_else(missing)
    }

    /// The group that holds a shard.
    pub(crate) fn group_of(&self, shard: ShardId) -> Result<Arc<DataGroup>> {
        let missing =
            || Error::new(Code::ReplicaUnavailable, "the shard is not on this node").with("shard", shard);
        self.group(self.routes.group_of(shard).ok_or_else(missing)?)
    }

    /// Takes room for a write, or says when to come again (I21).
    pub(crate) fn admit(&self, bytes: usize) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let memory = self.memory_bytes();
        if memory > self.limits.memory_bytes_max {
            let detail = format!(
                "{} MiB of unflushed rows and keys, the limit is {} MiB",
                memory >> 20,
                self.limits.memory_bytes_max >> 20
            );
            return Err(Error::new(Code::OutOfMemory, detail).retry_after(1_000));
        }
        let units = bytes.div_ceil(UNIT).min(self.limits.in_flight_bytes_max / UNIT) as u32;
        self.in_flight.clone().try_acquire_many_owned(units).map_err(|_| {
            let detail = format!("{} MiB of writes are in flight", self.limits.in_flight_bytes_max >> 20);
            Error::new(Code::RateLimited, detail).retry_after(50)
        })
    }

    /// Bytes of memory that writes occupy.
    pub fn memory_bytes(&self) -> u64 {
        let groups = self.groups.read();
        groups.values().map(|group| group.pressure.memory_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Writes a checkpoint of every group (at shutdown, so that the next start is quick).
    ///
    /// # Errors
    /// The first group that could not.
    pub async fn checkpoint_all(&self) -> crate::Result<()> {
        for group in self.groups() {
            group.checkpoint().await?;
        }
        Ok(())
    }

    /// Stops every group's replica.
    pub async fn shutdown(&self) {
        for group in self.groups() {
            group.raft.shutdown().await;
        }
    }
}

/// Granularity of the in-flight semaphore, in bytes.
const UNIT: usize = 1 << 10;

/// The time left of a request.
pub(crate) fn time_left(deadline_ms: u64) -> Duration {
    Duration::from_millis(deadline_ms.max(1))
}
