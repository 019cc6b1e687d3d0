//! I9, timestamps: they grow with the log, across restarts and whatever the proposers' clocks say.

use super::{Check, ensure};
use vecraft_state::shard::ShardReply;
use vecraft_types::{LogPosition, Timestamp};

const NAME: &str = "I9";

/// The largest answer so far.
#[derive(Debug, Default)]
pub struct Timestamps {
    last: (LogPosition, Timestamp),
}

impl Timestamps {
    /// Looks at the answer to the entry at `position`; entries come in log order.
    pub fn answered(&mut self, position: LogPosition, suggested: Timestamp, reply: &ShardReply) -> Check {
        let Ok(applied) = reply else { return Ok(()) };
        // A recognised retry repeats an earlier answer (I10).
        if applied.position != position {
            return ensure(applied.position < position && applied.timestamp <= self.last.1, NAME, || {
                format!("{position} answers for {} with {}", applied.position, applied.timestamp)
            });
        }
        let (before, largest) = self.last;
        ensure(applied.timestamp > largest && applied.timestamp >= suggested, NAME, || {
            format!("{position} got {}, {before} before it had {largest}", applied.timestamp)
        })?;
        self.last = (position, applied.timestamp);
        Ok(())
    }
}
