//! I12, deletes by filter: the leader resolves them at a position that includes everything acknowledged before, and
//! proposes rows that the filter means; apply takes exactly those that are still where they were named.

use crate::invariants::{Check, ensure, i12_resolved_deletes};
use crate::twin::{Twin, TwinRow};
use std::collections::BTreeMap;
use vecraft_rpc::services::{RowChange, ShardWrite};
use vecraft_state::shard::{ShardCommand, ShardEntry, ShardReply};
use vecraft_types::{ClientId, LogPosition, ShardId};

const NAME: &str = "I12";

/// The deletes by filter that clients have asked for.
#[derive(Debug, Default)]
pub struct Filters(BTreeMap<(ShardId, ClientId, u64), Asked>);

/// One of them.
#[derive(Clone, Debug)]
struct Asked {
    /// `version < n` or `version > n`.
    is_below: bool,
    version: i64,
    /// What was acknowledged before it began.
    owed: LogPosition,
}

impl Asked {
    fn means(&self, row: &TwinRow) -> bool {
        let version = row.row.version;
        if self.is_below { version < self.version } else { version > self.version }
    }
}

impl Filters {
    /// A client begins to ask, the first time or again.
    pub fn asks(&mut self, write: &ShardWrite, acknowledged: LogPosition) {
        let RowChange::DeleteWhere { filter, .. } = &write.change else { return };
        let words: Vec<&str> = filter.split(' ').collect();
        let ["version", sign, version] = words[..] else { return };
        let name = (write.shard, write.request.client, write.request.sequence);
        let Ok(version) = version.parse() else { return };
        self.0.entry(name).or_insert(Asked { is_below: sign == "<", version, owed: acknowledged });
    }

    /// Looks at an entry that is applied for the first time, and at the shard's rows before and after.
    pub fn applied(
        &self,
        entry: &ShardEntry,
        seen: &ShardReply,
        (before, after): (&[TwinRow], &[TwinRow]),
    ) -> Check {
        let ShardCommand::DeleteVersions { request, rows } = &entry.command else { return Ok(()) };
        i12_resolved_deletes::check(entry, seen, before, after)?;
        let Some(asked) = self.0.get(&(entry.shard, request.client, request.sequence)) else { return Ok(()) };
        let named = |row: &&TwinRow| rows.iter().any(|(key, at)| row.row.key == *key && row.place == *at);
        let stranger = before.iter().filter(named).find(|row| !asked.means(row));
        ensure(stranger.is_none(), NAME, || {
            format!("{request:?} is to delete {asked:?}, and names {stranger:?}")
        })
    }

    /// A client was told that its delete is done: nothing that it owed is left, in the newest state of the log.
    pub fn answered(&self, write: &ShardWrite, newest: &Twin) -> Check {
        let name = (write.shard, write.request.client, write.request.sequence);
        let Some(asked) = self.0.get(&name) else { return Ok(()) };
        let rows = newest.shards.get(&write.shard).map(|shard| &shard.rows);
        let mut left = rows.into_iter().flatten().filter(|row| row.place.position <= asked.owed);
        let left = left.find(|row| asked.means(row));
        ensure(left.is_none(), NAME, || {
            format!("{:?} was told that {asked:?} are gone, {left:?} is there", write.request)
        })
    }
}
