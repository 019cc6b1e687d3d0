//! The handle of this node's replica of the metastore: proposing, reading, checkpoints.

use crate::catalogue::LocalCatalogue;
use crate::checkpoint;
use crate::error::Error;
use crate::log::MetaLog;
use crate::machine::{CheckpointPolicy, MetaMachine};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use vecraft_raft_host::{Group, GroupSpec, Host, Part, Standing};
use vecraft_rpc::codec;
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::{TaskKind, Tasks};
use vecraft_state::meta::{
    ClusterId, MetaChange, MetaCommand, MetaOutcome, MetaReply, MetaRoot, MetaState, NodeRow,
};
use vecraft_storage::Kv;
use vecraft_types::{LogPosition, NodeId, ReplicaId, Timestamp};

/// Group 0's replica on the node that bootstraps. It must be known before group 0 can allocate any (I1);
/// `MetaChange::Bootstrap` records this id as taken.
pub const META_REPLICA: ReplicaId = ReplicaId(1);

/// How long a proposal may take before its outcome is called unknown.
const PROPOSE_MAX: Duration = Duration::from_secs(10);
/// How long a barrier waits.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);
/// Pause after a checkpoint that failed: a full disk does not empty itself within milliseconds.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(5);

/// This node's replica of the metastore. Clones are the same.
#[derive(Clone)]
pub struct Metastore {
    machine: Arc<Mutex<MetaMachine>>,
    log: Arc<dyn MetaLog>,
    kv: Arc<dyn Kv>,
    clock: Arc<dyn Clock>,
    io: IoPool,
    /// Group 0 itself; none over a log in memory.
    group: Option<Group>,
    /// One checkpoint at a time; shared with the machine, which installs snapshots.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Metastore {
    /// Restores the checkpoint in `kv`, starts group 0 on `host` and waits until everything from before the last
    /// stop is applied. `spec` names group 0, this replica, and whether the directory is new (I1).
    ///
    /// # Errors
    /// [`Error::Corrupt`] and [`Error::Storage`] for the checkpoint, [`Error::Group`] for the group.
    pub async fn start(
        host: &Host,
        spec: GroupSpec,
        kv: Arc<dyn Kv>,
        clock: Arc<dyn Clock>,
        io: IoPool,
        policy: CheckpointPolicy,
    ) -> Result<Metastore, Error> {
        let opened = io.run({
            let kv = kv.clone();
            move || MetaMachine::open(kv, policy)
        });
        let machine = Arc::new(Mutex::new(opened.await??));
        let group = host.start_group(spec, machine.clone()).await?;
        let over = Metastore::over(machine, Arc::new(group.clone()), kv, clock, io);
        Ok(Metastore { group: Some(group), ..over })
    }

    /// A metastore over any log that drives `machine`.
    pub fn over(
        machine: Arc<Mutex<MetaMachine>>,
        log: Arc<dyn MetaLog>,
        kv: Arc<dyn Kv>,
        clock: Arc<dyn Clock>,
        io: IoPool,
    ) -> Metastore {
        let writing = machine.lock().writing.clone();
        Metastore { machine, log, kv, clock, io, group: None, writing }
    }

    /// Names the cluster and registers its first node, on an empty metastore only; on any other the same cluster id
    /// is no error and changes nothing (I1). Answers the groups and replicas that the node is to start.
    ///
    /// # Errors
    /// When the metastore belongs to another cluster, or the proposal fails.
    pub async fn bootstrap(
        &self,
        cluster: ClusterId,
        node: NodeRow,
        pool_groups: u32,
    ) -> vecraft_types::Result<MetaRoot> {
        if self.root().cluster != Some(cluster) {
            self.propose(MetaChange::Bootstrap { cluster, node, pool_groups }).await?;
        }
        Ok(self.root())
    }

    /// Cluster id, nodes, groups with their replicas, and the next ids, as applied here.
    pub fn root(&self) -> MetaRoot {
        self.read(|state| state.root().clone())
    }

    /// Looks at the state as applied here. Keep it short: apply waits.
    pub fn read<T>(&self, look: impl FnOnce(&MetaState) -> T) -> T {
        look(self.machine.lock().state())
    }

    /// The catalogue for readers on this node.
    pub fn catalogue(&self) -> LocalCatalogue {
        LocalCatalogue::new(self.machine.lock().catalogue(), self.log.clone(), CATCH_UP_MAX)
    }

    /// Returns once this replica has applied everything that was committed before the call (I19).
    ///
    /// # Errors
    /// When no leader answers, or this replica lags.
    pub async fn catch_up(&self) -> vecraft_types::Result<()> {
        Ok(self.log.catch_up(CATCH_UP_MAX).await?)
    }

    /// Proposes a change and answers what apply said.
    ///
    /// # Errors
    /// What apply refused, or why the proposal did not get there; `Deadline`: it may still happen.
    pub async fn propose(&self, change: MetaChange) -> vecraft_types::Result<MetaOutcome> {
        let internal = |error: codec::Error| vecraft_types::Error::internal(error.to_string());
        let suggested = Timestamp::from_millis(self.clock.now_ms());
        let command = codec::encode(&MetaCommand { suggested, change }).map_err(internal)?;
        let reply = self.log.propose(Bytes::from(command), PROPOSE_MAX).await?;
        codec::decode::<MetaReply>(&reply).map_err(internal)?.outcome
    }

    /// Writes what changed since the last checkpoint, then lets the log below it go (I3, I4). False when there was
    /// nothing to write.
    ///
    /// # Errors
    /// [`Error::Storage`]: nothing is lost, the next checkpoint writes the same rows. [`Error::Group`]: written, but
    /// the log was not shortened.
    pub async fn checkpoint(&self) -> Result<bool, Error> {
        let one_at_a_time = self.writing.clone().lock_owned().await;
        let (machine, kv) = (self.machine.clone(), self.kv.clone());
        // The whole of it on an I/O thread: once begun it ends, even when this future is dropped.
        let written = self.io.run(move || {
            // Raft is told without it: it takes note only when it is done installing a snapshot, which waits for this.
            let _one_at_a_time = one_at_a_time;
            let Some(draft) = machine.lock().draft() else { return Ok(None) };
            match checkpoint::write(&*kv, &draft) {
                Ok(()) => Ok(Some(draft.mark)),
                Err(error) => {
                    machine.lock().give_back(&draft);
                    Err(error)
                }
            }
        });
        let Some(mark) = written.await?? else { return Ok(false) };
        self.log.checkpointed(&mark).await?;
        Ok(true)
    }

    /// Starts the task that writes a checkpoint whenever the log has grown by the policy's measure. It sleeps until
    /// apply wakes it.
    pub fn spawn_checkpoints(&self, tasks: &Tasks, shutdown: Shutdown) {
        let (metastore, due) = (self.clone(), self.machine.lock().due());
        tasks.spawn(TaskKind::Checkpoint, "metastore", async move {
            metastore.checkpoint_when_due(&due, &shutdown).await;
            Ok::<(), Infallible>(())
        });
    }

    async fn checkpoint_when_due(&self, due: &Notify, shutdown: &Shutdown) {
        while shutdown.unless_triggered(due.notified()).await.is_some() {
            while let Err(error) = self.checkpoint().await {
                // Not fatal: the log keeps everything. With a full disk the writers hear about it elsewhere.
                tracing::error!(%error, retry_in = ?CHECKPOINT_PAUSE, "metastore checkpoint failed");
                if shutdown.unless_triggered(tokio::time::sleep(CHECKPOINT_PAUSE)).await.is_none() {
                    return;
                }
            }
        }
    }

    /// The node that leads group 0, when this one knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.log.standing().borrow().leader.map(|leader| leader.node)
    }

    /// Whether this node believes that it leads group 0.
    pub fn is_leader(&self) -> bool {
        self.log.standing().borrow().part == Part::Leader
    }

    /// Returns once everything from before the last stop is applied here (I3).
    ///
    /// # Errors
    /// [`Error::Group`] when the deadline passes first: no majority yet.
    pub async fn recovered(&self, deadline: Duration) -> Result<(), Error> {
        Ok(self.log.recovered(deadline).await?)
    }

    /// Part, leader and members of group 0's replica here, and every change of them.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.log.standing()
    }

    /// The position of group 0 published here and that of the newest durable checkpoint.
    pub fn positions(&self) -> (LogPosition, LogPosition) {
        self.log.positions()
    }

    /// Bytes of commands that no checkpoint has.
    pub fn unflushed_bytes(&self) -> u64 {
        self.machine.lock().unflushed_bytes()
    }

    /// Tells `changed` of every change of the catalogue as it is applied here, whoever made it.
    pub fn tell_changes(&self, changed: Arc<Notify>) {
        self.machine.lock().tell_changes(changed);
    }

    /// Group 0, for looking at its members and changing them.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Changes whenever nodes or wanted replicas do, as applied here.
    pub fn placed(&self) -> watch::Receiver<u64> {
        self.machine.lock().placed()
    }

    /// Names a cluster of several nodes; like [`Metastore::bootstrap`] otherwise.
    ///
    /// # Errors
    /// As [`Metastore::bootstrap`].
    pub async fn form(
        &self,
        cluster: ClusterId,
        nodes: Vec<NodeRow>,
        query_only: BTreeSet<NodeId>,
        replication: u32,
        pool_groups: u32,
    ) -> vecraft_types::Result<()> {
        let form = match query_only.is_empty() {
            true => MetaChange::Form { cluster, nodes, replication, pool_groups },
            false => MetaChange::FormWithQueryOnly { cluster, nodes, query_only, replication, pool_groups },
        };
        self.propose(form).await.map(drop)
    }

    /// Returns when group 0's replica has ended, asked to or not (I24).
    pub async fn ended(&self) {
        self.log.ended().await;
    }

    /// Why group 0's replica here left service for good, if it has: it lacks what it had acknowledged (I1).
    pub fn forfeited(&self) -> Option<String> {
        self.machine.lock().forfeited().map(str::to_owned)
    }

    /// Writes a last checkpoint and stops group 0's replica. A failed checkpoint only makes the next start longer.
    pub async fn stop(&self) {
        if let Err(error) = self.checkpoint().await {
            tracing::warn!(%error, "no last checkpoint of the metastore, the next start replays its log");
        }
        self.log.stop().await;
    }
}

#[cfg(test)]
impl Metastore {
    pub(crate) fn machine(&self) -> Arc<Mutex<MetaMachine>> {
        self.machine.clone()
    }

    /// Stops group 0's replica without a last checkpoint, as a crash does.
    pub(crate) async fn abort(&self) {
        self.log.stop().await;
    }
}
