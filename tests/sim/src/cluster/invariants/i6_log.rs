//! I6, the log: what was synced is there after any start, every entry with the bytes that it has elsewhere; a torn end
//! is cut, and a damaged record in front of valid ones is refused, never passed over.

use crate::invariants::{Broken, Check, broken, ensure};
use crate::trace::Hash;
use std::collections::BTreeMap;
use vecraft_log_store::{EntryId, GroupLog, LogEntry, RecoveredGroup, VoteState};

const NAME: &str = "I6";
/// Bytes read at a time.
const READ_BYTES: usize = 4_096;

/// What a replica's log has synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Synced {
    /// The last entry.
    pub last: Option<EntryId>,
    /// The vote.
    pub vote: Option<VoteState>,
}

impl Synced {
    /// Everything that the log shows now is synced.
    pub fn all(log: &RecoveredGroup) -> Synced {
        Synced { last: log.last, vote: log.vote }
    }

    /// The process dies, and its log showed `last`: what a new leader had it take back may be gone or not.
    pub fn died(&mut self, last: Option<EntryId>) {
        let is_kept =
            |synced: EntryId| last.is_some_and(|last| last.term == synced.term && last.index >= synced.index);
        self.last = self.last.filter(|synced| is_kept(*synced));
    }
}

/// A start finds all that was synced.
pub fn recovered(node: u64, synced: Synced, found: &RecoveredGroup) -> Check {
    let has = |id: Option<EntryId>| id.map(|id| (id.term, id.index + 1)).unwrap_or_default();
    let (owed, there) = (has(synced.last), has(found.last));
    ensure(there.0 >= owed.0 && there.1 >= owed.1, NAME, || {
        format!("node {node} had synced its log up to {:?} and finds {:?}", synced.last, found.last)
    })
}

/// What entries look like, wherever they were read.
#[derive(Debug, Default)]
pub struct Contents(BTreeMap<EntryId, Hash>);

impl Contents {
    /// Reads a log from end to end: no hole, and no entry that is another one elsewhere.
    pub fn read(&mut self, node: u64, log: &GroupLog, found: &RecoveredGroup) -> Check {
        let mut next = found.purged.map_or(0, |id| id.index + 1);
        let end = found.last.map_or(0, |id| id.index + 1);
        while next < end {
            let entries = log
                .read(next, end, READ_BYTES)
                .map_err(|error| broken(NAME, format!("node {node}: {error}")))?;
            ensure(entries.first().is_some_and(|entry| entry.id.index == next), NAME, || {
                format!("node {node}: entry {next} of {end} is missing")
            })?;
            for entry in &entries {
                self.same(node, entry)?;
                next += 1;
            }
        }
        Ok(())
    }

    fn same(&mut self, node: u64, entry: &LogEntry) -> Check {
        let mut hash = Hash::default();
        hash.feed(format!("{:?}", entry.kind).as_bytes());
        hash.feed(&entry.payload);
        let known = *self.0.entry(entry.id).or_insert(hash);
        ensure(known == hash, NAME, || {
            format!("node {node}: entry {:?} has other bytes than on a replica before it", entry.id)
        })
    }
}

/// A start on a damaged log refuses because of the log, and says which file.
pub fn refused(node: u64, error: &str) -> Result<(), Broken> {
    let is_about_the_log = error.contains("log/") && error.contains(".wal");
    ensure(is_about_the_log, NAME, || {
        format!("node {node} has a damaged log, and refuses for another reason: {error}")
    })
}
