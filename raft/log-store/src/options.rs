//! How one node's log is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A clock for measuring syncs: time since any fixed moment. Given from outside, so that a simulation has its own.
pub type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Who writes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterMode {
    /// A thread of its own, so that many groups share a sync.
    Thread,
    /// The calling thread, inside each call: for the simulation, where nothing may run on its own.
    Inline,
    /// Whoever calls [`crate::NodeLog::write_queued`] once [`crate::NodeLog::roused`] has returned: for a simulation in
    /// which a disk takes its time, so that entries are in the log for a while before they are durable.
    Called,
}

/// The first step in which a segment reserves space. Later ones are about a quarter of what it holds: a node that writes much
/// reserves seldom, one that writes little has little reserved.
const FIRST_STEP_BYTES: u64 = 1 << 20;
/// Part of a reserve for what opens a segment: 208 bytes a replica and a head, so enough for 5,000 replicas.
const OPENING_BYTES: u64 = 1 << 20;

/// Sizes and behaviour. The default is the product's; tests shrink it.
#[derive(Clone)]
pub struct LogOptions {
    /// Bytes after which a new segment begins. Default 128 MiB.
    pub segment_bytes: u64,
    /// Disk space is reserved in steps of at most this many bytes; a segment's first steps are smaller. Default 16 MiB.
    pub preallocate_bytes: u64,
    /// Files kept for the moment the disk is full. Default 2 (I7).
    pub reserve_segments: usize,
    /// Bytes of one of them: a full queue and what opens a segment fit into it. A batch that fits neither
    /// the disk nor a reserve is held, and votes behind it, so see [`Self::reserving_for`]. Default 9 MiB.
    pub reserve_bytes: u64,
    /// Bytes that may wait for the writer before appending waits too. Default 8 MiB (I7).
    pub queue_bytes: usize,
    /// Bytes of recent entries kept in memory over all groups, until nothing came for [`Self::mark_after`]. Default 64 MiB.
    pub cache_bytes: usize,
    /// Bytes one limited read returns at most, but always one entry. Default 2 MiB.
    pub read_bytes: usize,
    /// The oldest segment is copied forward when less than this part of it is live, in percent. Default 25 (I8).
    pub copy_forward_percent: u64,
    /// A purge that leaves so little live in segments of at least this many bytes gives their space back at once, the active
    /// segment's too. Default 4 MiB.
    pub tighten_bytes: u64,
    /// How long after the last batch it is marked as synced, and lazy records are written. Default 1 s (I6).
    pub mark_after: Duration,
    /// Random bits of the caller. They salt checksums, so that bytes inside a payload cannot pass for a batch.
    pub salt: u64,
    /// Who writes.
    pub writer: WriterMode,
    /// Measures syncs; `None` reports no durations.
    pub now: Option<Now>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            preallocate_bytes: 16 << 20,
            reserve_segments: 2,
            reserve_bytes: (8 << 20) + OPENING_BYTES,
            queue_bytes: 8 << 20,
            cache_bytes: 64 << 20,
            read_bytes: 2 << 20,
            copy_forward_percent: 25,
            tighten_bytes: 4 << 20,
            mark_after: Duration::from_secs(1),
            salt: 0,
            writer: WriterMode::Thread,
            now: None,
        }
    }
}

impl LogOptions {
    /// Bytes that a start reserves for the segment it begins.
    #[must_use]
    pub fn first_step_bytes(&self) -> u64 {
        FIRST_STEP_BYTES.min(self.preallocate_bytes).max(1)
    }

    /// The same with [`Self::reserve_bytes`] that also hold an entry of `bytes`, which passes a smaller queue alone.
    #[must_use]
    pub fn reserving_for(mut self, bytes: u64) -> Self {
        self.reserve_bytes = self.reserve_bytes.max(bytes + OPENING_BYTES);
        self
    }
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOptions")
            .field("segment_bytes", &self.segment_bytes)
            .field("queue_bytes", &self.queue_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}
