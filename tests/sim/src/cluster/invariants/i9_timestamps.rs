//! I9, timestamps: they grow with the log, over all leaders and whatever their clocks say.

use crate::invariants::{Check, i9_timestamps};
use vecraft_state::shard::ShardReply;
use vecraft_types::{LogPosition, Timestamp};

/// The largest timestamp so far.
#[derive(Debug, Default)]
pub struct Stamps {
    stamps: i9_timestamps::Timestamps,
}

impl Stamps {
    /// Looks at the answer to an entry that is applied for the first time; entries come in log order.
    pub fn answered(&mut self, position: LogPosition, suggested: Timestamp, seen: &ShardReply) -> Check {
        self.stamps.answered(position, suggested, seen)
    }
}
