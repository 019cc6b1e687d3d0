//! The role: one loop that looks what is missing and does it, one index at a time.

use crate::error::Result;
use crate::messages::IndexReport;
use crate::plan::{BuiltIndex, IndexTarget, to_build};
use crate::store::{IndexRecord, IndexStore};
use crate::survey::wanted_of;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_rpc::memory::{MemoryGovernor, Room};
use vecraft_rpc::services::{Catalogue, ShardStats};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::{CpuPool, IoPool};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::{SealedSegment, ViewRegistry};
use vecraft_storage::{Disk, Kv};
use vecraft_types::ShardId;

/// Options of the index role, checked by `vecraft-config` before they come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    /// Rows below which `AUTOINDEX` scans instead of building a graph.
    pub flat_rows_max: u64,
    /// Pause before a failed index is tried again; doubled with each failure, at most [`RETRY_MAX`].
    pub retry_first: Duration,
}

impl Default for IndexConfig {
    /// 4,000 rows, 5 seconds.
    fn default() -> IndexConfig {
        IndexConfig { flat_rows_max: 4_000, retry_first: Duration::from_secs(5) }
    }
}

/// The longest pause between two attempts: a full disk is emptied by people.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(300);

/// What the role is made of.
#[derive(Clone)]
pub struct IndexParts {
    /// What is wanted.
    pub catalogue: Arc<dyn Catalogue>,
    /// The views that the data role publishes: its sealed segments take the indexes.
    pub views: Arc<ViewRegistry>,
    /// Told when segments of a shard came or went; one permit stands for any number of changes.
    pub changed: Arc<Notify>,
    /// Whether memory has room for an index.
    pub memory: Arc<dyn MemoryGovernor>,
    /// Index files.
    pub disk: Arc<dyn Disk>,
    /// Their records.
    pub kv: Arc<dyn Kv>,
    /// Where builds run.
    pub pool: CpuPool,
    /// Where files are read and written.
    pub io: IoPool,
    /// For pauses and measured times.
    pub clock: Arc<dyn Clock>,
    /// Options.
    pub config: IndexConfig,
}

/// The role; see the crate's page. Shared as `Arc<IndexNode>`.
pub struct IndexNode {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) views: Arc<ViewRegistry>,
    changed: Arc<Notify>,
    pub(crate) memory: Arc<dyn MemoryGovernor>,
    pub(crate) store: IndexStore,
    pub(crate) pool: CpuPool,
    pub(crate) io: IoPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: IndexConfig,
    pub(crate) state: Mutex<State>,
}

/// What the role knows. Everything but the counts can be found out again.
#[derive(Default)]
pub(crate) struct State {
    /// The records were read.
    is_open: bool,
    pub built: BTreeMap<IndexTarget, Built>,
    pub failures: BTreeMap<IndexTarget, Failure>,
    /// Indexes that memory has no room for.
    pub waiting: BTreeSet<IndexTarget>,
    pub report: IndexReport,
}

/// An index whose file is durable.
pub(crate) struct Built {
    pub record: IndexRecord,
    /// The segment whose searches use it.
    pub attached: Option<Weak<SealedSegment>>,
    /// What it takes of the memory meanwhile.
    pub _room: Option<Room>,
}

/// An index that could not be built or opened.
pub(crate) struct Failure {
    pub times: u32,
    /// On the monotonic clock.
    pub retry_at: Duration,
}

impl Built {
    pub(crate) fn is_attached(&self) -> bool {
        self.attached.as_ref().is_some_and(|segment| segment.strong_count() > 0)
    }
}

impl IndexNode {
    /// A role over these parts; nothing happens before an actor runs it.
    pub fn new(parts: IndexParts) -> IndexNode {
        let IndexParts { catalogue, views, changed, memory, disk, kv, pool, io, clock, config } = parts;
        let store = IndexStore::new(disk, kv);
        IndexNode {
            catalogue,
            views,
            changed,
            memory,
            store,
            pool,
            io,
            clock,
            config,
            state: Mutex::default(),
        }
    }

    /// How the role is, for health, metrics and tests.
    pub fn report(&self) -> IndexReport {
        let state = self.state.lock();
        let attached = state.built.values().filter(|built| built.is_attached()).count();
        let file_bytes = state.built.values().map(|built| built.record.file_bytes).sum();
        IndexReport { attached, file_bytes, waiting: state.waiting.len(), ..state.report.clone() }
    }

    /// Something changed: look again. Never blocks, and many calls make one look.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Adds to a shard's figures how many of its sealed rows still wait for each wanted index.
    pub(crate) fn add_pending(&self, shard: ShardId, stats: &mut ShardStats) {
        let Some(collection) = self.catalogue.by_id(shard.collection) else { return };
        let state = self.state.lock();
        for index in wanted_of(&collection) {
            let waiting = stats.segments.iter().filter(|(segment, rows, is_sealed)| {
                let target = IndexTarget { shard, segment: *segment, index: index.index };
                *is_sealed
                    && to_build(&index.spec, *rows, self.config.flat_rows_max).is_some()
                    && !state.built.get(&target).is_some_and(Built::is_attached)
            });
            let rows = waiting.map(|(_, rows, _)| *rows).sum();
            stats.pending_index_rows.insert(index.index, rows);
        }
    }

    /// Looks, works, waits; until asked to stop.
    pub(crate) async fn run(&self, stop: &Shutdown) {
        while !stop.is_triggered() {
            if let Err(error) = self.read_records().await {
                tracing::error!(%error, "cannot read the records of index files, searches scan meanwhile");
                let _ = stop.unless_triggered(tokio::time::sleep(self.config.retry_first)).await;
                continue;
            }
            let survey = self.survey();
            self.drop_unwanted(&survey.plan.drops).await;
            match self.next_job(&survey) {
                Some((work, room)) => self.do_while_wanted(work, room, stop).await,
                None => {
                    let _ = stop.unless_triggered(self.something_to_do()).await;
                }
            }
        }
    }

    async fn read_records(&self) -> Result<()> {
        if self.state.lock().is_open {
            return Ok(());
        }
        let store = self.store.clone();
        let records = self.io.run(move || store.records()).await??;
        let mut state = self.state.lock();
        let unused = |record| Built { record, attached: None, _room: None };
        state.built = records.into_iter().map(|(target, record)| (target, unused(record))).collect();
        state.is_open = true;
        Ok(())
    }

    /// A change, or the time to try something again.
    async fn something_to_do(&self) {
        let now = self.clock.monotonic();
        let retry_at = {
            let state = self.state.lock();
            // Nobody tells when memory comes free.
            let for_room = (!state.waiting.is_empty()).then(|| now + self.config.retry_first);
            state.failures.values().map(|failure| failure.retry_at).chain(for_room).min()
        };
        match retry_at {
            Some(at) => {
                // Either way the next round looks.
                let _ = tokio::time::timeout(at.saturating_sub(now), self.changed.notified()).await;
            }
            None => self.changed.notified().await,
        }
    }

    /// The next change, for work that has to watch for it.
    pub(crate) async fn next_change(&self) {
        self.changed.notified().await;
    }

    /// What the planner is told about the files here.
    pub(crate) fn built_here(&self) -> BTreeMap<IndexTarget, BuiltIndex> {
        let state = self.state.lock();
        let here = |(target, built): (&IndexTarget, &Built)| {
            (*target, BuiltIndex { over: built.record.over, is_attached: built.is_attached() })
        };
        state.built.iter().map(here).collect()
    }
}
