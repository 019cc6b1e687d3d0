//! A node: what survives, and the process on it.
//!
//! Wired as `nodes/server` wires it, from the product's own parts: log, peers, network, host, restored replica, data
//! node, maintenance, clean-up. The simulation's are the disk, the roads, the clocks and the moment of death.

use super::book::Book;
use super::bug::Bug;
use super::clock::NodeClock;
use super::disk::{DiskPace, write_log};
use super::invariants::i7_votes::Promised;
use super::invariants::{i4_purge, i5_snapshot, i7_votes};
use super::kv::ForgetfulKv;
use super::net::{Net, WiredFiles, WiredRoads};
use super::plan::Plan;
use super::seats::{Front, Seats};
use super::witness::Witness;
use crate::invariants::{Broken, broken};
use crate::node::GROUP;
use crate::power::{Fuse, FusedDisk, FusedKv};
use crate::rng::Rng;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use vecraft_data::{
    DataGroup, DataMachine, DataNode, DiskFiles, Failures, Pressure, Routes, Source, Space, Surroundings,
    Throttle, WriteLimits, clean_up, maintain, restore,
};
use vecraft_log_store::{LogHealth, LogOptions, NodeLog};
use vecraft_raft_host::{Birth, GroupSpec, Host, Mark, Network};
use vecraft_rpc::peer::{Accepted, Channel, DialOptions, Identity, PeerStream, Peers, Trust, handshake};
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::{ShardView, ViewRegistry};
use vecraft_storage::{Disk, SimDisk, SimKv};
use vecraft_types::{NodeId, ReplicaId};

/// A start that takes longer is stuck.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two clean-ups; an hour in the product (I13).
const CLEAN_UP_EVERY: Duration = Duration::from_secs(3);

/// Between two checkpoints that nobody wrote ([`Bug::PurgeAboveCheckpoint`]).
const PRETEND_EVERY: Duration = Duration::from_millis(500);

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
    promised: Promised,
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

/// How a start went.
pub enum Started {
    /// It serves.
    Serves,
    /// The process died on the way.
    Died,
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
            promised: Promised::default(),
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
        self.promised = Promised::default();
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

    /// Starts a process; with `operations` it dies after so many on its disk.
    ///
    /// # Errors
    /// A rule that did not hold.
    pub async fn start(&mut self, world: &World, operations: Option<u64>) -> Result<Started, Broken> {
        self.lives += 1;
        let was_excused = self.is_excused;
        let fuse = Fuse::new(self.rng.fork(100 + self.lives));
        if let Some(operations) = operations {
            fuse.light(operations);
        }
        let starting = tokio::time::timeout(START_MAX, self.try_start(world, fuse.clone()));
        let outcome = match starting.await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no start within {START_MAX:?} (I3)")),
        };
        match outcome {
            Ok(process) => {
                self.process = Some(process);
                Ok(Started::Serves)
            }
            Err(_) if fuse.is_blown() || was_excused => {
                world.net.close(self.id);
                Ok(Started::Died)
            }
            Err(error) => Err(i4_purge::refused(self.id, &error)),
        }
    }

    async fn try_start(&mut self, world: &World, fuse: Fuse) -> Result<Process, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let disk: Arc<dyn Disk> = Arc::new(FusedDisk { inner: self.disk.clone(), fuse: fuse.clone() });
        let kv = ForgetfulKv::new(FusedKv { inner: self.kv.clone(), fuse: fuse.clone() });
        let io = IoPool::inline("sim-io");
        let clock =
            NodeClock { began: world.began, booted: Instant::now(), error_ms: self.clock_error_ms.clone() };
        let around = Surroundings {
            disk: disk.clone(),
            kv: Arc::new(kv.clone()),
            clock: Arc::new(clock),
            io: io.clone(),
            segments_changed: Arc::new(Notify::new()),
            source: Source {
                files: Arc::new(WiredFiles { net: world.net.clone(), from: self.id }),
                throttle: Arc::new(Throttle::new(64 << 20)),
            },
        };
        let options = LogOptions { salt: self.rng.next(), ..world.plan.log.clone() };
        let (log, _) = NodeLog::open(disk.clone(), "log", options).map_err(|e| text(&e))?;
        let group_log = log.group(GROUP, self.replica);
        let found = group_log.recovered().map_err(|e| text(&e))?;
        world.book.judge(i7_votes::check(self.id, self.promised, found.vote, found.last));
        self.promised = Promised { vote: found.vote };

        let mut tasks = Vec::new();
        tasks.push(tokio::spawn(write_log(log.clone(), self.pace.clone(), fuse.clone())).abort_handle());
        let died = Shutdown::new();
        let files = Arc::new(DiskFiles::new(disk.clone(), io.clone()));
        let accepted = world.net.open(self.id, self.lives, files);
        let network = self.network(world, accepted, &mut tasks);
        let host = Host::at_pace(log.clone(), network, world.plan.pace).map_err(|e| text(&e))?;
        let host = host.keeping_for_followers(world.plan.reserve_bytes).inline();

        let views = Arc::new(ViewRegistry::new());
        let is_late = world.bug == Some(Bug::ReadOnApplied);
        let shown = if is_late { Arc::new(ViewRegistry::new()) } else { views.clone() };
        let routes = Arc::new(Routes::default());
        let limits =
            WriteLimits { in_flight_bytes_max: 1 << 20, memory_bytes_max: 1 << 30, flush_seals_rows_min: 1 };
        let space = Space { disk: disk.clone(), is_log_stalled: Arc::new(|| false) };
        let data = DataNode::new(routes.clone(), shown.clone(), limits, space);
        let failures = Failures::load(around.kv.clone(), GROUP).map_err(|e| text(&e))?;
        let restored = restore(&disk, &kv, GROUP, routes, views.clone(), world.plan.growing);
        let (replica, mark) = restored.map_err(|e| text(&e))?;
        let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose().map_err(|e| text(&e))?;
        let at = mark.as_ref().map(Mark::position);
        world.book.judge(i4_purge::check(self.id, found.purged.map(|id| id.index), at.map(|at| at.0)));
        world.book.judge(
            world.book.with(|pages| i5_snapshot::check(self.id, at.unwrap_or_default(), &views, pages)),
        );
        views.list().iter().filter(|_| is_late).for_each(|view| shown.publish((**view).clone()));

        let pressure = Arc::new(Pressure::default());
        let inner = DataMachine::new(replica, mark, pressure.clone(), failures, around.clone());
        let inner = Arc::new(Mutex::new(inner));
        let witness = Arc::new(Mutex::new(Witness {
            inner: inner.clone(),
            node: self.id,
            fuse: fuse.clone(),
            book: world.book.clone(),
            bug: world.bug,
            views,
            shown: shown.clone(),
            kv,
            applied_before: self.applied.load(Ordering::Relaxed),
            applied: self.applied.clone(),
            mark: None,
        }));
        let spec = GroupSpec {
            group: GROUP,
            node: NodeId(self.id),
            replica: self.replica,
            birth: self.birth.clone(),
        };
        let started = host.start_group(spec, witness.clone()).await;
        let group = started.map_err(|error| {
            let broken = inner.lock().broken().map(str::to_owned);
            broken.unwrap_or_else(|| error.to_string())
        })?;
        let running = Arc::new(DataGroup::new(group.clone(), inner.clone(), pressure, around));
        data.add_group(running.clone());
        let work = maintain(running, world.plan.policy, data.governor(), died.child());
        tasks.push(tokio::spawn(async move { drop(work.await) }).abort_handle());
        tasks.push(tokio::spawn(clean_up(data.clone(), CLEAN_UP_EVERY, died.child())).abort_handle());
        let ended = Arc::new(Mutex::new(None));
        tasks.push(tokio::spawn(watch(group.clone(), inner, ended.clone())).abort_handle());
        if world.bug == Some(Bug::PurgeAboveCheckpoint) {
            tasks.push(tokio::spawn(pretend(group.clone(), witness.clone())).abort_handle());
        }
        let front = Front { node: self.id, data, group, views: shown, died, fuse: fuse.clone() };
        world.seats.take(front.clone(), group_log);
        Ok(Process { fuse, log, witness, front, tasks, ended })
    }

    fn network(
        &self,
        world: &World,
        mut accepted: tokio::sync::mpsc::UnboundedReceiver<PeerStream>,
        tasks: &mut Vec<AbortHandle>,
    ) -> Network {
        let nonces = Mutex::new(self.rng.fork(200 + self.lives));
        let identity = Identity {
            cluster: 7,
            node: NodeId(self.id),
            level: 1,
            trust: Trust::Open,
            nonces: Arc::new(move || nonces.lock().next()),
        };
        let roads = Arc::new(WiredRoads { net: world.net.clone(), from: self.id, life: self.lives });
        let peers = Peers::over(identity, DialOptions::default(), roads);
        for other in (1..=world.plan.nodes).filter(|other| *other != self.id) {
            peers.book().set(NodeId(other), other.to_string());
        }
        let network = Network::over(peers.clone());
        let door = network.door();
        // The product's listener is bound to TCP; this is its part behind the socket.
        let listening = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Some(mut stream) = accepted.recv().await {
                let (peers, door) = (peers.clone(), door.clone());
                connections.spawn(async move {
                    let is_ours = |channel| channel == Channel::Raft;
                    let greeted = handshake::accept(&mut stream, peers.identity(), is_ours).await;
                    if let Ok((hello, _)) = greeted {
                        peers.heard_from(hello.from);
                        let (from, lane, level) = (hello.from, hello.lane, hello.level);
                        door(Accepted { from, lane, level, stream }).await;
                    }
                });
            }
        });
        tasks.push(listening.abort_handle());
        network
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

async fn watch(
    group: vecraft_raft_host::Group,
    machine: Arc<Mutex<DataMachine>>,
    ended: Arc<Mutex<Option<String>>>,
) {
    group.ended().await;
    let why = machine.lock().broken().map(str::to_owned);
    *ended.lock() = Some(why.unwrap_or_else(|| "its replica stopped".to_owned()));
}

/// [`Bug::PurgeAboveCheckpoint`]: tells the group of checkpoints that nobody wrote.
async fn pretend(group: vecraft_raft_host::Group, witness: Arc<Mutex<Witness>>) {
    loop {
        tokio::time::sleep(PRETEND_EVERY).await;
        let mark = witness.lock().mark.clone();
        if let Some(mark) = mark {
            // A refusal comes again with the next one.
            let _ = group.checkpointed(&mark).await;
        }
    }
}
