//! Memory that roles of one node share (I21).
//!
//! Growing rows, key indexes and index files in memory come out of one limit. The data role counts and refuses; whoever
//! wants to keep much in memory asks it first. Files that are mapped do not count: the kernel takes their pages back
//! when it needs them.
//!
//! And what nodes tell one another: a leader takes no rows for which another voter has no room.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use vecraft_types::{Error, GroupId, NodeId, Result};

/// Gives room for what stays in memory. Served by the data role, local to a node.
pub trait MemoryGovernor: Send + Sync + 'static {
    /// Room for an index of so many bytes.
    ///
    /// # Errors
    /// [`vecraft_types::Code::OutOfMemory`] with the figures, when it would not fit beside what is there. It may fit
    /// later: rows go to files, indexes are dropped.
    fn room_for_index(&self, bytes: u64) -> Result<Room>;

    /// Bytes that an index could get now. Takes nothing.
    fn index_room(&self) -> u64;

    /// Bytes that indexes should give back, if rows were refused since this was last asked or the process has too much; else 0.
    fn take_index_excess(&self) -> u64;

    /// Whether the process has come so near to what the system allows it that no index gets anything, whatever others give back.
    fn is_tight(&self) -> bool;

    /// Told when rows were refused while indexes have memory. One permit.
    fn pressed(&self) -> Arc<Notify>;
}

/// What a node can still take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLeft {
    /// Bytes of rows until it refuses inserts: memory or disk, whichever is less.
    pub bytes: u64,
    /// Why it refuses them now, in the words for its own clients.
    pub shortage: Option<Error>,
}

/// What this node can still take. Served by the data role, asked by leaders of groups that have a voter here.
#[async_trait]
pub trait NodeRoom: Send + Sync {
    /// Memory only, or nearly: it is asked twice a second while rows are written.
    async fn room(&self) -> Result<RoomLeft>;
    /// A voter of a group is short of memory: its leader, here, seals what is large soon.
    async fn relieve(&self, group: GroupId) -> Result<()>;
}

/// What other nodes can still take.
#[async_trait]
pub trait RoomElsewhere: Send + Sync {
    /// As [`NodeRoom::room`] on that node.
    async fn room(&self, node: NodeId) -> Result<RoomLeft>;
    /// As [`NodeRoom::relieve`] on that node.
    async fn relieve(&self, node: NodeId, group: GroupId) -> Result<()>;
}

/// Memory that is counted as used until this is dropped.
pub struct Room {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl Room {
    /// Counts so many bytes in `used`.
    pub fn take(used: &Arc<AtomicU64>, bytes: u64) -> Room {
        used.fetch_add(bytes, Ordering::Relaxed);
        Room { used: used.clone(), bytes }
    }

    /// What it is in the end: an estimate before the work, the truth after it.
    pub fn settle(&mut self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }

    /// Bytes counted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_settled_and_given_back() {
        let used = Arc::new(AtomicU64::new(5));
        let mut room = Room::take(&used, 100);
        assert_eq!(used.load(Ordering::Relaxed), 105);
        room.settle(30);
        assert_eq!((used.load(Ordering::Relaxed), room.bytes()), (35, 30));
        drop(room);
        assert_eq!(used.load(Ordering::Relaxed), 5);
    }
}
