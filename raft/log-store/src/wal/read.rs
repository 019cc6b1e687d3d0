//! Reading written entries back, each checked against its own checksum and against what was asked.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vecraft_storage::DiskFile;

use super::format::{FRAME_BYTES, read_record};
use super::state::Written;
use crate::error::Result;
use crate::record::{EntryId, GroupKey, LogEntry, Record};

/// Two entries closer than this in a file are fetched by one read.
const GAP_BYTES: u64 = 16 << 10;
/// Bytes of one read, unless a single entry is larger.
const READ_BYTES: u64 = 1 << 20;

/// A reader of the files; clones share the writer's state. Segments removed meanwhile stay readable for a read that began.
#[derive(Debug, Clone)]
pub struct LogFiles {
    written: Arc<Mutex<Written>>,
}

/// One planned read: a stretch of a file with some entries in it.
struct Stretch {
    file: Arc<dyn DiskFile>,
    salt: u32,
    offset: u64,
    end: u64,
    /// Per entry: its id and where its frame starts in the file.
    entries: Vec<(EntryId, u64)>,
}

/// Entries to fetch; made under locks, run without them.
pub(crate) struct ReadPlan {
    key: GroupKey,
    stretches: Vec<Stretch>,
    /// Index after the last planned entry.
    pub end: u64,
    /// Bytes of the planned entries, with frames.
    pub bytes: usize,
}

impl LogFiles {
    pub(crate) fn new(written: Arc<Mutex<Written>>) -> Self {
        Self { written }
    }

    /// Runs with the state locked. Do no I/O inside.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&Written) -> T) -> T {
        run(&self.written.lock())
    }

    /// Entries `start..end` as far as written, stopping after `bytes_max` bytes but never before the first.
    pub fn read(&self, key: GroupKey, start: u64, end: u64, bytes_max: usize) -> Result<Vec<LogEntry>> {
        self.with(|written| ReadPlan::new(written, key, start, end, bytes_max)).run()
    }
}

impl ReadPlan {
    pub(crate) fn new(written: &Written, key: GroupKey, start: u64, end: u64, bytes_max: usize) -> Self {
        let mut plan = Self { key, stretches: Vec::new(), end: start, bytes: 0 };
        let Some(group) = written.groups.get(&key) else { return plan };
        if start >= end {
            return plan;
        }
        let mut last_generation = None;
        for (index, at) in group.entries.range(start..end) {
            if plan.bytes > 0 && plan.bytes + at.len as usize > bytes_max {
                break;
            }
            let Some(segment) = written.segments.get(&at.generation) else { break };
            let (from, to) = (at.offset, at.offset + u64::from(at.len));
            match plan.stretches.last_mut() {
                Some(open)
                    if last_generation == Some(at.generation)
                        && from >= open.end
                        && from - open.end <= GAP_BYTES
                        && to - open.offset <= READ_BYTES =>
                {
                    open.end = to;
                }
                _ => {
                    let (file, salt) = (Arc::clone(&segment.file), segment.id.salt);
                    plan.stretches.push(Stretch { file, salt, offset: from, end: to, entries: Vec::new() });
                }
            }
            if let Some(stretch) = plan.stretches.last_mut() {
                stretch.entries.push((at.id(*index), from));
            }
            last_generation = Some(at.generation);
            plan.bytes += at.len as usize;
            plan.end = index + 1;
        }
        plan
    }

    pub(crate) fn run(self) -> Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        for stretch in self.stretches {
            let mut bytes = vec![0; (stretch.end - stretch.offset) as usize];
            stretch.file.read_at(stretch.offset, &mut bytes)?;
            let bytes = Bytes::from(bytes);
            for (id, at) in stretch.entries {
                let frame = (at - stretch.offset) as usize;
                match read_record(&bytes, frame, stretch.salt) {
                    Some((key, Record::Entry(entry) | Record::Copy(entry), _))
                        if key == self.key && entry.id == id =>
                    {
                        entries.push(entry);
                    }
                    _ => {
                        let what = format!("entry {} of replica {} does not check", id.index, self.key);
                        let offset = at + FRAME_BYTES as u64;
                        return Err(vecraft_storage::Error::corrupt(stretch.file.path(), offset, what).into());
                    }
                }
            }
        }
        Ok(entries)
    }
}
