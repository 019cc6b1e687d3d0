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
//! What is not counted (answers, an allocator that keeps what was freed) is seen from outside: who watches the whole process
//! says when it comes too near to what the system allows ([`Governor::set_too_many`]).

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
    /// Bytes that the whole process has too many of its memory, by whoever looks at that; 0: none.
    too_many: AtomicU64,
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
            too_many: AtomicU64::new(0),
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

    /// Says how many bytes the whole process has too many, whatever is counted here: until that is 0 again rows and indexes get nothing,
    /// and indexes give so much back.
    pub fn set_too_many(&self, bytes: u64) {
        self.too_many.store(bytes, Ordering::Relaxed);
        if bytes > 0 {
            self.pressed.notify_one();
        }
    }

    fn too_many(&self) -> u64 {
        self.too_many.load(Ordering::Relaxed)
    }

    /// Why inserts are refused, given what rows and keys have.
    pub fn refusal(&self, rows: u64) -> Option<String> {
        let too_many = self.too_many();
        if too_many > 0 {
            let indexes = self.index_bytes() >> 20;
            let text = "the process has come too near to what the system allows it";
            return Some(format!(
                "{text}: {} MiB too many, {indexes} MiB of it indexes",
                too_many.div_ceil(1 << 20)
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
        let (indexes, too_many) = (self.index_bytes(), self.too_many());
        if !self.is_refused.swap(false, Ordering::Relaxed) && too_many == 0 {
            return 0;
        }
        let all = rows.saturating_add(indexes).saturating_add(self.arriving_bytes());
        all.saturating_sub(self.limit / 8 * 7).max(too_many).min(indexes)
    }

    /// What is there beside rows and keys, and the limit, in words.
    fn beside(&self, indexes: u64, arriving: u64) -> String {
        let arriving = match arriving >> 20 {
            0 => String::new(),
            mib => format!(" and {mib} MiB of requests on their way in"),
        };
        format!("{} MiB of indexes{arriving}, the limit is {} MiB", indexes >> 20, self.limit >> 20)
    }

    /// Bytes until inserts are refused, given what rows and keys have.
    pub fn left(&self, rows: u64) -> u64 {
        if self.too_many() > 0 {
            return 0;
        }
        self.limit
            .saturating_sub(rows)
            .saturating_sub(self.index_bytes())
            .saturating_sub(self.arriving_bytes())
    }

    /// Bytes that an index could get, given what rows and keys have.
    pub fn index_room(&self, rows: u64) -> u64 {
        if self.too_many() > 0 {
            return 0;
        }
        let indexes = self.index_bytes();
        let all = rows.saturating_add(indexes).saturating_add(self.arriving_bytes());
        (self.limit / 4 * 3).saturating_sub(indexes).min((self.limit / 8 * 7).saturating_sub(all))
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
            if self.too_many() > 0 {
                "; the process has come too near to what the system allows it"
            } else {
                ""
            }
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
