//! I15, I16, I17, I20, reads: each level sees what it promises, on any replica.
//!
//! Strong: every write acknowledged before the read began, and what any Strong read before it saw. Session: the client's own
//! writes, and what any read of the client before it was shown, on whichever replica. Bounded: every write acknowledged longer ago than the bound. Eventually: some prefix of the log.

use crate::invariants::{Check, ensure};
use std::collections::BTreeMap;
use tokio::time::Instant;
use vecraft_types::{LogPosition, ShardId};

/// The newest change that a Strong read has shown, by shard, and when that read ended.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<ShardId, Vec<(Instant, LogPosition)>>);

impl Seen {
    /// What Strong reads that ended before `moment` have shown.
    pub fn before(&self, shard: ShardId, moment: Instant) -> LogPosition {
        let seen = self.0.get(&shard).into_iter().flatten();
        seen.filter(|(ended, _)| *ended < moment).map(|(_, change)| *change).max().unwrap_or_default()
    }

    /// A Strong read ends now.
    pub fn add(&mut self, shard: ShardId, change: LogPosition) {
        self.0.entry(shard).or_default().push((Instant::now(), change));
    }
}

/// A read on `node` that owes the change `owed` shows the change `shown`.
pub fn check(rule: &'static str, node: u64, level: &str, owed: LogPosition, shown: LogPosition) -> Check {
    ensure(shown >= owed, rule, || {
        format!("a {level} read on node {node} shows the shard as of {shown}, it owes {owed}")
    })
}
