//! I10, retries: a request that comes again gets its first answer and changes nothing.

use super::{Check, ensure};
use crate::trace::Hash;
use std::collections::BTreeMap;
use vecraft_state::shard::{Refusal, ShardCommand, ShardEntry, ShardReply};
use vecraft_types::{RequestId, ShardId};

const NAME: &str = "I10";

/// The first answer to every request.
#[derive(Debug, Default)]
pub struct Answers {
    first: BTreeMap<(ShardId, RequestId), ShardReply>,
}

impl Answers {
    /// The first answer, when this is a retry.
    pub fn first(&self, entry: &ShardEntry) -> Option<&ShardReply> {
        self.first.get(&(entry.shard, request(&entry.command)?))
    }

    /// Looks at an answer and at the shard's rows before and after.
    pub fn answered(&mut self, entry: &ShardEntry, reply: &ShardReply, rows: (Hash, Hash)) -> Check {
        let Some(request) = request(&entry.command) else {
            if matches!(entry.command, ShardCommand::Drop) {
                self.first.retain(|(shard, _), _| *shard != entry.shard);
            }
            return Ok(());
        };
        // Refusals that another schema or route would cure do not stick to a request.
        if matches!(
            reply,
            Err(Refusal::SchemaMismatch { .. } | Refusal::Malformed(_) | Refusal::UnknownShard)
        ) {
            return Ok(());
        }
        match self.first.get(&(entry.shard, request)) {
            None => {
                self.first.insert((entry.shard, request), reply.clone());
                Ok(())
            }
            Some(first) => {
                ensure(first == reply, NAME, || {
                    format!("{request:?} was answered {first:?}, its retry {reply:?}")
                })?;
                ensure(rows.0 == rows.1, NAME, || format!("the retry of {request:?} changed rows"))
            }
        }
    }
}

/// The name of a write.
pub fn request(command: &ShardCommand) -> Option<RequestId> {
    match command {
        ShardCommand::Insert { request, .. }
        | ShardCommand::DeleteKeys { request, .. }
        | ShardCommand::DeleteVersions { request, .. } => Some(*request),
        _ => None,
    }
}
