//! The replica as Raft drives it.

use crate::failures::Failures;
use crate::faults::Faults;
use crate::group::Surroundings;
use crate::replica::GroupReplica;
use crate::snapshot::{content, fetch, install};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use vecraft_raft_host::{Committed, Failed, Incoming, Machine, Mark, Offer};
use vecraft_rpc::codec;
use vecraft_runtime::panic_text;
use vecraft_state::shard::{Refusal, ShardEntry, ShardReply};
use vecraft_storage::failpoint;

/// A [`GroupReplica`] behind the group's log.
pub struct DataMachine {
    pub(crate) replica: GroupReplica,
    /// The last entry applied, as a checkpoint must remember it.
    pub(crate) mark: Option<Mark>,
    /// Why this replica can apply no more: its state may be torn and is never written down (I24).
    pub(crate) broken: Option<String>,
    /// That was for want of room on the disk, and nothing is damaged: with room it can begin again (P6).
    pub(crate) lacks_room: bool,
    checkpoint: Option<Mark>,
    pressure: Arc<Pressure>,
    failures: Failures,
    pub(crate) around: Surroundings,
    /// One checkpoint, installing of a snapshot, or clean-up at a time.
    pub(crate) writing: Arc<tokio::sync::Mutex<LastWrite>>,
}

/// How much was applied since the last checkpoint; wakes the group's maintenance.
#[derive(Debug, Default)]
pub struct Pressure {
    /// Bytes of log that only the log holds.
    pub unflushed_bytes: AtomicU64,
    /// Bytes of memory in growing segments and key indexes: counted exactly at each checkpoint, grown by the
    /// size of each entry in between (I21).
    pub memory_bytes: AtomicU64,
    /// Bytes of the files that the newest checkpoint names.
    pub file_bytes: AtomicU64,
    /// A replica of the group is short of memory: its leader seals what is large (I21).
    pub is_relief_asked: AtomicBool,
    /// Something was applied, or is to be done.
    pub applied: Notify,
    /// A shard was made, or came with a snapshot: it may be that of a collection which was dropped since.
    pub shards_made: Notify,
}

/// How the last checkpoint or snapshot ended.
#[derive(Default)]
pub(crate) struct LastWrite {
    /// It failed: the store may name files that the replica does not know of.
    pub is_in_doubt: bool,
}

impl DataMachine {
    /// A machine over a restored replica and the mark of its checkpoint.
    pub fn new(
        replica: GroupReplica,
        checkpoint: Option<Mark>,
        pressure: Arc<Pressure>,
        failures: Failures,
        around: Surroundings,
    ) -> DataMachine {
        pressure.memory_bytes.store(replica.memory_bytes(), Ordering::Relaxed);
        pressure.file_bytes.store(replica.file_bytes(), Ordering::Relaxed);
        // What a restart brought back may already be too much: let maintenance look once.
        pressure.applied.notify_one();
        DataMachine {
            replica,
            mark: checkpoint.clone(),
            broken: None,
            lacks_room: false,
            checkpoint,
            pressure,
            failures,
            around,
            writing: Arc::default(),
        }
    }

    /// Why this replica can apply no more.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Whether it can apply no more only because the disk was full (P6).
    pub fn lacks_room(&self) -> bool {
        self.lacks_room
    }

    /// Remembers that this replica differs from the majority of its group: it is not started again (I22).
    ///
    /// # Errors
    /// Storage errors.
    pub fn condemn(&mut self, why: &str) -> crate::Result<()> {
        self.failures.condemn(why)
    }

    /// Plants or removes bugs (simulation only).
    pub fn set_faults(&mut self, faults: Faults) {
        self.replica.set_faults(faults);
    }

    /// A snapshot was installed: the replica restored from it takes the old one's place, under the caller's lock.
    pub(crate) fn become_snapshot(&mut self, replica: GroupReplica, mark: Mark) {
        let old = std::mem::replace(&mut self.replica, replica);
        self.replica.succeed(old);
        self.failures.passed(mark.position());
        self.checkpoint = Some(mark.clone());
        self.mark = Some(mark);
        self.pressure.unflushed_bytes.store(0, Ordering::Relaxed);
        self.pressure.memory_bytes.store(self.replica.memory_bytes(), Ordering::Relaxed);
        self.pressure.file_bytes.store(self.replica.file_bytes(), Ordering::Relaxed);
        self.pressure.applied.notify_one();
        self.pressure.shards_made.notify_one();
    }

    fn apply_entry(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        failpoint::hit("data.apply").map_err(|e| Failed(e.to_string()))?;
        let bytes = entry.command.len() as u64;
        let command: ShardEntry = codec::decode(&entry.command).map_err(|e| Failed(e.to_string()))?;
        let reply = self.replica.apply(entry.position, command).map_err(|e| Failed(e.to_string()))?;
        self.mark = Some(entry.mark);
        self.pressure.unflushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.pressure.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.pressure.applied.notify_one();
        if std::mem::take(&mut self.replica.is_index_work_due) {
            self.around.segments_changed.notify_one();
        }
        if std::mem::take(&mut self.replica.is_shard_made) {
            self.pressure.shards_made.notify_one();
        }
        codec::encode(&reply).map(Bytes::from).map_err(|e| Failed(e.to_string()))
    }

    /// An operator gave this entry up: it is counted and changes nothing.
    fn pass_over(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        tracing::warn!(position = %entry.position, "skipping an entry as told, its change is lost (group skip --unsafe)");
        self.advance(entry.mark);
        let reply: ShardReply = Err(Refusal::OutcomeUnknown);
        codec::encode(&reply).map(Bytes::from).map_err(|e| Failed(e.to_string()))
    }
}

impl Machine for DataMachine {
    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        let position = entry.position;
        if self.failures.is_skipped(position) {
            return self.pass_over(entry);
        }
        let done = catch_unwind(AssertUnwindSafe(|| self.apply_entry(entry)));
        let done = done.unwrap_or_else(|panic| Err(Failed(format!("panic: {}", panic_text(&*panic)))));
        match &done {
            Ok(_) => self.failures.passed(position),
            Err(Failed(why)) => {
                self.failures.note(position, why);
                self.broken = Some(format!("entry {} could not be applied: {why}", position.0));
            }
        }
        done
    }

    fn advance(&mut self, mark: Mark) {
        self.replica.advance(mark.position());
        self.mark = Some(mark);
    }

    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        self.broken = Some(why.to_owned());
        self.condemn(why).map_err(|e| Failed(e.to_string()))
    }

    fn checkpoint(&self) -> Option<Mark> {
        self.checkpoint.clone()
    }

    fn offer(machine: &Arc<Mutex<DataMachine>>) -> Option<Offer> {
        let (kv, group, pins) = {
            let machine = machine.lock();
            (machine.around.kv.clone(), machine.replica.group, machine.replica.pins.clone())
        };
        content::offer(kv.as_ref(), group, &pins).unwrap_or_else(|error| {
            tracing::error!(%group, %error, "no snapshot for replicas that the log does not reach");
            None
        })
    }

    fn fetch(machine: Arc<Mutex<DataMachine>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move { fetch::fetch(machine, snapshot).await.map_err(|e| Failed(e.to_string())) })
    }

    fn install(
        machine: Arc<Mutex<DataMachine>>,
        snapshot: Incoming,
    ) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move {
            let installed = install::install(machine.clone(), snapshot).await;
            installed.map_err(|error| {
                let why = format!("a snapshot could not be installed: {error}");
                let mut machine = machine.lock();
                machine.broken = Some(why.clone());
                machine.lacks_room = error.is_no_room();
                Failed(why)
            })
        })
    }
}
