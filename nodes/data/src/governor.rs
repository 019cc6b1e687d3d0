//! Who may have how much memory (I21).
//!
//! ```text
//! limit = growing rows + key indexes + deletes      counted by the groups, given back by seals and checkpoints
//!       + writes in flight                          admitted, not yet applied
//!       + requests that arrive at the client port   not all there yet, limited by the port
//!       + indexes                                   rooms of the index role, at most three quarters of the limit
//! ```
//! Mapped files do not count. Over the limit inserts are refused and deletes are taken; an index that would not fit is used in its
//! mapped file, or is not built, and searches scan. Keys grow with every row and never leave: when rows are refused while indexes
//! have memory, indexes give some back ([`Governor::take_index_excess`]). Nobody waits inside apply.
//!
//! What is not counted (answers, an allocator that keeps what was freed) is seen from outside: somebody watches what the whole process
//! has ([`Governor::set_process`]). An index gets no more than that leaves, and when it comes too near to what the system
//! allows rows get nothing and indexes give back.

use crate::replica::{Compacting, GroupReplica, ShardReplica};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use vecraft_rpc::memory::Room;
use vecraft_segment::Segment;
use vecraft_types::{Code, Error, Result};

/// The node's memory limit and what indexes have of it.
#[derive(Debug)]
pub struct Governor {
    limit: u64,
    indexes: Arc<AtomicU64>,
    arriving: Arc<AtomicU64>,
    /// Groups that share what is there for rows.
    groups: AtomicU64,
    /// Rows were refused since somebody asked what indexes should give back.
    is_refused: AtomicBool,
    pressed: Arc<Notify>,
    one_room: Mutex<()>,
    process: Mutex<Option<ProcessMemory>>,
    /// Bytes that indexes are to give back for the process's sake; each is asked for once.
    excess: AtomicU64,
}

/// What the whole process has of the memory that the system allows it, whatever is counted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Bytes it has, mapped files left out.
    pub has: u64,
    /// Bytes it may have.
    pub allowed: u64,
    /// Bytes that indexes may take more.
    pub room: u64,
    /// So near to what is allowed that rows and indexes get nothing.
    pub is_tight: bool,
}

impl std::fmt::Display for ProcessMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (has, allowed) = (self.has >> 20, self.allowed >> 20);
        write!(f, "the process has {has} MiB of the {allowed} MiB that the system allows it")
    }
}

impl Governor {
    /// Everything together may have so many bytes.
    pub fn new(limit: u64) -> Governor {
        Governor {
            limit,
            indexes: Arc::default(),
            arriving: Arc::default(),
            groups: AtomicU64::new(1),
            is_refused: AtomicBool::new(false),
            pressed: Arc::default(),
            one_room: Mutex::default(),
            process: Mutex::new(None),
            excess: AtomicU64::new(0),
        }
    }

    /// Bytes of indexes in memory.
    pub fn index_bytes(&self) -> u64 {
        self.indexes.load(Ordering::Relaxed)
    }

    /// Where the client port counts requests that are not all there yet.
    pub fn arriving(&self) -> Arc<AtomicU64> {
        self.arriving.clone()
    }

    /// Bytes of such requests.
    pub fn arriving_bytes(&self) -> u64 {
        self.arriving.load(Ordering::Relaxed)
    }

    /// Says what the whole process has; `None`: nobody knows. Somebody looks again all the time.
    pub fn set_process(&self, memory: Option<ProcessMemory>) {
        *self.process.lock() = memory;
    }

    /// What the whole process had when somebody last looked.
    pub fn process(&self) -> Option<ProcessMemory> {
        *self.process.lock()
    }

    /// Asks indexes to give so many bytes back, once.
    pub fn ask_indexes_for(&self, bytes: u64) {
        if bytes > 0 && self.index_bytes() > 0 {
            self.excess.fetch_max(bytes, Ordering::Relaxed);
            self.pressed.notify_one();
        }
    }

    /// Why inserts are refused, given what rows and keys have.
    pub fn refusal(&self, rows: u64) -> Option<String> {
        if let Some(tight) = self.process().filter(|memory| memory.is_tight) {
            let (rows, indexes) = (rows >> 20, self.index_bytes() >> 20);
            return Some(format!(
                "{tight}, {rows} MiB for unflushed rows and keys and {indexes} MiB for indexes"
            ));
        }
        let (indexes, arriving) = (self.index_bytes(), self.arriving_bytes());
        (rows.saturating_add(indexes).saturating_add(arriving) > self.limit).then(|| {
            format!("{} MiB of unflushed rows and keys and {}", rows >> 20, self.beside(indexes, arriving))
        })
    }

    /// Somebody's rows were refused: whoever keeps indexes is told.
    pub fn note_refused(&self) {
        if self.index_bytes() > 0 {
            self.is_refused.store(true, Ordering::Relaxed);
            self.pressed.notify_one();
        }
    }

    /// Told when rows are refused while indexes have memory.
    pub fn pressed(&self) -> Arc<Notify> {
        self.pressed.clone()
    }

    /// Bytes that indexes are to give back, given what rows and keys have: what is missing for an eighth of the limit to be free.
    /// Nothing unless rows were refused since the last call: the memory of growing rows comes back by itself, with the next seal.
    pub fn take_index_excess(&self, rows: u64) -> u64 {
        let (indexes, excess) = (self.index_bytes(), self.excess.swap(0, Ordering::Relaxed));
        if !self.is_refused.swap(false, Ordering::Relaxed) {
            return excess.min(indexes);
        }
        let all = rows.saturating_add(indexes).saturating_add(self.arriving_bytes());
        all.saturating_sub(self.limit / 8 * 7).max(excess).min(indexes)
    }

    /// What is there beside rows and keys, and the limit, in words.
    fn beside(&self, indexes: u64, arriving: u64) -> String {
        let arriving = match arriving >> 20 {
            0 => String::new(),
            mib => format!(" and {mib} MiB of requests on their way in"),
        };
        format!("{} MiB of indexes{arriving}, the limit is {} MiB", indexes >> 20, self.limit >> 20)
    }

    /// What the process has, in words, if that leaves no room for so many bytes of an index.
    fn process_beside(&self, bytes: u64) -> String {
        let lacking = self.process().filter(|memory| memory.is_tight || memory.room < bytes);
        lacking.map_or_else(String::new, |memory| format!("; {memory}"))
    }

    /// Bytes until inserts are refused, given what rows and keys have.
    pub fn left(&self, rows: u64) -> u64 {
        if self.process().is_some_and(|memory| memory.is_tight) {
            return 0;
        }
        self.limit
            .saturating_sub(rows)
            .saturating_sub(self.index_bytes())
            .saturating_sub(self.arriving_bytes())
    }

    /// Bytes that an index could get, given what rows and keys have.
    pub fn index_room(&self, rows: u64) -> u64 {
        let of_process = match self.process() {
            Some(memory) if memory.is_tight => 0,
            Some(memory) => memory.room,
            None => u64::MAX,
        };
        let indexes = self.index_bytes();
        let all = rows.saturating_add(indexes).saturating_add(self.arriving_bytes());
        let counted = (self.limit / 4 * 3).saturating_sub(indexes);
        counted.min((self.limit / 8 * 7).saturating_sub(all)).min(of_process)
    }

    /// Room for an index, given what rows and keys have. A quarter of the limit is never given to indexes, nor is the last
    /// eighth: without room for rows nobody could insert.
    ///
    /// # Errors
    /// [`Code::OutOfMemory`] with the figures.
    pub fn room_for_index(&self, rows: u64, bytes: u64) -> Result<Room> {
        // One at a time, and nothing is counted that is not given: rows that come meanwhile would be refused for it.
        let _one = self.one_room.lock();
        if bytes <= self.index_room(rows) {
            return Ok(Room::take(&self.indexes, bytes));
        }
        let text = format!(
            "an index of {} MiB beside {} MiB of unflushed rows and keys and {}{}",
            bytes >> 20,
            rows >> 20,
            self.beside(self.index_bytes(), self.arriving_bytes()),
            self.process_beside(bytes)
        );
        Err(Error::new(Code::OutOfMemory, text))
    }

    /// So many groups have a replica here: all of them have rows in memory, whoever leads them.
    pub fn set_groups(&self, groups: usize) {
        self.groups.store(groups as u64, Ordering::Relaxed);
    }

    /// Bytes that one group may have for rows and keys: above most of it, it seals early.
    pub fn share(&self) -> u64 {
        self.limit.saturating_sub(self.index_bytes()) / self.groups.load(Ordering::Relaxed).max(1)
    }
}

impl GroupReplica {
    /// Bytes of memory in growing segments, key indexes, delete lists and dedup windows, for the governor (I21).
    pub fn memory_bytes(&self) -> u64 {
        let of_shard = |shard: &ShardReplica| {
            let rows: u64 = shard
                .segments
                .values()
                .map(|held| match &held.segment {
                    Segment::Growing(segment) => segment.bytes(),
                    Segment::Sealed(segment) => segment.deletes().bytes(),
                })
                .sum();
            let inputs = |output: &Compacting| -> u64 {
                let parts = output.compaction.parts().iter().map(|part| match part.segment() {
                    Segment::Growing(segment) => segment.bytes(),
                    Segment::Sealed(segment) => segment.deletes().bytes(),
                });
                output.compaction.bytes() + parts.sum::<u64>()
            };
            let rows = rows + shard.compacting.values().map(inputs).sum::<u64>();
            rows + shard.keys.bytes() as u64
        };
        let windows = self
            .state
            .shards
            .values()
            .map(|shard| (shard.dedup.bytes() + shard.read_pins.bytes()) as u64)
            .sum::<u64>();
        self.shards.values().map(of_shard).sum::<u64>() + windows
    }

    /// Of those, what goes to files with a seal.
    pub(crate) fn growing_bytes(&self) -> u64 {
        let segments = self.shards.values().flat_map(|shard| shard.segments.values());
        segments
            .map(|held| match &held.segment {
                Segment::Growing(segment) => segment.bytes(),
                Segment::Sealed(_) => 0,
            })
            .sum()
    }
}

#[cfg(test)]
mod tests;
