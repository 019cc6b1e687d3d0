//! I10, retries: a request that comes again, to whichever leader, gets its first answer and changes nothing.

use crate::invariants::{Check, ensure, i10_retries};
use crate::trace::Hash;
use vecraft_state::shard::{ShardEntry, ShardReply};

const NAME: &str = "I10";

/// The first answer to every request.
#[derive(Debug, Default)]
pub struct Retries {
    answers: i10_retries::Answers,
}

impl Retries {
    /// Looks at the answer to an entry that is applied for the first time; entries come in log order.
    pub fn answered(
        &mut self,
        entry: &ShardEntry,
        seen: &ShardReply,
        expected: &ShardReply,
        has_changed: bool,
    ) -> Check {
        if self.answers.first(entry).is_some() {
            ensure(!has_changed && seen == expected, NAME, || {
                format!("a retry in the log was answered {seen:?}, the first time it was {expected:?}")
            })?;
        }
        self.answers.answered(entry, seen, (Hash(0), Hash(u64::from(has_changed))))
    }
}
