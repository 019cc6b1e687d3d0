//! Group 0's machine: the pure metastore state, what readers see of it, and what the next checkpoint must write.

use crate::catalogue::PublishedCatalogue;
use crate::checkpoint::{self, Draft};
use crate::error::Error;
use crate::snapshot;
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use vecraft_raft_host::{Committed, Failed, Incoming, Machine, Mark, Offer};
use vecraft_rpc::codec;
use vecraft_state::meta::{MetaCommand, MetaState};
use vecraft_storage::{Kv, Table};
use vecraft_types::CollectionId;

/// Why this directory's replica of group 0 may not be started again; no row while it may.
const FORFEITED: &[u8] = b"verdict on the metastore";

/// When the log since the last checkpoint is long enough for the next: a restart replays at most this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointPolicy {
    /// Entries.
    pub entries_max: u64,
    /// Bytes of commands.
    pub bytes_max: u64,
}

impl Default for CheckpointPolicy {
    /// 1,024 entries or 4 MiB: a few milliseconds of replay.
    fn default() -> CheckpointPolicy {
        CheckpointPolicy { entries_max: 1_024, bytes_max: 4 << 20 }
    }
}

/// The machine. Pure inside ([`MetaState`]); around it only publishing and bookkeeping.
pub struct MetaMachine {
    state: MetaState,
    catalogue: Arc<PublishedCatalogue>,
    restored: Option<Mark>,
    applied: Option<Mark>,
    /// Collections whose rows differ from those of the last checkpoint.
    dirty: BTreeSet<CollectionId>,
    entries: u64,
    bytes: u64,
    policy: CheckpointPolicy,
    due: Arc<Notify>,
    /// Told of every change of the catalogue.
    changed: Option<Arc<Notify>>,
    /// Counts changes of nodes and replicas.
    placed: watch::Sender<u64>,
    /// Still true after a panic inside apply: such a state is never written down (I24).
    is_applying: bool,
    /// Why this replica left service for good.
    forfeited: Option<String>,
    kv: Arc<dyn Kv>,
    /// One checkpoint, or installing of a snapshot, at a time.
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
}

impl MetaMachine {
    /// The machine of the checkpoint in `kv`, or an empty one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the row that cannot be read; [`Error::Storage`] when the store refuses; [`Error::Forfeited`].
    pub fn open(kv: Arc<dyn Kv>, policy: CheckpointPolicy) -> Result<MetaMachine, Error> {
        if let Some(why) = kv.get(Table::Node, FORFEITED)? {
            return Err(Error::Forfeited(String::from_utf8_lossy(&why).into_owned()));
        }
        let (restored, state) = match checkpoint::read(&*kv)? {
            Some((mark, state)) => (Some(mark), state),
            None => (None, MetaState::default()),
        };
        let catalogue = Arc::new(PublishedCatalogue::default());
        catalogue.replace(state.collections());
        Ok(MetaMachine {
            state,
            catalogue,
            applied: restored.clone(),
            restored,
            dirty: BTreeSet::new(),
            entries: 0,
            bytes: 0,
            policy,
            due: Arc::new(Notify::new()),
            changed: None,
            placed: watch::channel(0).0,
            is_applying: false,
            forfeited: None,
            kv,
            writing: Arc::default(),
        })
    }

    /// What readers see.
    pub fn catalogue(&self) -> Arc<PublishedCatalogue> {
        self.catalogue.clone()
    }

    /// Why this replica left service for good, if it has.
    pub(crate) fn forfeited(&self) -> Option<&str> {
        self.forfeited.as_deref()
    }

    /// The state.
    pub fn state(&self) -> &MetaState {
        &self.state
    }

    /// Tells `changed` of every change of the catalogue from now on.
    pub(crate) fn tell_changes(&mut self, changed: Arc<Notify>) {
        self.changed = Some(changed);
    }

    /// Changes with every change of nodes and wanted replicas.
    pub(crate) fn placed(&self) -> watch::Receiver<u64> {
        self.placed.subscribe()
    }

    /// Bytes of commands since the last checkpoint.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.bytes
    }

    /// Told when the next checkpoint is due.
    pub(crate) fn due(&self) -> Arc<Notify> {
        self.due.clone()
    }

    /// Applies a command's bytes and publishes what changed.
    ///
    /// # Errors
    /// When the bytes are no command: this program is older than the log. Skipping the entry would let this replica
    /// differ from the others, so it stops (I24).
    pub(crate) fn apply_bytes(&mut self, bytes: &[u8]) -> Result<Bytes, Failed> {
        let failed = |error: codec::Error| Failed(format!("entry of the metastore: {error}"));
        let command: MetaCommand = codec::decode(bytes).map_err(failed)?;
        self.is_applying = true;
        let is_placing = command.change.is_placing();
        let reply = self.state.apply(command);
        if is_placing {
            self.placed.send_modify(|count| *count += 1);
        }
        if let Some(id) = reply.collection {
            self.catalogue.publish(id, self.state.collection(id));
            self.dirty.insert(id);
            self.changed.iter().for_each(|changed| changed.notify_one());
        }
        self.entries += 1;
        self.bytes += bytes.len() as u64;
        if self.entries >= self.policy.entries_max || self.bytes >= self.policy.bytes_max {
            self.due.notify_one();
        }
        let reply = codec::encode(&reply).map_err(failed)?;
        self.is_applying = false;
        Ok(Bytes::from(reply))
    }

    /// A snapshot was installed in the store: this is its state.
    fn become_snapshot(&mut self, state: MetaState, mark: Mark) {
        self.state = state;
        self.catalogue.replace(self.state.collections());
        self.restored = Some(mark.clone());
        self.applied = Some(mark);
        self.dirty.clear();
        (self.entries, self.bytes) = (0, 0);
        self.placed.send_modify(|count| *count += 1);
        self.changed.iter().for_each(|changed| changed.notify_one());
    }

    /// What a checkpoint at the last applied entry must write; `None` when there is nothing new. Whoever takes it
    /// writes it, or gives it back.
    pub(crate) fn draft(&mut self) -> Option<Draft> {
        if self.is_applying || (self.entries == 0 && self.dirty.is_empty()) {
            return None;
        }
        let mark = self.applied.clone()?;
        let dirty = std::mem::take(&mut self.dirty);
        let rows = dirty.into_iter().map(|id| (id, self.state.collection(id).cloned())).collect();
        let (root, placement) = (self.state.root().clone(), self.state.placement().clone());
        let requests = self.state.requests().clone();
        let unseen = self.state.unseen().clone();
        let draft =
            Draft { mark, root, placement, requests, unseen, rows, entries: self.entries, bytes: self.bytes };
        (self.entries, self.bytes) = (0, 0);
        Some(draft)
    }

    /// A draft that could not be written: its rows belong to the next.
    pub(crate) fn give_back(&mut self, draft: &Draft) {
        self.dirty.extend(draft.rows.iter().map(|(id, _)| *id));
        self.entries += draft.entries;
        self.bytes += draft.bytes;
    }
}

impl Machine for MetaMachine {
    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        let reply = self.apply_bytes(&entry.command)?;
        // Only now: the mark of an entry that failed must not reach a checkpoint.
        self.applied = Some(entry.mark);
        Ok(reply)
    }

    fn advance(&mut self, mark: Mark) {
        self.applied = Some(mark);
    }

    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        self.forfeited = Some(why.to_owned());
        self.kv.put(Table::Node, FORFEITED, why.as_bytes(), true).map_err(|e| Failed(e.to_string()))
    }

    fn checkpoint(&self) -> Option<Mark> {
        self.restored.clone()
    }

    fn offer(machine: &Arc<Mutex<MetaMachine>>) -> Option<Offer> {
        let kv = machine.lock().kv.clone();
        snapshot::offer(&*kv).unwrap_or_else(|error| {
            tracing::error!(%error, "no snapshot for replicas that the log does not reach");
            None
        })
    }

    /// The message has everything.
    fn fetch(_: Arc<Mutex<MetaMachine>>, _: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn install(
        machine: Arc<Mutex<MetaMachine>>,
        incoming: Incoming,
    ) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move {
            let (kv, writing) = {
                let machine = machine.lock();
                (machine.kv.clone(), machine.writing.clone())
            };
            // A checkpoint under way would write rows of the old state over the snapshot's.
            let no_checkpoint = writing.lock_owned().await;
            let installing = tokio::task::spawn_blocking(move || {
                let _no_checkpoint = no_checkpoint;
                let state = snapshot::install(&*kv, &incoming.content, &incoming.mark)?;
                machine.lock().become_snapshot(state, incoming.mark);
                Ok::<(), Error>(())
            });
            let failed =
                |error: &dyn std::fmt::Display| Failed(format!("metastore: install of a snapshot: {error}"));
            installing.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
        })
    }
}
