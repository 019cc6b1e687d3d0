//! Starting a process on a node: wired as `nodes/server` wires it, and looked at before it serves.

use super::{Machine, Process, World};
use crate::cluster::bug::Bug;
use crate::cluster::clock::NodeClock;
use crate::cluster::disk::write_log;
use crate::cluster::invariants::{i4_purge, i5_snapshot, i6_log, i7_votes, i13_segments};
use crate::cluster::kv::ForgetfulKv;
use crate::cluster::net::WiredFiles;
use crate::cluster::seats::Front;
use crate::cluster::witness::Witness;
use crate::invariants::Broken;
use crate::node::GROUP;
use crate::power::{Fuse, FusedDisk, FusedKv};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use vecraft_data::{
    DataGroup, DataMachine, DataNode, DiskFiles, Failures, Pressure, Routes, Source, Space, Surroundings,
    Throttle, WriteLimits, clean_up, maintain, restore,
};
use vecraft_log_store::{GroupLog, LogOptions, NodeLog};
use vecraft_raft_host::{GroupSpec, Host, Mark};
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::ViewRegistry;
use vecraft_storage::Disk;
use vecraft_types::NodeId;

/// A start that takes longer is stuck.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two clean-ups; an hour in the product (I13).
const CLEAN_UP_EVERY: Duration = Duration::from_secs(3);

/// Between two checkpoints that nobody wrote ([`Bug::PurgeAboveCheckpoint`]).
const PRETEND_EVERY: Duration = Duration::from_millis(500);

/// How a start went.
pub enum Started {
    /// It serves.
    Serves,
    /// The process died on the way.
    Died,
    /// Its log is damaged and it refuses: another replica must take its place.
    Refused,
}

impl Machine {
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
                self.is_damaged = false;
                Ok(Started::Serves)
            }
            Err(_) if fuse.is_blown() || was_excused => {
                world.net.close(self.id);
                Ok(Started::Died)
            }
            Err(error) if self.is_damaged => {
                world.net.close(self.id);
                i6_log::refused(self.id, &error)?;
                world.book.with(|pages| pages.figures.refused += 1);
                Ok(Started::Refused)
            }
            Err(error) => Err(i4_purge::refused(self.id, &error)),
        }
    }

    async fn try_start(&mut self, world: &World, fuse: Fuse) -> Result<Process, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let keeps_files = world.bug == Some(Bug::KeepUnnamed);
        let disk: Arc<dyn Disk> =
            Arc::new(FusedDisk { inner: self.disk.clone(), fuse: fuse.clone(), keeps_files });
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
        let synced = *self.synced.lock();
        world.book.judge(i6_log::recovered(self.id, synced, &found));
        world.book.judge(i7_votes::check(self.id, synced.vote, found.vote, found.last));
        if !fuse.is_blown() {
            let contents = world.book.with(|pages| pages.contents.read(self.id, &group_log, &found));
            world.book.judge(contents);
            *self.synced.lock() = i6_log::Synced::all(&found);
        }

        let mut tasks = Vec::new();
        tasks.push(tokio::spawn(self.writes(&log, &group_log, &fuse)).abort_handle());
        let died = Shutdown::new();
        let files = Arc::new(DiskFiles::new(disk.clone(), io.clone()));
        let accepted = world.net.open(self.id, self.lives, files);
        let network = self.network(world, accepted, &mut tasks);
        let host = Host::at_pace(log.clone(), network, world.plan.pace).map_err(|e| text(&e))?;
        let host = host.keeping_for_followers(world.plan.reserve_bytes).inline();

        let views = Arc::new(ViewRegistry::new());
        let is_late = matches!(world.bug, Some(Bug::ReadOnApplied | Bug::ResolveOnOldView));
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
        // A start that dies on its way removes nothing any more.
        if !fuse.is_blown() {
            let restored = world.book.with(|pages| {
                i13_segments::restored(self.id, &self.disk, &views, around.kv.as_ref(), at, pages)
            });
            world.book.judge(restored);
        }
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
            views: views.clone(),
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
        // Who reads is not what [`Bug::ResolveOnOldView`] is about.
        let read = if world.bug == Some(Bug::ResolveOnOldView) { views } else { shown };
        let front = Front { node: self.id, data, group, views: read, died, fuse: fuse.clone() };
        world.seats.take(front.clone(), group_log);
        Ok(Process { fuse, log, witness, front, tasks, ended })
    }
}

impl Machine {
    fn writes(&self, log: &NodeLog, group: &GroupLog, fuse: &Fuse) -> impl Future<Output = ()> + use<> {
        write_log(log.clone(), group.clone(), self.synced.clone(), self.pace.clone(), fuse.clone())
    }
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
