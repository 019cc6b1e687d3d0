//! The state machine of a pool group: all its shards behind one log.
//!
//! ```text
//! entry -> GroupState::apply -> reply for the proposer
//!                            -> effects: append rows, mark rows deleted, seal, drop, compact, name an index, pin a read
//! ```
//! Apply reads the primary-key index and its own state, nothing else (I12), and gives every entry a timestamp
//! larger than all before it (I9). A retried request is answered from the dedup window (I10). Which index file a sealed
//! segment is served from is part of the state (I13), and so are the moments that reads go back to (I18) and the last
//! compaction that somebody asked for.

mod ask;
mod command;
mod compact;
mod dedup;
mod delete;
mod effect;
mod group;
mod index;
mod insert;
mod read_pins;
mod state;

pub use crate::answers::Seen;
pub use ask::AskedCompaction;
pub use command::{Applied, Refusal, ShardCommand, ShardEntry, ShardReply};
pub use dedup::DedupWindow;
pub use effect::Effect;
pub use group::{GroupState, Outcome};
pub use read_pins::{ReadPins, Unreadable};
pub use state::{SEGMENT_ROWS_MAX, SegmentPhase, SegmentState, ShardState};

#[cfg(test)]
mod tests;
