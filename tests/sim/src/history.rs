//! What one replica was asked to remember, and what it promised.
//!
//! ```text
//! entries     promised: their commit answered Ok, or a restart found them (one voter: what is in its log is committed)
//! in_flight   a commit that died half way: after the restart all of it is there, or nothing
//! ```

use bytes::Bytes;
use vecraft_log_store::{EntryId, EntryKind, LogEntry};
use vecraft_state::shard::ShardReply;

/// An entry and the answer its proposer got, or would have got.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Which entry.
    pub id: EntryId,
    /// Blank or command.
    pub kind: EntryKind,
    /// The encoded command.
    pub payload: Bytes,
    /// The twin's answer; `None` for a blank entry.
    pub reply: Option<ShardReply>,
}

impl Known {
    /// An entry nobody has applied yet.
    pub fn new(entry: &LogEntry) -> Known {
        Known { id: entry.id, kind: entry.kind, payload: entry.payload.clone(), reply: None }
    }

    /// True when the log gave back just this.
    pub fn is(&self, entry: &LogEntry) -> bool {
        (self.id, self.kind, &self.payload) == (entry.id, entry.kind, &entry.payload)
    }
}

/// The log of one replica as its owner remembers it. Index of an entry = place in `entries`.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Promised, in order from index 0.
    pub entries: Vec<Known>,
    /// The batch that was being written when the process died.
    pub in_flight: Vec<Known>,
    /// Purge points: promised, and in flight.
    pub purged: Option<u64>,
    /// A purge whose commit did not answer.
    pub purge_in_flight: Option<u64>,
    /// Terms voted in: promised, and in flight.
    pub voted: u64,
    /// A vote whose commit did not answer.
    pub vote_in_flight: Option<u64>,
}

impl History {
    /// Index of the next entry.
    pub fn next_index(&self) -> u64 {
        self.entries.len() as u64
    }
}
