//! The log's second reading: an entry is added by the first replica that applies it, and compared by the others.

use super::{Known, Pages};
use crate::cluster::invariants::i11_one_log;
use crate::invariants::Check;
use crate::invariants::i10_retries::request;
use crate::twin::Twin;
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;
use vecraft_raft_host::Mark;
use vecraft_rpc::codec;
use vecraft_state::shard::{ShardEntry, ShardReply};
use vecraft_types::{LogPosition, ShardId, Timestamp};

impl Pages {
    pub(super) fn apply(
        &mut self,
        node: u64,
        position: LogPosition,
        mark: Bytes,
        command: Option<&Bytes>,
        reply: Option<&Bytes>,
    ) -> Check {
        let reply =
            reply.map(|bytes| i11_one_log::decode::<ShardReply>(node, position, bytes)).transpose()?;
        if let Some(known) = self.log.get(&position) {
            return i11_one_log::same(
                node,
                position,
                known,
                &Known { mark, command: command.cloned(), reply, request: known.request },
            );
        }
        i11_one_log::next(node, position, self.log.last_key_value().map(|(at, _)| *at))?;
        let mut known = Known { mark, command: command.cloned(), reply: None, request: None };
        if let Some(bytes) = command {
            let entry: ShardEntry = i11_one_log::decode(node, position, bytes)?;
            known.request = request(&entry.command).map(|request| (entry.shard, request));
            let before = self.twin.shards.get(&entry.shard).map(|shard| shard.rows.clone());
            let expected = self.twin.apply(position, &entry);
            let after = self.twin.shards.get(&entry.shard).map(|shard| shard.rows.clone());
            let has_changed = before != after;
            if has_changed {
                self.changes.entry(entry.shard).or_default().insert(position);
            }
            self.states.insert(position, Arc::new(self.twin.clone()));
            if let Some(seen) = &reply {
                self.stamps.answered(position, entry.suggested, seen)?;
                if !self.retries.is_retry(&entry) {
                    let rows = (before.as_deref().unwrap_or(&[]), after.as_deref().unwrap_or(&[]));
                    self.filters.applied(&entry, seen, rows)?;
                }
                self.retries.answered(position, &entry, seen, &expected, has_changed)?;
                i11_one_log::answer(node, position, seen, &expected)?;
            }
            known.reply = Some(expected);
        }
        self.log.insert(position, known);
        Ok(())
    }

    /// What the log means up to a position.
    pub fn at(&self, position: LogPosition) -> Arc<Twin> {
        self.states.range(..=position).next_back().map(|(_, twin)| twin.clone()).unwrap_or_default()
    }

    /// The last entry up to a position that changed a shard's rows.
    pub fn change_at(&self, shard: ShardId, position: LogPosition) -> LogPosition {
        let changes = self.changes.get(&shard);
        changes.and_then(|all| all.range(..=position).next_back().copied()).unwrap_or_default()
    }

    /// What a read must see of a shard that has to include all writes acknowledged before `moment`.
    pub fn owed(&self, shard: ShardId, moment: Instant) -> LogPosition {
        let owed = self.acks.iter().filter(|ack| ack.shard == shard && ack.at <= moment);
        owed.map(|ack| self.change_at(shard, ack.position)).max().unwrap_or_default()
    }

    /// The same for a session that has seen a timestamp.
    pub fn owed_session(&self, shard: ShardId, token: Timestamp) -> LogPosition {
        let owed = self.acks.iter().filter(|ack| ack.shard == shard && ack.written.timestamp <= token);
        owed.map(|ack| self.change_at(shard, ack.position)).max().unwrap_or_default()
    }
}

/// Bytes of something that has a byte form.
pub(super) fn bytes_of(mark: &Mark) -> Bytes {
    mark.encode().unwrap_or_else(|error| Bytes::from(codec::encode(&error.to_string()).unwrap_or_default()))
}
