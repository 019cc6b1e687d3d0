//! A node: what survives, and the process on it.
//!
//! Wired as `nodes/server` wires it, from the product's own parts: log, peers, network, host, restored replica, data
//! node, maintenance, clean-up. The simulation's are the disk, the roads, the clocks and the moment of death.

mod damage;
mod listening;
mod starting;

use super::book::Book;
use super::bug::Bug;
use super::disk::DiskPace;
use super::invariants::i6_log::Synced;
use super::net::Net;
use super::plan::Plan;
use super::seats::{Front, Seats};
use super::witness::Witness;
use crate::invariants::{Broken, broken};
use crate::node::GROUP;
use crate::power::Fuse;
use crate::rng::Rng;
use parking_lot::Mutex;
pub use starting::Started;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use vecraft_log_store::{LogHealth, NodeLog};
use vecraft_raft_host::Birth;
use vecraft_segment::ShardView;
use vecraft_storage::{Disk, SimDisk, SimKv};
use vecraft_types::ReplicaId;

/// What all nodes of a life share.
#[derive(Clone)]
pub struct World {
    /// The circumstances.
    pub plan: Plan,
    /// What was planted.
    pub bug: Option<Bug>,
    /// The network.
    pub net: Net,
    /// The book.
    pub book: Book,
    /// Who serves.
    pub seats: Seats,
    /// When it began.
    pub began: Instant,
}

/// A node.
pub struct Machine {
    /// Its number.
    pub id: u64,
    /// Its replica's id, allocated once (I1).
    pub replica: ReplicaId,
    /// How a process without state begins.
    pub birth: Birth,
    /// Its disk's speed.
    pub pace: DiskPace,
    /// How wrong its wall clock is.
    pub clock_error_ms: Arc<AtomicI64>,
    /// The process.
    pub process: Option<Process>,
    /// Set when the disk or the store was made to refuse something: the process may end of it, or not start.
    pub is_excused: bool,
    disk: SimDisk,
    kv: SimKv,
    rng: Rng,
    lives: u64,
    applied: Arc<AtomicU64>,
    /// What its log has synced, over all its processes.
    synced: Arc<Mutex<Synced>>,
    /// A byte of its log is another one since the last process died.
    is_damaged: bool,
    looked_at: Vec<Arc<ShardView>>,
}

/// A running process.
pub struct Process {
    /// When it dies.
    pub fuse: Fuse,
    /// Its log.
    pub log: NodeLog,
    /// Its replica's machine.
    pub witness: Arc<Mutex<Witness>>,
    /// As others see it.
    pub front: Front,
    tasks: Vec<AbortHandle>,
    /// Set when the replica ended by itself (I24).
    ended: Arc<Mutex<Option<String>>>,
}

impl Machine {
    /// A node with empty disks.
    pub fn new(id: u64, replica: ReplicaId, birth: Birth, mut rng: Rng, world: &World) -> Machine {
        let pace = DiskPace::new(rng.fork(1), world.plan.disk_us_max);
        let (disk, kv) = Machine::disks(&mut rng, world.bug);
        Machine {
            id,
            replica,
            birth,
            pace,
            clock_error_ms: Arc::default(),
            process: None,
            is_excused: false,
            disk,
            kv,
            rng,
            lives: 0,
            applied: Arc::default(),
            synced: Arc::default(),
            is_damaged: false,
            looked_at: Vec::new(),
        }
    }

    fn disks(rng: &mut Rng, bug: Option<Bug>) -> (SimDisk, SimKv) {
        let (disk, kv) = (SimDisk::new(rng.next()), SimKv::new(rng.next()));
        disk.set_sync_is_a_lie(bug == Some(Bug::SkipFsync));
        (disk, kv)
    }

    /// Everything on it is gone.
    pub fn wipe(&mut self, bug: Option<Bug>) {
        (self.disk, self.kv) = Machine::disks(&mut self.rng, bug);
        self.applied = Arc::default();
        self.synced = Arc::default();
        self.is_damaged = false;
    }

    /// The next sync of a file fails.
    pub fn fail_sync(&mut self) {
        self.is_excused = true;
        self.disk.fail_syncs(1);
    }

    /// The store refuses its next batch.
    pub fn fail_store(&mut self) {
        self.is_excused = true;
        self.kv.fail_writes(1);
    }

    /// The disk has room for so many more bytes, or for everything again.
    pub fn limit(&mut self, room: Option<u64>) {
        const ALL: u64 = 1 << 40;
        self.disk.set_capacity(Some(ALL));
        let used = ALL - self.disk.free_bytes().unwrap_or(ALL);
        self.disk.set_capacity(room.map(|room| used + room));
        self.is_excused |= room.is_some();
    }

    /// Ends the process, if one runs: in the middle of things, and nobody is told.
    pub fn kill(&mut self, world: &World, is_power_cut: bool) {
        if let Some(process) = self.process.take() {
            process.fuse.blow();
            self.remember(&process);
            world.net.close(self.id);
            world.seats.leave(self.id, self.replica);
            process.tasks.iter().for_each(AbortHandle::abort);
            process.log.close();
            // Only to free what it holds: it can reach neither its disk nor anybody else.
            let group = process.front.group.clone();
            tokio::spawn(async move { group.shutdown().await });
            world.book.with(|pages| pages.figures.deaths += 1);
        }
        world.book.note(format!("node {} is dead, power cut: {is_power_cut}", self.id));
        if is_power_cut {
            self.disk.crash();
            self.kv.crash();
        }
        self.disk.fail_syncs(0);
        self.kv.fail_writes(0);
        self.disk.set_capacity(None);
        self.is_excused = false;
    }

    fn remember(&mut self, process: &Process) {
        let last = process.log.group(GROUP, self.replica).recovered().ok().and_then(|log| log.last);
        self.synced.lock().died(last);
        if let Some(members) = Some(process.front.group.members()).filter(|members| members.id.is_some())
            && matches!(self.birth, Birth::Form(_))
            && !members.voters.is_empty()
        {
            // As the product does: a replica that knows its members is never formed again (I1).
            self.birth = Birth::Resume;
        }
    }

    /// What must hold of a running process; `None` when there is none.
    pub fn look(&mut self, world: &World) -> Option<Ailment> {
        let process = self.process.as_ref()?;
        if process.fuse.is_blown() {
            return Some(Ailment::Dead);
        }
        if let LogHealth::Failed { reason } = process.log.health() {
            return Some(Ailment::LogFailed(reason));
        }
        if let Some(why) = process.ended.lock().clone() {
            return Some(Ailment::Ended(why));
        }
        let views = process.witness.lock().views.list();
        for view in &views {
            // A view that was looked at never changes; kept, so that its place in memory is not another's.
            if !self.looked_at.iter().any(|other| Arc::ptr_eq(other, view)) {
                world.book.view(self.id, view);
            }
        }
        self.looked_at = views;
        None
    }

    /// What a replica that ended by itself means.
    pub fn excuse(&self, why: &str) -> Result<(), Broken> {
        if self.is_excused { Ok(()) } else { Err(broken("I24", format!("node {}: {why}", self.id))) }
    }
}

/// Why a process cannot go on.
pub enum Ailment {
    /// Its fuse has burnt down.
    Dead,
    /// A sync failed (I7).
    LogFailed(String),
    /// The replica ended (I24).
    Ended(String),
}
