//! What each replica's log says right now, including what still waits for the disk, and the recent entries.
//!
//! A reader must see an entry as soon as it was appended, so this overlay, not the files, answers reads:
//!
//! ```text
//! purged < .... written, read from files .... < tail_first <= .... in memory .... <= last
//! ```
//! Everything not yet written is in the tail. The tail gives entries up, oldest first, once they are written and the node's
//! cache is over its limit.

use std::collections::{BTreeMap, VecDeque};

use crate::error::{Error, Result};
use crate::record::{EntryId, GroupKey, LogEntry, Record, VoteState};
use crate::wal::{GroupState, LogFiles, highest, next_last};

/// One replica's log as its owner sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupMemory {
    pub vote: Option<VoteState>,
    pub committed: Option<EntryId>,
    pub purged: Option<EntryId>,
    pub last: Option<EntryId>,
    tail_first: u64,
    tail: VecDeque<LogEntry>,
}

impl GroupMemory {
    pub(crate) fn recovered(state: &GroupState) -> Self {
        let (vote, committed, purged, last) = (state.vote, state.committed, state.purged, state.last);
        let tail_first = last.map_or(0, |id| id.index + 1);
        Self { vote, committed, purged, last, tail_first, tail: VecDeque::new() }
    }

    fn holds(&self, id: EntryId) -> bool {
        let at = id.index.checked_sub(self.tail_first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.tail.get(at)).is_some_and(|entry| entry.id == id)
    }

    /// First index that is only in memory, or after the last.
    pub(crate) fn tail_first(&self) -> u64 {
        self.tail_first
    }

    /// Entries of `start..end` that are in memory, stopping after `bytes_max` bytes but not before the first when `must` is set.
    pub(crate) fn tail_entries(
        &self,
        start: u64,
        end: u64,
        mut bytes_max: usize,
        must: bool,
    ) -> Vec<LogEntry> {
        let skip = start.saturating_sub(self.tail_first) as usize;
        let mut found: Vec<LogEntry> = Vec::new();
        for entry in self.tail.iter().skip(skip).take_while(|entry| entry.id.index < end) {
            let bytes = entry.payload.len();
            if bytes > bytes_max && !(must && found.is_empty()) {
                break;
            }
            bytes_max = bytes_max.saturating_sub(bytes);
            found.push(entry.clone());
        }
        found
    }
}

/// All replicas of a node.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub groups: BTreeMap<GroupKey, GroupMemory>,
    /// Entries in all tails, oldest first; some may be gone already.
    order: VecDeque<(GroupKey, EntryId)>,
    pub cache_bytes: usize,
    /// Entries in all tails.
    cached: usize,
}

/// Room for forgotten entries in `order` before it is swept.
const FORGOTTEN_MAX: usize = 4096;

/// What an entry in a tail is counted as: its payload and its place in the queues.
fn weight(entry: &LogEntry) -> usize {
    entry.payload.len() + 96
}

impl Memory {
    /// Checks that records continue a replica's log, so that a call is taken in whole or not at all.
    pub(crate) fn check(&self, key: GroupKey, records: &[Record]) -> Result<()> {
        let group = self.groups.get(&key).ok_or(Error::Removed(key))?;
        let (mut purged, mut last) = (group.purged, group.last);
        for record in records {
            last = next_last(key, purged, last, record)?;
            if let Record::Purge(id) = record {
                purged = highest(purged, Some(*id));
            }
        }
        Ok(())
    }

    /// Takes in one record of a live replica, before it is queued for the disk. Refuses what does not continue the log.
    pub(crate) fn apply(&mut self, key: GroupKey, record: &Record) -> Result<()> {
        let group = self.groups.get_mut(&key).ok_or(Error::Removed(key))?;
        let last = next_last(key, group.purged, group.last, record)?;
        let (before, tail_before) = (self.cache_bytes, group.tail.len());
        let mut freed = 0;
        match record {
            Record::Entry(entry) => {
                if group.tail.is_empty() {
                    group.tail_first = entry.id.index;
                }
                self.cache_bytes = before + weight(entry);
                self.order.push_back((key, entry.id));
                group.tail.push_back(entry.clone());
            }
            Record::Vote(vote) => group.vote = Some(*vote),
            Record::Committed(id) => group.committed = *id,
            Record::Truncate { .. } => {
                let next = last.map_or(0, |id| id.index + 1);
                while let Some(entry) = group.tail.pop_back_if(|entry| entry.id.index >= next) {
                    freed += weight(&entry);
                }
                group.tail_first = group.tail_first.min(next);
            }
            Record::Purge(id) => {
                group.purged = highest(group.purged, Some(*id));
                while let Some(entry) = group.tail.pop_front_if(|entry| entry.id.index <= id.index) {
                    freed += weight(&entry);
                }
                group.tail_first = group.tail_first.max(id.index + 1);
            }
            Record::Removed => {
                self.cache_bytes -= group.tail.iter().map(weight).sum::<usize>();
                self.cached -= tail_before;
                self.groups.remove(&key);
                return Ok(());
            }
            Record::Open { .. } | Record::Copy(_) => {}
        }
        group.last = last;
        self.cached = self.cached + group.tail.len() - tail_before;
        self.cache_bytes -= freed;
        Ok(())
    }

    /// Gives up all written entries, and the room of the queues they were in: nothing was written for a while, so nobody is
    /// about to read them.
    pub(crate) fn rest(&mut self, files: &LogFiles) {
        self.evict(files, 0);
        self.order.shrink_to_fit();
        self.groups.values_mut().for_each(|group| group.tail.shrink_to_fit());
    }

    /// Gives up the oldest written entries while the cache holds more than `bytes_max`.
    pub(crate) fn evict(&mut self, files: &LogFiles, bytes_max: usize) {
        if self.order.len() > 2 * self.cached + FORGOTTEN_MAX {
            let groups = &self.groups;
            self.order.retain(|(key, id)| groups.get(key).is_some_and(|group| group.holds(*id)));
        }
        if self.cache_bytes <= bytes_max {
            return;
        }
        files.with(|written| {
            while self.cache_bytes > bytes_max {
                let Some((key, id)) = self.order.front().copied() else { return };
                let group =
                    self.groups.get_mut(&key).filter(|group| group.tail.front().is_some_and(|e| e.id == id));
                if let Some(group) = group {
                    let at = written.groups.get(&key).and_then(|group| group.entries.get(&id.index));
                    if at.is_none_or(|at| at.id(id.index) != id) {
                        return; // not written yet: nothing behind it is either
                    }
                    if let Some(entry) = group.tail.pop_front() {
                        self.cache_bytes -= weight(&entry);
                        self.cached -= 1;
                        group.tail_first = id.index + 1;
                    }
                }
                self.order.pop_front();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use bytes::Bytes;
    use parking_lot::Mutex;
    use vecraft_types::{GroupId, ReplicaId};

    use super::*;
    use crate::record::EntryKind;
    use crate::wal::Written;

    #[test]
    fn purged_entries_do_not_pile_up_in_the_order_of_the_cache() {
        let files = LogFiles::new(Arc::new(Mutex::new(Written::default())));
        let mut memory = Memory::default();
        let (busy, idle) = ([1, 2].map(|n| GroupKey { group: GroupId(n), replica: ReplicaId(n) })).into();
        memory.groups.insert(busy, GroupMemory::default());
        memory.groups.insert(idle, GroupMemory::default());
        let entry = |index| {
            let id = EntryId { term: 1, leader: ReplicaId(1), index };
            Record::Entry(LogEntry { id, kind: EntryKind::Normal, payload: Bytes::from_static(b"x") })
        };
        memory.apply(idle, &entry(0)).unwrap();
        for index in 0..50_000 {
            memory.apply(busy, &entry(index)).unwrap();
            memory.apply(busy, &Record::Purge(EntryId { term: 1, leader: ReplicaId(1), index })).unwrap();
            memory.evict(&files, usize::MAX);
        }
        assert!(memory.order.len() <= 2 + FORGOTTEN_MAX + 1, "{}", memory.order.len());
        assert_eq!((memory.cached, memory.cache_bytes), (1, 97));
        assert_eq!(memory.groups[&idle].tail_entries(0, 9, 9, true).len(), 1);
    }
}
