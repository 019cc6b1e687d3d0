//! A node's log as its host holds it: open, hand out groups, remove them, watch it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vecraft_storage::Disk;
use vecraft_types::{GroupId, ReplicaId};

use crate::error::{Error, Result};
use crate::group_log::GroupLog;
use crate::memory::{GroupMemory, Memory};
use crate::options::{LogOptions, WriterMode};
use crate::queue::Item;
use crate::record::{EntryId, GroupKey, Record, VoteState};
use crate::wal::WriteAheadLog;
use crate::writer::Shared;

/// What recovery found about one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveredGroup {
    /// Whose log.
    pub key: GroupKey,
    /// The vote in force.
    pub vote: Option<VoteState>,
    /// The highest entry known to be committed, never above `last`.
    pub committed: Option<EntryId>,
    /// The purge point.
    pub purged: Option<EntryId>,
    /// The last entry, or the purge point.
    pub last: Option<EntryId>,
}

/// All replicas that recovery found, by group and replica.
pub type RecoveredGroups = Vec<RecoveredGroup>;

/// Whether the log takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogHealth {
    /// It does.
    Serving,
    /// The disk is full: callbacks are held until there is room again.
    Stalled,
    /// A write or sync failed: close all groups and restart (I7).
    Failed {
        /// The first failure.
        reason: String,
    },
}

/// A picture of the log for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LogMetrics {
    /// Segment files.
    pub segments: usize,
    /// Bytes in them, reservations not counted.
    pub file_bytes: u64,
    /// Bytes of entries still needed.
    pub live_bytes: u64,
    /// Replicas with a log.
    pub groups: usize,
    /// Batches since opening.
    pub batches: u64,
    /// Syncs since opening.
    pub syncs: u64,
    /// Bytes written since opening.
    pub bytes_written: u64,
    /// Bytes waiting for the writer.
    pub queue_bytes: usize,
    /// Bytes of recent entries in memory.
    pub cache_bytes: usize,
    /// Files in reserve for a full disk.
    pub reserve_segments: usize,
    /// How long the last batch took; zero without a clock.
    pub last_batch: Duration,
    /// How long the batch under way has taken so far; zero when none is. Above a second, hand leadership away (I7).
    pub batch_under_way: Duration,
}

impl LogMetrics {
    /// Part of the files that is still needed, 0 to 1.
    #[must_use]
    pub fn live_ratio(&self) -> f64 {
        if self.file_bytes == 0 { 1.0 } else { self.live_bytes as f64 / self.file_bytes as f64 }
    }
}

/// The log of one node. Clones are the same log; when the last one goes, what is queued is written and the writer ends.
#[derive(Clone)]
pub struct NodeLog {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Generation that this opening began.
    generation: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for NodeLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeLog").field("metrics", &self.metrics()).finish()
    }
}

impl NodeLog {
    /// Recovers the log in `dir` and starts its writer. Blocks for as long as reading the log takes.
    ///
    /// See [`WriteAheadLog::open`] for the errors.
    pub fn open(disk: Arc<dyn Disk>, dir: &str, options: LogOptions) -> Result<(Self, RecoveredGroups)> {
        let wal = WriteAheadLog::open(disk, dir, options.clone())?;
        let mut memory = Memory::default();
        let mut recovered = RecoveredGroups::new();
        for (key, state) in wal.groups() {
            memory.groups.insert(key, GroupMemory::recovered(&state));
            let (vote, committed, purged, last) = (state.vote, state.committed, state.purged, state.last);
            recovered.push(RecoveredGroup { key, vote, committed, purged, last });
        }
        let (mode, generation) = (options.writer, wal.generation());
        let shared = Shared::new(wal, options, memory);
        let thread = match mode {
            WriterMode::Inline | WriterMode::Called => None,
            WriterMode::Thread => {
                let shared = Arc::clone(&shared);
                let started =
                    std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || shared.run());
                Some(
                    started
                        .map_err(|source| vecraft_storage::Error::from_io("start thread for", dir, source))?,
                )
            }
        };
        Ok((Self { inner: Arc::new(Inner { shared, generation, thread: Mutex::new(thread) }) }, recovered))
    }

    /// The newest generation in `dir` without opening it; see [`WriteAheadLog::newest_generation`].
    ///
    /// # Errors
    /// Storage errors.
    pub fn newest_generation(disk: &dyn Disk, dir: &str) -> Result<Option<u64>> {
        WriteAheadLog::newest_generation(disk, dir)
    }

    /// The generation that this opening began: durable, and higher than any before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.generation
    }

    /// The log of one replica, empty when it has none yet. One owner per replica: openraft's core, with any number of readers.
    #[must_use]
    pub fn group(&self, group: GroupId, replica: ReplicaId) -> GroupLog {
        let key = GroupKey { group, replica };
        self.inner.shared.queue.lock().memory.groups.entry(key).or_default();
        GroupLog::new(key, Arc::clone(&self.inner.shared))
    }

    /// Forgets a replica. Durable when this returns; only then may its files go (I6). A replica without a log is fine.
    pub async fn remove_group(&self, group: GroupId, replica: ReplicaId) -> Result<()> {
        let key = GroupKey { group, replica };
        let (done, finished) = oneshot::channel();
        let done = Box::new(move |outcome| drop(done.send(outcome)));
        let item = Item { key, records: vec![Record::Removed], done: Some(done), permits: 0 };
        match self.inner.shared.submit(item) {
            Err(Error::Removed(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => finished.await.unwrap_or(Err(Error::Closed)),
        }
    }

    /// Whether the log takes writes.
    #[must_use]
    pub fn health(&self) -> LogHealth {
        let failed = self.inner.shared.queue.lock().failure().map(str::to_owned);
        match failed {
            Some(reason) => LogHealth::Failed { reason },
            None if self.is_stalled() => LogHealth::Stalled,
            None => LogHealth::Serving,
        }
    }

    /// True while a full disk holds callbacks back.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.inner.shared.stalled.load(Ordering::Relaxed)
    }

    /// Writes everything queued in the calling thread, lazy records and the mark included, and tries again what a full disk held.
    /// The simulation calls it as time passes; with [`WriterMode::Thread`] it is a flush for tests and shutdown.
    pub fn tick(&self) {
        self.inner.shared.tick();
    }

    /// Returns when somebody waits for what is queued, with [`WriterMode::Called`]; never with another writer.
    pub async fn roused(&self) {
        self.inner.shared.roused.notified().await;
    }

    /// Returns when something was written since it last returned, and then nothing for [`LogOptions::mark_after`]; with
    /// [`WriterMode::Thread`], for one caller at a time.
    pub async fn rested(&self) {
        self.inner.shared.rested.notified().await;
    }

    /// Writes what somebody waits for in the calling thread, with [`WriterMode::Called`].
    pub fn write_queued(&self) {
        self.inner.shared.pump_until_full();
    }

    /// A picture for metrics.
    #[must_use]
    pub fn metrics(&self) -> LogMetrics {
        let shared = &self.inner.shared;
        let [syncs, bytes_written, reserves] = shared.counters();
        let mut metrics = LogMetrics {
            syncs,
            bytes_written,
            reserve_segments: reserves as usize,
            batches: shared.batches.load(Ordering::Relaxed),
            last_batch: Duration::from_micros(shared.last_batch_micros.load(Ordering::Relaxed)),
            batch_under_way: shared.batch_under_way(),
            ..LogMetrics::default()
        };
        {
            let queue = shared.queue.lock();
            metrics.groups = queue.memory.groups.len();
            metrics.queue_bytes = queue.waiting_bytes();
            metrics.cache_bytes = queue.memory.cache_bytes;
        }
        shared.files.with(|written| {
            metrics.segments = written.segments.len();
            metrics.file_bytes = written.segments.values().map(|segment| segment.len).sum();
            metrics.live_bytes = written.segments.values().map(|segment| segment.live_bytes).sum();
        });
        metrics
    }

    /// Writes what is queued and ends the writer; later calls answer [`Error::Closed`]. Blocks until done.
    pub fn close(&self) {
        if self.inner.shared.options.writer == WriterMode::Inline {
            self.tick();
        }
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        self.shared.close();
        if let Some(thread) = self.thread.lock().take() {
            // A writer that panicked has failed every callback by dropping it; there is nothing left to write.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
