//! I10, retries: a request that comes again, to whichever leader, gets its first answer and changes nothing. A delete by
//! filter is several entries, and a retry looks again: it must not take what was written since its first entry.

use crate::invariants::{Check, ensure, i10_retries};
use crate::trace::Hash;
use std::collections::BTreeMap;
use vecraft_state::shard::{ShardCommand, ShardEntry, ShardReply};
use vecraft_types::{ClientId, LogPosition, ShardId};

const NAME: &str = "I10";

/// The first answer to every request.
#[derive(Debug, Default)]
pub struct Retries {
    answers: i10_retries::Answers,
    /// Where the first entry of each delete by filter is. The simulation's clients ask with one part only.
    began: BTreeMap<(ShardId, ClientId, u64), LogPosition>,
}

impl Retries {
    /// Whether the entry's request has been answered before.
    pub fn is_retry(&self, entry: &ShardEntry) -> bool {
        self.answers.first(entry).is_some()
    }

    /// Looks at the answer to an entry that is applied for the first time; entries come in log order.
    pub fn answered(
        &mut self,
        position: LogPosition,
        entry: &ShardEntry,
        seen: &ShardReply,
        expected: &ShardReply,
        has_changed: bool,
    ) -> Check {
        let is_retry = self.is_retry(entry);
        if let (ShardCommand::DeleteVersions { request, rows }, Ok(_), false) =
            (&entry.command, seen, is_retry)
        {
            let name = (entry.shard, request.client, request.sequence);
            let began = *self.began.entry(name).or_insert(position);
            let late = rows.iter().find(|(_, row)| row.position >= began);
            ensure(late.is_none(), NAME, || {
                format!(
                    "{request:?} began at {began} and at {position} takes {late:?}, which was written since"
                )
            })?;
        }
        if is_retry {
            ensure(!has_changed && seen == expected, NAME, || {
                format!("a retry in the log was answered {seen:?}, the first time it was {expected:?}")
            })?;
        }
        self.answers.answered(entry, seen, (Hash(0), Hash(u64::from(has_changed))))
    }
}
