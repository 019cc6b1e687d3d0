//! The machine under test: one disk, one store, and a process that lives on them until it dies.
//!
//! All of it is the product's own code, called in the order in which `raft/host` and `nodes/data` call it; only
//! the scheduling (Raft with one voter, the actor, the pools) is the simulation's.

use crate::bug::Bug;
use crate::plan::Plan;
use crate::power::{Fuse, FusedDisk, FusedKv};
use crate::rng::Rng;
use std::sync::Arc;
use vecraft_data::{Capture, Faults, GroupReplica, Routes, Written, restore, write_checkpoint};
use vecraft_log_store::{GroupKey, LogEntry, LogOptions, WriteAheadLog};
use vecraft_rpc::codec;
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_state::shard::{ShardEntry, ShardReply};
use vecraft_storage::{Disk, SimDisk, SimKv};
use vecraft_types::{GroupId, LogPosition, ReplicaId};

/// The group whose shards are simulated.
pub const GROUP: GroupId = GroupId(1);
/// Its only replica.
pub const MAIN: GroupKey = GroupKey { group: GROUP, replica: ReplicaId(11) };
/// A second group in the same log, which writes rarely: its entries pin old segments, its vote must outlive them.
pub const BYSTANDER: GroupKey = GroupKey { group: GroupId(9), replica: ReplicaId(91) };
/// Where the log lives.
const LOG_DIR: &str = "log";

/// What survives a process.
pub struct Machine {
    /// Files.
    pub disk: FusedDisk,
    /// Checkpoint records.
    pub kv: FusedKv,
    /// When the process dies.
    pub fuse: Fuse,
    log: LogOptions,
    growing: GrowingOptions,
    bug: Option<Bug>,
}

/// One process.
pub struct Life {
    /// The node's log.
    pub log: WriteAheadLog,
    /// What it serves.
    pub shards: Shards,
}

/// The group's shards in memory.
pub struct Shards {
    /// The replica that applies.
    pub replica: GroupReplica,
    /// What readers see.
    pub views: Arc<ViewRegistry>,
    /// Which shards are here.
    pub routes: Arc<Routes>,
    /// Position of the checkpoint it started from, as its mark says.
    pub mark: Option<LogPosition>,
    /// The planted bug is not one of the replay only.
    lives_on: bool,
}

impl Machine {
    /// A new machine with empty disks.
    pub fn new(rng: &Rng, plan: &Plan, bug: Option<Bug>) -> Machine {
        let fuse = Fuse::new(rng.fork(1));
        let (disk, kv) = (SimDisk::new(rng.fork(2).next()), SimKv::new(rng.fork(3).next()));
        disk.set_sync_is_a_lie(bug == Some(Bug::SkipFsync));
        kv.set_sync_is_a_lie(bug == Some(Bug::SkipKvSync));
        Machine {
            disk: FusedDisk { inner: disk, fuse: fuse.clone(), keeps_files: false },
            kv: FusedKv { inner: kv, fuse: fuse.clone() },
            fuse,
            log: plan.log.clone(),
            growing: plan.growing,
            bug,
        }
    }

    /// What is left when the power goes (files forget what was not synced), or only the process (they do not).
    pub fn settle(&self, is_power_cut: bool) {
        if is_power_cut {
            self.disk.inner.crash();
            self.kv.inner.crash();
        }
        self.disk.inner.fail_syncs(0);
        self.kv.inner.fail_writes(0);
        self.fuse.renew();
    }

    /// The disk as the product sees it.
    pub fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    /// Recovers the log.
    ///
    /// # Errors
    /// As [`WriteAheadLog::open`].
    pub fn open_log(&self) -> vecraft_log_store::Result<WriteAheadLog> {
        WriteAheadLog::open(self.shared_disk(), LOG_DIR, self.log.clone())
    }

    /// Reads the newest checkpoint.
    ///
    /// # Errors
    /// As [`restore`].
    pub fn restore(&self) -> vecraft_data::Result<Shards> {
        let (views, routes) = (Arc::new(ViewRegistry::new()), Arc::new(Routes::default()));
        let disk = self.shared_disk();
        let (mut replica, mark) =
            restore(&disk, &self.kv, GROUP, routes.clone(), views.clone(), self.growing)?;
        replica.set_faults(Faults {
            drop_deletes: self.bug == Some(Bug::DropDeleteOnReplay),
            spare_outputs: self.bug == Some(Bug::LoseDeletesOfOutputs),
            ..Faults::default()
        });
        let lives_on = self.bug == Some(Bug::LoseDeletesOfOutputs);
        Ok(Shards { replica, views, routes, mark: mark.as_deref().and_then(read_mark), lives_on })
    }

    /// Makes a capture durable.
    ///
    /// # Errors
    /// As [`write_checkpoint`].
    pub fn write(&self, capture: Capture) -> vecraft_data::Result<Written> {
        let mark = capture.position().0.to_le_bytes();
        write_checkpoint(&self.shared_disk(), &self.kv, capture, &mark)
    }

    /// Bytes the disk holds.
    pub fn used_bytes(&self) -> u64 {
        const ALL: u64 = 1 << 40;
        self.disk.inner.set_capacity(Some(ALL));
        ALL - self.disk.inner.free_bytes().unwrap_or(ALL)
    }
}

impl Shards {
    /// Applies a committed entry as the host does. `None` for an entry without a command.
    ///
    /// # Errors
    /// What stopped the replica.
    pub fn apply(&mut self, entry: &LogEntry) -> Result<Option<ShardReply>, String> {
        let position = LogPosition(entry.id.index);
        if entry.payload.is_empty() {
            self.replica.advance(position);
            return Ok(None);
        }
        let command = decode(&entry.payload)?;
        self.replica.apply(position, command).map(Some).map_err(|error| error.to_string())
    }

    /// From now on entries come from live proposals, not from a replay.
    pub fn replayed(&mut self) {
        self.replica.set_faults(Faults { spare_outputs: self.lives_on, ..Faults::default() });
    }
}

/// The command of a payload.
///
/// # Errors
/// The decoder's words.
pub fn decode(payload: &[u8]) -> Result<ShardEntry, String> {
    codec::decode(payload).map_err(|error| error.to_string())
}

fn read_mark(bytes: &[u8]) -> Option<LogPosition> {
    Some(LogPosition(u64::from_le_bytes(bytes.try_into().ok()?)))
}
