//! The log itself: segments of checksummed batches, without a thread, a clock or a runtime.
//!
//! A segment begins with a header and an *opening batch* that repeats every live replica's vote, purge point, last entry and
//! committed entry. Both are synced, with the directory, before anything else is written there. So:
//! - an older segment may go as soon as no live entry lies in it: its votes and purges were repeated (I6);
//! - only the newest segment can have a torn tail; anything bad elsewhere is damage and refused.
//!
//! Segments go from the oldest end only, so that sequences stay without a gap and a missing file is noticed. The oldest one
//! with little left is copied forward when a new one begins, and small old ones at a start that finds many (I8). A purge that
//! leaves little of the oldest ones gives their space back at once (`tighten`): a node at rest keeps what it needs.
//!
//! Cost of a batch: one copy of the payloads, two passes of crc32, one write, one fdatasync.

#[cfg(test)]
mod crash_tests;
mod format;
#[cfg(test)]
mod full_disk_tests;
#[cfg(test)]
mod gather_tests;
mod read;
mod recover;
mod segments;
mod state;
#[cfg(test)]
mod tests;
mod tighten;
#[cfg(test)]
mod tighten_tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vecraft_storage::{Disk, failpoint};

pub use format::FORMAT_VERSION;
pub use read::LogFiles;
pub(crate) use read::ReadPlan;
pub use state::GroupState;
pub(crate) use state::{Written, highest, next_last};

use crate::error::{Error, Result};
use crate::options::LogOptions;
use crate::record::{EntryId, GroupKey, Record};
use format::{BATCH_HEAD_BYTES, BatchBuilder, SegmentId, batch_bytes};
use segments::Space;

/// The one writer of a node's log. See the [module](self).
#[derive(Debug)]
pub struct WriteAheadLog {
    disk: Arc<dyn Disk>,
    dir: String,
    options: LogOptions,
    written: Arc<Mutex<Written>>,
    active: SegmentId,
    /// Where the active segment's opening batch ends.
    opened_end: u64,
    /// Bytes reserved for the active segment.
    reserved: u64,
    /// Highest generation ever seen in the directory: never used again.
    generation: u64,
    sequence: u64,
    builder: BatchBuilder,
    poisoned: Option<String>,
    reserves: Vec<String>,
    syncs: u64,
    bytes_written: u64,
    /// True when the last batch is followed by a mark.
    marked: bool,
}

impl WriteAheadLog {
    /// Recovers the log in `dir` (created when missing) and begins a new segment.
    ///
    /// A torn tail is cut; damage anywhere else is [`vecraft_storage::Error::Corrupt`] with file and offset, and nothing on disk is
    /// changed. A newer format is [`vecraft_storage::Error::NewerVersion`].
    pub fn open(disk: Arc<dyn Disk>, dir: &str, options: LogOptions) -> Result<Self> {
        disk.create_dir_all(dir)?;
        let recovered = recover::recover(&disk, dir)?;
        let mut log = Self {
            disk,
            dir: dir.to_owned(),
            options,
            written: Arc::new(Mutex::new(recovered.written)),
            active: SegmentId { generation: 0, salt: 0 },
            opened_end: 0,
            reserved: 0,
            generation: recovered.generation,
            sequence: recovered.sequence,
            builder: BatchBuilder::default(),
            poisoned: None,
            reserves: Vec::new(),
            syncs: 0,
            bytes_written: 0,
            marked: true,
        };
        log.begin_segment(BATCH_HEAD_BYTES as u64, Space::Any)?;
        // Only now is a damaged opening told from one that was never synced, and may the segments it stands for go.
        log.mark()?;
        log.drop_dead_segments()?;
        if let Err(error) = log.gather() {
            if log.poisoned.is_some() {
                return Err(error);
            }
            tracing::error!(%error, "cannot gather small segments of the log; they stay");
        }
        log.fill_reserves();
        Ok(log)
    }

    /// The newest generation of a log in `dir`, without reading or changing anything; `None` when there is no log. Each
    /// opening begins a higher one, so a log whose newest is lower than one seen before is not the log that was left.
    ///
    /// # Errors
    /// Storage errors.
    pub fn newest_generation(disk: &dyn Disk, dir: &str) -> Result<Option<u64>> {
        if !disk.exists(dir)? {
            return Ok(None);
        }
        let files = disk.list(dir)?;
        Ok(files.iter().filter_map(|file| SegmentId::parse(&file.name)).map(|id| id.generation).max())
    }

    /// The generation of the segment being written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.active.generation
    }

    /// Reads what is written; shares the state with this writer.
    #[must_use]
    pub fn files(&self) -> LogFiles {
        LogFiles::new(Arc::clone(&self.written))
    }

    /// What is durable, per replica.
    #[must_use]
    pub fn groups(&self) -> BTreeMap<GroupKey, GroupState> {
        self.written.lock().groups.clone()
    }

    /// Writes one batch: all of it is durable when this returns `Ok`, in the given order.
    ///
    /// With no space left nothing happened and the *same* batch may be tried again. [`Error::Hole`] is a caller's bug and nothing was
    /// written. Any other failure closes the log for good (I7): a write or sync that failed is never retried.
    pub fn commit(&mut self, records: &[(GroupKey, Record)]) -> Result<()> {
        if let Some(reason) = &self.poisoned {
            return Err(Error::Poisoned { reason: reason.clone() });
        }
        self.check(records)?;
        let bytes = batch_bytes(records.iter().map(|(_, record)| record));
        let held = self.active_len();
        let fresh = held <= self.opened_end;
        if !fresh && held + bytes > self.options.segment_bytes {
            self.begin_segment(bytes, Space::Any)?;
            self.write_batch(records)?;
            if let Err(error) = self.copy_forward() {
                if self.poisoned.is_some() {
                    return Err(error);
                }
                // The batch is safe. What cannot be copied stays where it is and fails again when somebody reads it.
                tracing::error!(%error, "cannot copy the oldest segment forward");
            }
        } else if let Err(error) = self.write_batch(records) {
            if !error.is_no_space() || self.reserves.is_empty() {
                return Err(error);
            }
            // The disk is full: go on in a reserved file, so that votes and purges still get through (I7). A segment that was
            // just begun asked the disk already, and asking again each time would leave a file of nothing each time.
            self.begin_segment(bytes, if fresh { Space::Reserve } else { Space::Any })?;
            self.write_batch(records)?;
        }
        self.marked = false;
        if records.iter().any(|(_, record)| matches!(record, Record::Purge(_) | Record::Removed)) {
            self.drop_dead_segments()?;
            if let Err(error) = self.tighten() {
                if self.poisoned.is_some() {
                    return Err(error);
                }
                // The batch is safe, and the space comes back with a later purge or segment.
                tracing::error!(%error, "cannot give back space of the log");
            }
            self.fill_reserves();
        }
        Ok(())
    }

    /// Marks the last batch as synced, by an empty batch behind it: from then on its damage cannot pass for a torn tail (I6).
    pub fn mark(&mut self) -> Result<()> {
        if !self.marked {
            self.commit(&[])?;
            self.marked = true;
        }
        Ok(())
    }

    /// True when the last batch needs no mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// The failure that closed the log, if any.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// Syncs and bytes written since opening, and files still in reserve.
    pub(crate) fn counters(&self) -> (u64, u64, usize) {
        (self.syncs, self.bytes_written, self.reserves.len())
    }

    /// Every record must continue its replica's log: what recovery would refuse is not written in the first place.
    fn check(&self, records: &[(GroupKey, Record)]) -> Result<()> {
        let written = self.written.lock();
        let mut ends: BTreeMap<GroupKey, (Option<EntryId>, Option<EntryId>)> = BTreeMap::new();
        for (key, record) in records {
            let (purged, last) = ends.entry(*key).or_insert_with(|| {
                written.groups.get(key).map_or((None, None), |group| (group.purged, group.last))
            });
            *last = next_last(*key, *purged, *last, record)?;
            match record {
                Record::Purge(id) => *purged = highest(*purged, Some(*id)),
                Record::Removed => *purged = None,
                _ => {}
            }
        }
        Ok(())
    }

    fn active_len(&self) -> u64 {
        self.written.lock().segments.get(&self.active.generation).map_or(0, |segment| segment.len)
    }

    /// Writes and syncs one batch at the end of the active segment, then takes it into the state.
    fn write_batch(&mut self, records: &[(GroupKey, Record)]) -> Result<()> {
        let (file, offset) = {
            let written = self.written.lock();
            let Some(segment) = written.segments.get(&self.active.generation) else {
                return Err(Error::Poisoned { reason: "no active segment".to_owned() });
            };
            (Arc::clone(&segment.file), segment.len)
        };
        let (places, len) = self.encode(records);
        let end = offset + len;
        if end > self.reserved {
            let wanted = end.next_multiple_of(self.step_bytes(end));
            file.preallocate(wanted)?;
            self.reserved = wanted;
        }
        let result =
            failpoint::hit("log.before_write").and_then(|()| file.write_at(offset, self.builder.finish()));
        if let Err(error) = result {
            return Err(self.poison_unless_full(error));
        }
        self.sync(&*file)?;
        let mut written = self.written.lock();
        for ((key, record), (start, record_len)) in records.iter().zip(places) {
            let place = (self.active.generation, offset + start as u64, record_len);
            if let Err(error) = written.apply(*key, record, place) {
                // `check` lets nothing through that does not apply: a bug, and memory no longer matches the file.
                self.poisoned = Some(error.to_string());
                return Err(error);
            }
        }
        if let Some(segment) = written.segments.get_mut(&self.active.generation) {
            segment.len = end;
        }
        drop(written);
        self.sequence += 1;
        self.bytes_written += len;
        Ok(())
    }

    fn encode(&mut self, records: &[(GroupKey, Record)]) -> (Vec<(usize, u32)>, u64) {
        self.builder.start(self.active, self.sequence);
        let mut end = BATCH_HEAD_BYTES as u64;
        let places = records
            .iter()
            .map(|(key, record)| {
                let (start, len) = self.builder.push(*key, record);
                end = start as u64 + u64::from(len);
                (start, len)
            })
            .collect();
        (places, end)
    }

    fn sync(&mut self, file: &dyn vecraft_storage::DiskFile) -> Result<()> {
        self.syncs += 1;
        match failpoint::hit("log.before_sync").and_then(|()| file.sync_data()) {
            Ok(()) => Ok(()),
            // Even "no space" is final here: what the kernel dropped is unknown (I7).
            Err(error) => Err(self.poison(error)),
        }
    }

    fn poison_unless_full(&mut self, error: vecraft_storage::Error) -> Error {
        if error.is_no_space() { error.into() } else { self.poison(error) }
    }

    fn poison(&mut self, error: vecraft_storage::Error) -> Error {
        tracing::error!(%error, "the log is closed until restart (I7)");
        self.poisoned = Some(error.to_string());
        error.into()
    }
}
