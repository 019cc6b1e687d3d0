//! One write-ahead log per node, shared by all its Raft groups.
//!
//! This crate answers: *what did each replica on this node promise to remember, and is it on disk yet?*
//!
//! ```text
//!  GroupLog (openraft's storage traits)  one per replica; reads its own writes at once
//!      |  records, in order per group
//!  NodeLog: bounded queue, recent entries in memory
//!      |  one batch at a time: one write, one sync, then all callbacks
//!  WriteAheadLog: segments, checksums, recovery        no thread, no clock, no runtime
//!      |
//!  vecraft_storage::Disk
//! ```
//!
//! What holds at all times (names from docs/invariants.md):
//! - I6: at most one unsynced batch; the first bad batch is a torn tail only if no valid later one follows.
//! - I7: votes are records in the same queue; a full disk holds callbacks, a failed sync ends the log until restart.
//! - per replica `purged <= last`, entries `purged+1 ..= last` without a hole, and `committed <= last` after recovery.
//!
//! With `raft/host` this is the only crate that names openraft. What it does *not* do: it decides no purge (I4 is the
//! host's), knows no command (payloads are opaque bytes), and holds no state machine.

mod convert;
mod error;
mod group_log;
mod memory;
mod node_log;
mod options;
mod queue;
mod raft_types;
mod record;
mod runtime;
mod wal;
mod writer;

pub use error::{Error, Result};
pub use group_log::GroupLog;
pub use node_log::{LogHealth, LogMetrics, NodeLog, RecoveredGroup, RecoveredGroups};
pub use options::{LogOptions, Now, WriterMode};
pub use raft_types::{
    Entry, EntryPayload, LeaderId, LogId, Membership, Payload, Peer, Reply, StoredMembership, TypeConfig,
    Vote,
};
pub use record::{EntryId, EntryKind, GroupKey, LogEntry, Record, VoteState};
pub use runtime::draw_timeouts_from;
pub use wal::{FORMAT_VERSION, GroupState, LogFiles, WriteAheadLog};
