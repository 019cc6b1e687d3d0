//! Reads of a client, at all levels, and what each of them owes.

use super::Client;
use crate::cluster::bug::Bug;
use crate::cluster::invariants::i17_reads;
use crate::cluster::seats::Front;
use crate::invariants::Check;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_rpc::services::ReadBarrier;
use vecraft_types::api::Consistency;
use vecraft_types::{LogPosition, ShardId};

/// For a read, in milliseconds.
const READ_MS: u64 = 1_500;

impl Client {
    /// One read.
    pub async fn read(&mut self, shard: ShardId, level: Consistency) -> bool {
        let fronts = self.world.seats.all();
        let Some(front) = self.rng.pick(&fronts).cloned() else { return false };
        let began = Instant::now();
        let level = self.in_session(shard, level);
        let owed = self.owed(shard, level, began);
        let waited = match level {
            Consistency::Bounded(bound, _) if self.trusts_heartbeats(&front, bound) => Some(Ok(())),
            _ => front.answer(front.data.wait(shard, level, READ_MS)).await,
        };
        if !matches!(waited, Some(Ok(()))) {
            return false;
        }
        let Some(view) = front.views.get(shard) else {
            // The shards are there before anybody reads.
            self.judge(&front, level, owed, LogPosition(0));
            return false;
        };
        self.world.book.view(front.node, &view);
        let shown = self.world.book.with(|pages| {
            pages.figures.reads += 1;
            let shown = pages.change_at(shard, view.position);
            if level == Consistency::Strong {
                pages.seen.add(shard, shown);
            }
            shown
        });
        self.judge(&front, level, owed, shown);
        let read = self.read.entry(shard).or_default();
        *read = (read.0.max(view.timestamp), read.1.max(shown));
        true
    }

    /// A session's reads carry what its earlier ones were shown, at whichever level and node, as `client/rust` does. Bounded
    /// reads here are those of clients that have no session.
    fn in_session(&self, shard: ShardId, level: Consistency) -> Consistency {
        let (read, _) = self.read.get(&shard).copied().unwrap_or_default();
        match level {
            Consistency::Session(_) if self.world.bug != Some(Bug::SessionByWrites) => level.at_least(read),
            _ => level,
        }
    }

    /// Which rule says what the read owes, and the change it owes.
    fn owed(&self, shard: ShardId, level: Consistency, began: Instant) -> (&'static str, LogPosition) {
        self.world.book.with(|pages| match level {
            Consistency::Strong => ("I16", pages.owed(shard, began).max(pages.seen.before(shard, began))),
            Consistency::Session(token) => {
                let (_, read) = self.read.get(&shard).copied().unwrap_or_default();
                ("I20", pages.owed_session(shard, token).max(read))
            }
            Consistency::Bounded(ms, _) => {
                let moment =
                    began.checked_sub(Duration::from_millis(ms)).filter(|moment| *moment >= pages.began);
                ("I17", moment.map(|moment| pages.owed(shard, moment)).unwrap_or_default())
            }
            Consistency::Eventually => ("I20", LogPosition(0)),
        })
    }

    fn judge(
        &self,
        front: &Front,
        level: Consistency,
        (rule, owed): (&'static str, LogPosition),
        shown: LogPosition,
    ) {
        let name = match level {
            Consistency::Strong => "Strong",
            Consistency::Session(_) => "Session",
            Consistency::Bounded(..) => "Bounded",
            Consistency::Eventually => "Eventually",
        };
        let outcome: Check = i17_reads::check(rule, front.node, name, owed, shown);
        self.world.book.judge(outcome);
    }

    /// [`Bug::BoundedByHeartbeat`]: the leader was heard within the bound.
    fn trusts_heartbeats(&self, front: &Front, bound_ms: u64) -> bool {
        let Some(leader) = front.group.leader() else { return false };
        let heard = self.world.net.heard_ago(front.node, leader.node.0);
        self.world.bug == Some(Bug::BoundedByHeartbeat)
            && heard.is_some_and(|ago| ago < Duration::from_millis(bound_ms))
    }
}
