//! The data role of a node: which group holds which shard, and the services over them.

use crate::governor::Governor;
use crate::group::DataGroup;
use crate::outage::Outages;
use crate::relief::Told;
use crate::replica::Routes;
use crate::voters::Voters;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_rpc::memory::{MemoryGovernor, Room, RoomLeft};
use vecraft_segment::ViewRegistry;
use vecraft_storage::Disk;
use vecraft_types::{Code, Error, GroupId, NodeId, Result, ShardId};

/// The groups of this node and the views of their shards. Clones are the same.
#[derive(Clone)]
pub struct DataNode {
    pub(crate) groups: Arc<RwLock<BTreeMap<GroupId, Arc<DataGroup>>>>,
    pub(crate) outages: Arc<Outages>,
    /// Replicas elsewhere that differ from the majority, by group (I22).
    differing: Arc<RwLock<BTreeMap<GroupId, u64>>>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) views: Arc<ViewRegistry>,
    pub(crate) limits: WriteLimits,
    pub(crate) in_flight: Arc<tokio::sync::Semaphore>,
    governor: Arc<Governor>,
    /// Of the groups here; nobody on a node without peers.
    pub(crate) voters: Arc<OnceLock<Arc<Voters>>>,
    pub(crate) told: Arc<Told>,
    space: Space,
}

/// Whether the disk has room for writes.
#[derive(Clone)]
pub struct Space {
    /// The node's files.
    pub disk: Arc<dyn Disk>,
    /// True while a full disk holds the log's callbacks back (I7).
    pub is_log_stalled: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Free bytes below which inserts are refused: what is left is for deletes, checkpoints and the log's own records.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// What a node takes on at one time.
#[derive(Clone, Copy, Debug)]
pub struct WriteLimits {
    /// Bytes of writes in flight (I21).
    pub in_flight_bytes_max: usize,
    /// Bytes of growing segments, key indexes, writes in flight and indexes in memory; more inserts are refused until
    /// some are freed (I21).
    pub memory_bytes_max: u64,
    /// A flush seals growing segments of at least so many rows: only sealed ones get an index, and smaller ones are
    /// as quick to scan.
    pub flush_seals_rows_min: u64,
}

impl DataNode {
    /// A node without groups.
    pub fn new(routes: Arc<Routes>, views: Arc<ViewRegistry>, limits: WriteLimits, space: Space) -> DataNode {
        let in_flight = Arc::new(tokio::sync::Semaphore::new(limits.in_flight_bytes_max / UNIT));
        let governor = Arc::new(Governor::new(limits.memory_bytes_max));
        let (groups, outages, differing) = (Arc::default(), Arc::default(), Arc::default());
        let (voters, told) = (Arc::default(), Arc::default());
        DataNode {
            groups,
            outages,
            differing,
            routes,
            views,
            limits,
            in_flight,
            governor,
            voters,
            told,
            space,
        }
    }

    /// Who may have how much memory here.
    pub fn governor(&self) -> Arc<Governor> {
        self.governor.clone()
    }

    pub(crate) fn set_differing(&self, group: GroupId, replicas: u64) {
        self.differing.write().insert(group, replicas);
    }

    /// Replicas elsewhere that this node found to differ from the majority of their group (I22).
    pub(crate) fn differing(&self) -> u64 {
        self.differing.read().values().sum()
    }

    /// A group left this node: whoever leads it elsewhere compares it.
    pub(crate) fn forget_differing(&self, group: GroupId) {
        self.differing.write().remove(&group);
    }

    /// Adds a started group; if it was out of service, it is no more.
    pub fn add_group(&self, group: Arc<DataGroup>) {
        let mut groups = self.groups.write();
        self.outages.forget(group.raft.id());
        groups.insert(group.raft.id(), group);
        self.governor.set_groups(groups.len());
    }

    pub(crate) fn remove_group(&self, id: GroupId) -> Option<Arc<DataGroup>> {
        let mut groups = self.groups.write();
        let removed = groups.remove(&id);
        self.governor.set_groups(groups.len());
        removed
    }

    /// The groups here.
    pub fn groups(&self) -> Vec<Arc<DataGroup>> {
        self.groups.read().values().cloned().collect()
    }

    pub(crate) fn group(&self, id: GroupId) -> Result<Arc<DataGroup>> {
        self.groups.read().get(&id).cloned().ok_or_else(|| self.outages.missing(id))
    }

    /// Returns once every group here knows its members: until then a restart must form it again (I1).
    pub async fn have_members(&self) {
        for group in self.groups() {
            let mut standing = group.raft.standing();
            // An error means that the replica has ended; whoever watches it says so.
            let _ = standing.wait_for(|now| now.members.id.is_some()).await;
        }
    }

    /// The node that leads a group which has a replica here, when that replica knows.
    pub fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        Some(self.groups.read().get(&group)?.raft.leader()?.node)
    }

    /// The group that holds a shard.
    pub(crate) fn group_of(&self, shard: ShardId) -> Result<Arc<DataGroup>> {
        let missing = || Error::unknown_shard("the shard is not on this node", shard);
        self.group(self.routes.group_of(shard).ok_or_else(missing)?)
    }

    /// Takes room for a write, or says when to come again (I21).
    pub(crate) fn admit(&self, bytes: usize, adds_rows: bool) -> Result<tokio::sync::OwnedSemaphorePermit> {
        self.check_space(adds_rows)?;
        // Deletes are always taken: they are how a user makes room. What others have in flight will be rows soon; the
        // request itself does not count, or one larger than the limit could never be taken.
        if adds_rows && let Some(why) = self.governor.refusal(self.memory_bytes() + self.in_flight_bytes()) {
            self.ask_relief();
            self.governor.note_refused();
            return Err(Error::new(Code::OutOfMemory, why).retry_after(1_000));
        }
        let units = bytes.div_ceil(UNIT).min(self.limits.in_flight_bytes_max / UNIT) as u32;
        self.in_flight.clone().try_acquire_many_owned(units).map_err(|_| {
            let detail = format!("{} MiB of writes are in flight", self.limits.in_flight_bytes_max >> 20);
            Error::new(Code::RateLimited, detail).retry_after(50)
        })
    }

    /// What this node can still take, and why not more.
    pub(crate) fn room_left(&self) -> RoomLeft {
        let rows = self.memory_bytes() + self.in_flight_bytes();
        // Asked while rows are written: a leader refuses them for this.
        let memory = self.governor.refusal(rows).map(|why| {
            self.governor.note_refused();
            Error::new(Code::OutOfMemory, why)
        });
        let free = self.space.disk.free_bytes().unwrap_or(0).saturating_sub(FREE_BYTES_MIN);
        let shortage = self.check_space(true).err().or(memory);
        RoomLeft { bytes: self.governor.left(rows).min(free), shortage }
    }

    /// Why inserts are refused right now, for health.
    pub fn refusals(&self) -> Vec<String> {
        let space = self.check_space(true).err().map(|error| error.to_string());
        space.into_iter().chain(self.governor.refusal(self.memory_bytes())).collect()
    }

    /// Refuses what a full disk could not take, before it waits in the log (P6).
    pub(crate) fn check_space(&self, adds_rows: bool) -> Result<()> {
        let full = |detail: String| Err(Error::new(Code::DiskFull, detail).retry_after(5_000));
        if (self.space.is_log_stalled)() {
            return full("the disk is full; writes are taken again when there is room".to_owned());
        }
        if !adds_rows {
            return Ok(());
        }
        match self.space.disk.free_bytes() {
            Ok(free) if free < FREE_BYTES_MIN => full(format!(
                "{} MiB are free, {} MiB are needed for inserts; deletes are still taken",
                free >> 20,
                FREE_BYTES_MIN >> 20
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(Code::Io, error.to_string())),
        }
    }

    /// Bytes of memory that rows and keys occupy.
    pub fn memory_bytes(&self) -> u64 {
        let groups = self.groups.read();
        groups.values().map(|group| group.pressure.memory_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Bytes of writes accepted and not yet applied.
    pub(crate) fn in_flight_bytes(&self) -> u64 {
        let units =
            (self.limits.in_flight_bytes_max / UNIT).saturating_sub(self.in_flight.available_permits());
        (units * UNIT) as u64
    }

    /// Writes a checkpoint of every group (at shutdown, so that the next start is quick).
    ///
    /// # Errors
    /// The first that could not; the others are written all the same.
    pub async fn checkpoint_all(&self) -> crate::Result<()> {
        let mut failed = None;
        for group in self.groups() {
            failed = failed.or(group.checkpoint().await.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// Stops every group's replica.
    pub async fn shutdown(&self) {
        for group in self.groups() {
            group.raft.shutdown().await;
        }
    }
}

impl MemoryGovernor for DataNode {
    fn room_for_index(&self, bytes: u64) -> Result<Room> {
        self.governor.room_for_index(self.memory_bytes() + self.in_flight_bytes(), bytes)
    }

    fn index_room(&self) -> u64 {
        self.governor.index_room(self.memory_bytes() + self.in_flight_bytes())
    }

    fn take_index_excess(&self) -> u64 {
        self.governor.take_index_excess(self.memory_bytes() + self.in_flight_bytes())
    }

    fn is_tight(&self) -> bool {
        self.governor.process().is_some_and(|memory| memory.is_tight)
    }

    fn pressed(&self) -> Arc<Notify> {
        self.governor.pressed()
    }
}

/// Granularity of the in-flight semaphore, in bytes.
const UNIT: usize = 1 << 10;

/// The time left of a request.
pub(crate) fn time_left(deadline_ms: u64) -> Duration {
    Duration::from_millis(deadline_ms.max(1))
}

#[cfg(test)]
mod tests;
