//! What the files say, in memory: per replica its promises, per entry where it lies.
//!
//! One function, [`Written::apply`], serves recovery and every commit, so that both always mean the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecraft_storage::DiskFile;
use vecraft_types::ReplicaId;

use super::format::SegmentId;
use crate::error::{Error, Result};
use crate::record::{EntryId, GroupKey, Record, VoteState};

/// Where a written entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryAt {
    pub term: u64,
    pub leader: ReplicaId,
    pub generation: u64,
    pub offset: u64,
    /// Bytes with the frame.
    pub len: u32,
}

impl EntryAt {
    pub(crate) fn id(&self, index: u64) -> EntryId {
        EntryId { term: self.term, leader: self.leader, index }
    }
}

/// What is durable about one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The vote in force.
    pub vote: Option<VoteState>,
    /// The highest entry known to be committed.
    pub committed: Option<EntryId>,
    /// The purge point.
    pub purged: Option<EntryId>,
    /// The last entry, or the purge point when there is none behind it.
    pub last: Option<EntryId>,
    pub(crate) entries: BTreeMap<u64, EntryAt>,
}

impl GroupState {
    /// Index after the purge point.
    #[must_use]
    pub fn first_index(&self) -> u64 {
        self.purged.map_or(0, |id| id.index + 1)
    }

    /// Ids of the entries behind the purge point, in order.
    pub fn entry_ids(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.entries.iter().map(|(index, at)| at.id(*index))
    }

    /// The first index that should have an entry and has none.
    pub(super) fn hole(&self) -> Option<u64> {
        let last = self.last?.index;
        let first = match self.purged {
            Some(purged) => purged.index + 1,
            None => *self.entries.keys().next().unwrap_or(&0),
        };
        let mut expected = first;
        for index in self.entries.keys() {
            if *index != expected {
                return Some(expected);
            }
            expected += 1;
        }
        (expected <= last).then_some(expected)
    }
}

/// One segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub id: SegmentId,
    pub path: String,
    pub file: Arc<dyn DiskFile>,
    pub len: u64,
    pub live_entries: u64,
    pub live_bytes: u64,
}

/// Everything the files say.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub groups: BTreeMap<GroupKey, GroupState>,
    pub segments: BTreeMap<u64, Segment>,
}

/// The last entry a record leaves behind, or why it does not fit. Pure, so that a batch is checked before it is written.
pub(crate) fn next_last(
    key: GroupKey,
    purged: Option<EntryId>,
    last: Option<EntryId>,
    record: &Record,
) -> Result<Option<EntryId>> {
    let next = match record {
        Record::Entry(entry) => match last {
            Some(last) if entry.id.index != last.index + 1 => {
                return Err(Error::Hole { key, last: Some(last.index), found: entry.id.index });
            }
            _ => Some(entry.id),
        },
        Record::Truncate { after } => match (after, last) {
            (Some(after), Some(last)) if after.index >= last.index => Some(last),
            _ => highest(*after, purged),
        },
        Record::Purge(id) => highest(Some(*id), last),
        Record::Open { last } => *last,
        Record::Removed => None,
        Record::Vote(_) | Record::Committed(_) | Record::Copy(_) => last,
    };
    Ok(next)
}

/// The one with the higher index; the first when equal.
pub(crate) fn highest(a: Option<EntryId>, b: Option<EntryId>) -> Option<EntryId> {
    match (a, b) {
        (Some(a), Some(b)) if b.index > a.index => Some(b),
        (None, b) => b,
        (a, _) => a,
    }
}

impl Written {
    /// Takes in one record that lies at `place` (generation, offset, length with frame).
    pub(super) fn apply(&mut self, key: GroupKey, record: &Record, place: (u64, u64, u32)) -> Result<()> {
        let mut group = self.groups.remove(&key).unwrap_or_default();
        let outcome = self.apply_to(key, &mut group, record, place);
        if !matches!(record, Record::Removed) {
            self.groups.insert(key, group);
        }
        outcome
    }

    fn apply_to(
        &mut self,
        key: GroupKey,
        group: &mut GroupState,
        record: &Record,
        (generation, offset, len): (u64, u64, u32),
    ) -> Result<()> {
        let last = next_last(key, group.purged, group.last, record)?;
        match record {
            Record::Entry(entry) | Record::Copy(entry) => {
                let at = EntryAt { term: entry.id.term, leader: entry.id.leader, generation, offset, len };
                if let Some(old) = group.entries.insert(entry.id.index, at) {
                    self.release(&old);
                }
                if let Some(segment) = self.segments.get_mut(&generation) {
                    segment.live_entries += 1;
                    segment.live_bytes += u64::from(len);
                }
            }
            Record::Vote(vote) => group.vote = Some(*vote),
            Record::Committed(id) => group.committed = *id,
            Record::Truncate { .. } | Record::Open { .. } => {
                let kept = last.map_or(0, |id| id.index + 1);
                for at in group.entries.split_off(&kept).values() {
                    self.release(at);
                }
            }
            Record::Purge(id) => {
                if group.purged.is_none_or(|purged| purged.index < id.index) {
                    group.purged = Some(*id);
                }
                let kept = group.entries.split_off(&(id.index + 1));
                for at in std::mem::replace(&mut group.entries, kept).values() {
                    self.release(at);
                }
            }
            Record::Removed => {
                for at in std::mem::take(&mut group.entries).values() {
                    self.release(at);
                }
            }
        }
        group.last = last;
        Ok(())
    }

    fn release(&mut self, at: &EntryAt) {
        if let Some(segment) = self.segments.get_mut(&at.generation) {
            segment.live_entries -= 1;
            segment.live_bytes -= u64::from(at.len);
        }
    }

    /// The records that open a segment: every live replica's promises.
    pub(super) fn opening(&self) -> Vec<(GroupKey, Record)> {
        let mut records = Vec::new();
        for (key, group) in &self.groups {
            records.push((*key, Record::Open { last: group.last }));
            records.extend(group.purged.map(|id| (*key, Record::Purge(id))));
            records.extend(group.vote.map(|vote| (*key, Record::Vote(vote))));
            records.extend(group.committed.map(|id| (*key, Record::Committed(Some(id)))));
        }
        records
    }
}
