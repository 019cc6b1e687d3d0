//! What waits for the disk, in the order of the calls.

use std::collections::{BTreeMap, VecDeque};

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::record::{EntryId, GroupKey, Record};

/// Called once a record's batch is durable, or will never be.
pub(crate) type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// Records of one call.
pub(crate) struct Item {
    pub key: GroupKey,
    pub records: Vec<Record>,
    pub done: Option<Done>,
    /// Bytes to give back to the queue's bound.
    pub permits: u32,
}

/// A batch on its way to the disk.
pub(crate) struct Batch {
    pub records: Vec<(GroupKey, Record)>,
    pub done: Vec<Done>,
    pub permits: usize,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub memory: Memory,
    pub items: VecDeque<Item>,
    /// Commit points to write with the next batch: they need no sync of their own.
    pub committed: BTreeMap<GroupKey, EntryId>,
    /// True when somebody waits for what is queued.
    pub urgent: bool,
    pub closing: bool,
    pub failed: Option<String>,
}

impl Queue {
    /// Why nothing is accepted any more, if so.
    pub(crate) fn refuse(&self) -> Result<()> {
        match &self.failed {
            Some(reason) => Err(Error::Poisoned { reason: reason.clone() }),
            None if self.closing => Err(Error::Closed),
            None => Ok(()),
        }
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.items.iter().map(|item| item.permits as usize).sum()
    }

    /// Everything queued as one batch, if somebody waits for it or the log is closing.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if !self.urgent && !self.closing {
            return None;
        }
        self.urgent = false;
        let mut batch = Batch { records: Vec::new(), done: Vec::new(), permits: 0 };
        for item in self.items.drain(..) {
            batch.records.extend(item.records.into_iter().map(|record| (item.key, record)));
            batch.done.extend(item.done);
            batch.permits += item.permits as usize;
        }
        // After the entries, so that a commit point never lies above the last entry in the same file.
        for (key, id) in std::mem::take(&mut self.committed) {
            if self.memory.groups.contains_key(&key) {
                batch.records.push((key, Record::Committed(Some(id))));
            }
        }
        (!batch.records.is_empty() || !batch.done.is_empty()).then_some(batch)
    }
}
