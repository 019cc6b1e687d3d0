//! The role: one loop that looks what is missing and does it, one index at a time.

use crate::plan::{Here, IndexTarget};
use crate::scalars::{ScalarStore, Scalars};
use crate::state::{Failure, State, Undone};
use crate::store::IndexStore;
use crate::survey::Survey;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use vecraft_rpc::copies::IndexPeers;
use vecraft_rpc::memory::MemoryGovernor;
use vecraft_rpc::services::{Catalogue, IndexLedger};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::{CpuPool, IoPool};
use vecraft_runtime::random::Random;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::ViewRegistry;
use vecraft_storage::Disk;
use vecraft_types::IndexBuild;

/// Options of the index role, checked by `vecraft-config` before they come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    /// Rows below which `AUTOINDEX` scans instead of building a graph.
    pub flat_rows_max: u64,
    /// Pause before a failed index is tried again; doubled with each failure, at most [`RETRY_MAX`].
    pub retry_first: Duration,
    /// After so long without a shortage of memory, indexes that are in mapped files for want of it come into memory again.
    pub calm: Duration,
}

impl Default for IndexConfig {
    /// 4,000 rows, 5 seconds, 1 minute.
    fn default() -> IndexConfig {
        let (retry_first, calm) = (Duration::from_secs(5), Duration::from_secs(60));
        IndexConfig { flat_rows_max: 4_000, retry_first, calm }
    }
}

/// The longest pause between two attempts: a full disk is emptied by people.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(300);
/// Between two looks for rows that were refused.
const PRESSED_PAUSE: Duration = Duration::from_millis(200);
/// Failures one after another from which on they are told as lasting: with the usual pauses after five minutes.
pub(crate) const LASTING_AFTER: u32 = 7;

/// What the role is made of.
#[derive(Clone)]
pub struct IndexParts {
    /// What is wanted.
    pub catalogue: Arc<dyn Catalogue>,
    /// What the shards' logs name.
    pub ledger: Arc<dyn IndexLedger>,
    /// The other replicas.
    pub peers: Arc<dyn IndexPeers>,
    /// The views that the data role publishes: its sealed segments take the indexes.
    pub views: Arc<ViewRegistry>,
    /// Told when segments of a shard came or went, or other builds count; one permit stands for any number of changes.
    pub changed: Arc<Notify>,
    /// Told when a search compared many rows for want of an interim graph.
    pub graphs_missed: Arc<Notify>,
    /// Whether memory has room for an index.
    pub memory: Arc<dyn MemoryGovernor>,
    /// Index files.
    pub disk: Arc<dyn Disk>,
    /// Where builds run.
    pub pool: CpuPool,
    /// Where files are read and written.
    pub io: IoPool,
    /// For pauses and measured times.
    pub clock: Arc<dyn Clock>,
    /// For the ids of builds.
    pub random: Arc<dyn Random>,
    /// Options.
    pub config: IndexConfig,
}

/// The role; see the crate's page. Shared as `Arc<IndexNode>`.
pub struct IndexNode {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) ledger: Arc<dyn IndexLedger>,
    pub(crate) peers: Arc<dyn IndexPeers>,
    pub(crate) views: Arc<ViewRegistry>,
    changed: Arc<Notify>,
    pub(crate) graphs_missed: Arc<Notify>,
    pub(crate) memory: Arc<dyn MemoryGovernor>,
    pub(crate) store: IndexStore,
    pub(crate) scalars: Scalars,
    pub(crate) pool: CpuPool,
    pub(crate) io: IoPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) config: IndexConfig,
    pub(crate) state: Mutex<State>,
    /// Builds by file which no log names yet: durable ones of this node, kept so that a proposal that failed is repeated
    /// and not the build, and those of others that are held for them, or on the way.
    pub(crate) unnamed: Arc<Mutex<BTreeMap<(IndexTarget, u64), IndexBuild>>>,
    /// One file comes from other nodes at a time: they share the throttle anyway.
    pub(crate) one_fetch: tokio::sync::Mutex<()>,
    /// Told when the role has looked at what changed.
    pub(crate) looked: Notify,
    pub(crate) is_running: watch::Sender<bool>,
}

impl IndexNode {
    /// A role over these parts; nothing happens before an actor runs it.
    pub fn new(parts: IndexParts) -> IndexNode {
        let IndexParts {
            catalogue,
            ledger,
            peers,
            views,
            changed,
            graphs_missed,
            memory,
            disk,
            pool,
            io,
            clock,
            random,
            config,
        } = parts;
        IndexNode {
            catalogue,
            ledger,
            peers,
            views,
            changed,
            graphs_missed,
            memory,
            store: IndexStore::new(disk.clone()),
            scalars: Scalars::new(ScalarStore::new(disk)),
            pool,
            io,
            clock,
            random,
            config,
            state: Mutex::default(),
            unnamed: Arc::default(),
            one_fetch: Default::default(),
            looked: Notify::new(),
            is_running: watch::Sender::new(false),
        }
    }

    /// Something changed: look again. Never blocks, and many calls make one look.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// All three loops, until asked to stop.
    pub(crate) async fn run(&self, stop: &Shutdown) {
        self.is_running.send_replace(true);
        tokio::join!(self.keep_indexes(stop), self.keep_graphs(stop), self.keep_scalars(stop));
        self.is_running.send_replace(false);
    }

    /// Looks, works, waits.
    async fn keep_indexes(&self, stop: &Shutdown) {
        while !stop.is_triggered() {
            self.squeeze_for_rows();
            let survey = self.look();
            self.let_go(&survey).await;
            match self.next_job(&survey) {
                Some((work, room)) => self.do_while_wanted(work, room, stop).await,
                None => {
                    self.relax(&survey);
                    let _ = stop.unless_triggered(self.something_to_do()).await;
                }
            }
        }
    }

    /// A survey, after something changed.
    pub(crate) fn look(&self) -> Survey {
        let survey = self.survey();
        self.note_awaited(&survey);
        self.give_up(&survey);
        self.looked.notify_waiters();
        self.scalars.changed.notify_one();
        survey
    }

    /// A change, or the time to try something again.
    async fn something_to_do(&self) {
        let now = self.clock.monotonic();
        let retry_at = {
            let state = self.state.lock();
            // Nobody tells when memory comes free.
            let for_room = (!state.waiting.is_empty()).then(|| now + self.config.retry_first);
            // Nor that another node cannot build.
            let for_patience = (!state.awaited.is_empty()).then(|| now + self.config.calm);
            let for_calm = (!state.squeezed.is_empty()).then(|| now + self.config.calm);
            state
                .failures
                .values()
                .map(|failure| failure.retry_at)
                .chain(for_room)
                .chain(for_patience)
                .chain(for_calm)
                .min()
        };
        let pressed = self.memory.pressed();
        let told = async {
            tokio::select! {
                () = self.changed.notified() => {}
                // Refused rows are sent again and again.
                () = pressed.notified() => tokio::time::sleep(PRESSED_PAUSE).await,
            }
        };
        match retry_at {
            Some(at) => {
                // Either way the next round looks.
                let _ = tokio::time::timeout(at.saturating_sub(now), told).await;
            }
            None => told.await,
        }
    }

    /// The next change, or so much time that something may have come to last.
    pub(crate) async fn next_change_or_calm(&self) {
        let _ = tokio::time::timeout(self.config.calm, self.next_change()).await;
    }

    /// The next change, for work that has to watch for it.
    pub(crate) async fn next_change(&self) {
        self.changed.notified().await;
    }

    /// Remembers to try again; answers after which pause.
    pub(crate) fn put_off(&self, work: Undone, why: &impl std::fmt::Display) -> Duration {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let failure = state.failures.entry(work).or_insert_with(|| Failure::first(now));
        failure.why = why.to_string();
        let pause = failure.again(now, self.config.retry_first);
        state.report.failed += 1;
        pause
    }

    /// What the planner is told about the files here.
    pub(crate) fn here(&self) -> BTreeMap<IndexTarget, Here> {
        let state = self.state.lock();
        let known = state.in_use.keys().chain(state.unusable.keys()).chain(&state.squeezed);
        let targets: BTreeSet<IndexTarget> = known.copied().collect();
        let here = |target: IndexTarget| {
            let used = state.in_use.get(&target).filter(|_| state.is_in_use(&target));
            let here = Here {
                in_use: used.map(|used| used.build),
                unusable: state.unusable.get(&target).copied(),
                is_mapped: used.is_some_and(|used| used.is_mapped),
                is_squeezed: state.squeezed.contains(&target),
            };
            (target, here)
        };
        targets.into_iter().map(here).collect()
    }
}
