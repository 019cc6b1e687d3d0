//! openraft's log storage for one replica, over the node's log.

use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::oneshot;

use crate::convert;
use crate::error::{Error, Result};
use crate::node_log::RecoveredGroup;
use crate::options::WriterMode;
use crate::queue::{Done, Item};
use crate::raft_types::{Entry, LogId, TypeConfig, Vote};
use crate::record::{GroupKey, LogEntry, Record};
use crate::wal::ReadPlan;
use crate::writer::Shared;

/// The log of one replica: writer for openraft's core, reader for everybody else. Clones are the same log.
#[derive(Clone)]
pub struct GroupLog {
    key: GroupKey,
    shared: Arc<Shared>,
}

impl fmt::Debug for GroupLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupLog({})", self.key)
    }
}

impl GroupLog {
    pub(crate) fn new(key: GroupKey, shared: Arc<Shared>) -> Self {
        Self { key, shared }
    }

    /// Whose log.
    #[must_use]
    pub fn key(&self) -> GroupKey {
        self.key
    }

    /// What the log says of this replica, as it stands.
    ///
    /// # Errors
    /// [`Error::Removed`].
    pub fn recovered(&self) -> Result<RecoveredGroup> {
        let queue = self.shared.queue.lock();
        let group = queue.memory.groups.get(&self.key).ok_or(Error::Removed(self.key))?;
        let (vote, committed, purged, last) = (group.vote, group.committed, group.purged, group.last);
        Ok(RecoveredGroup { key: self.key, vote, committed, purged, last })
    }

    /// Entries `start..end` as they stand, stopping after `bytes_max` payload bytes but never before the first. Blocks when they
    /// are no longer in memory. A purged beginning and an end that is not there yet are left out.
    pub fn read(&self, start: u64, end: u64, bytes_max: usize) -> Result<Vec<LogEntry>> {
        let (plan, tail) = {
            let queue = self.shared.queue.lock();
            let Some(group) = queue.memory.groups.get(&self.key) else {
                return Err(Error::Removed(self.key));
            };
            let start = start.max(group.purged.map_or(0, |id| id.index + 1));
            let end = end.min(group.last.map_or(0, |id| id.index + 1));
            let written_end = end.min(group.tail_first());
            let plan = self
                .shared
                .files
                .with(|written| ReadPlan::new(written, self.key, start, written_end, bytes_max));
            let stopped_early = plan.end < written_end && plan.bytes > 0;
            let tail = if stopped_early {
                Vec::new()
            } else {
                group.tail_entries(start, end, bytes_max.saturating_sub(plan.bytes), plan.bytes == 0)
            };
            (plan, tail)
        };
        let mut entries = plan.run()?;
        entries.extend(tail);
        // A beginning or an end may be missing, a hole never passes.
        if let Some(pair) = entries.windows(2).find(|pair| pair[1].id.index != pair[0].id.index + 1) {
            return Err(Error::Missing { key: self.key, index: pair[0].id.index + 1 });
        }
        Ok(entries)
    }

    /// Where the newest `bytes` of this replica's written log at or below index `upto` begin; its first index when there is
    /// less. For a caller that keeps a reserve when it purges.
    #[must_use]
    pub fn newest_from(&self, bytes: u64, upto: u64) -> u64 {
        self.shared.files.with(|written| {
            let Some(group) = written.groups.get(&self.key) else { return 0 };
            let mut left = bytes;
            for (index, at) in group.entries.range(..=upto).rev() {
                match left.checked_sub(u64::from(at.len)) {
                    Some(less) => left = less,
                    None => return index + 1,
                }
            }
            group.first_index()
        })
    }

    async fn read_entries(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let entries = if self.is_in_memory(start, end) || self.shared.options.writer != WriterMode::Thread {
            self.read(start, end, bytes_max)?
        } else {
            let log = self.clone();
            tokio::task::spawn_blocking(move || log.read(start, end, bytes_max))
                .await
                .map_err(io::Error::other)??
        };
        Ok(entries.into_iter().map(|entry| convert::from_log(self.key, entry)).collect::<Result<_>>()?)
    }

    fn is_in_memory(&self, start: u64, end: u64) -> bool {
        let queue = self.shared.queue.lock();
        queue.memory.groups.get(&self.key).is_none_or(|group| start >= group.tail_first() || end <= start)
    }

    fn with_group<T>(&self, read: impl FnOnce(&crate::memory::GroupMemory) -> T) -> io::Result<T> {
        let queue = self.shared.queue.lock();
        Ok(queue.memory.groups.get(&self.key).map(read).ok_or(Error::Removed(self.key))?)
    }

    fn submit(&self, records: Vec<Record>, done: Option<Done>, permits: u32) -> Result<()> {
        self.shared.submit(Item { key: self.key, records, done, permits })
    }

    /// Waits until the queue has room for `bytes`; returns what to give back.
    async fn room(&self, bytes: usize) -> Result<u32> {
        if self.shared.options.writer == WriterMode::Inline {
            return Ok(0);
        }
        // A request larger than the queue passes alone.
        let permits = bytes.min(self.shared.options.queue_bytes).try_into().unwrap_or(u32::MAX);
        match self.shared.room.acquire_many(permits).await {
            Ok(permit) => permit.forget(),
            Err(_) => {
                self.shared.queue.lock().refuse()?;
                return Err(Error::Closed);
            }
        }
        Ok(permits)
    }
}

impl RaftLogReader<TypeConfig> for GroupLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read_entries(start, end, usize::MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.with_group(|group| group.vote.map(convert::vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read_entries(start, end, self.shared.options.read_bytes).await
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        self.with_group(|group| LogState {
            last_purged_log_id: group.purged.map(convert::log_id),
            last_log_id: group.last.map(convert::log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        let done: Done = Box::new(move |outcome| drop(done.send(outcome)));
        self.submit(vec![Record::Vote(convert::vote_state(vote))], Some(done), 0)?;
        Ok(finished.await.unwrap_or(Err(Error::Closed))?)
    }

    /// Written with the next batch: it needs no sync of its own, since recovery never trusts it above the last entry.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        Ok(self.shared.note_committed(self.key, committed.as_ref().map(convert::entry_id))?)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        self.with_group(|group| group.committed.map(convert::log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let entry = convert::to_log(self.key, entry)?;
            bytes += entry.payload.len() + 64;
            records.push(Record::Entry(entry));
        }
        let permits = self.room(bytes).await?;
        let done: Done = Box::new(move |outcome| callback.io_completed(outcome.map_err(io::Error::from)));
        Ok(self.submit(records, Some(done), permits)?)
    }

    /// Needs no sync of its own: whatever is appended next follows it in the same file.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let after = last_log_id.as_ref().map(convert::entry_id);
        Ok(self.submit(vec![Record::Truncate { after }], None, 0)?)
    }

    /// Written lazily: until then a restart finds more entries than needed, which harms nobody.
    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        Ok(self.submit(vec![Record::Purge(convert::entry_id(&log_id))], None, 0)?)
    }
}
