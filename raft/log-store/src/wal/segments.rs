//! Segments come and go: begin one, drop dead ones, copy the rest of an old one forward, keep a reserve.

use std::sync::Arc;

use vecraft_storage::{Disk, DiskFile, OpenMode, failpoint};

use super::WriteAheadLog;
use super::format::{self, HEADER_BYTES, SegmentId};
use super::state::{GroupState, Segment};
use crate::error::{Error, Result};
use crate::record::{GroupKey, Record};

/// Bytes copied forward per batch.
pub(super) const COPY_BATCH_BYTES: usize = 1 << 20;
/// A start that finds more segments than this gathers the oldest ones.
const GATHER_FROM: usize = 8;
/// Bytes that it copies at most, so that it stays a matter of milliseconds.
const GATHER_BYTES: u64 = 1 << 20;
/// Less than this reserved behind a segment that is over is not worth a call.
const GIVE_BACK_FROM: u64 = 256 << 10;

/// Where a segment gets its space from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// The disk, or the reserve when the disk is full.
    Any,
    /// The reserve: what the disk had was not enough.
    Reserve,
}

impl WriteAheadLog {
    /// Begins a segment: header and opening batch, synced with the directory, before it becomes the active one. Space is
    /// reserved for `follows` bytes behind them, so that what it is begun for fits.
    ///
    /// With no space nothing happened, the reserve included. Any other failure closes the log: what is left of the file would
    /// be taken for damage once a newer segment followed.
    pub(super) fn begin_segment(&mut self, follows: u64, space: Space) -> Result<()> {
        self.generation += 1;
        let id = SegmentId { generation: self.generation, salt: salt(self.options.salt, self.generation) };
        let path = format!("{}/{}", self.dir, id.file_name());
        let before = self.reserved;
        let previous = std::mem::replace(&mut self.active, id);
        let opening = self.written.lock().opening();
        let (places, len) = self.encode(&opening);
        let end = HEADER_BYTES as u64 + len;
        let mut first = format::header(id, self.sequence).to_vec();
        first.extend_from_slice(self.builder.finish());
        let made = self.segment_file(&path, end + follows, space).and_then(|(file, reserved)| {
            file.write_at(0, &first)?;
            Ok((file, reserved))
        });
        let (file, reserved) = match made {
            Ok(made) => made,
            Err(error) => {
                self.active = previous;
                return Err(self.not_begun(&path, error));
            }
        };
        self.sync(&*file)?;
        if let Err(error) = self.disk.sync_dir(&self.dir) {
            return Err(self.poison(error));
        }
        self.reserved = reserved;
        self.opened_end = end;
        self.marked = false;
        self.sequence += 1;
        self.bytes_written += end;
        let mut written = self.written.lock();
        let segment = Segment { id, path, file, len: end, live_entries: 0, live_bytes: 0 };
        written.segments.insert(id.generation, segment);
        for ((key, record), (start, record_len)) in opening.iter().zip(places) {
            let place = (id.generation, (HEADER_BYTES + start) as u64, record_len);
            if let Err(error) = written.apply(*key, record, place) {
                self.poisoned = Some(error.to_string()); // as in `write_batch`
                return Err(error);
            }
        }
        drop(written);
        self.give_back(previous, before);
        Ok(())
    }

    /// Gives back what was reserved behind a segment that is over. Nothing hangs on it: a start does the same.
    fn give_back(&self, over: SegmentId, reserved: u64) {
        let found = {
            let written = self.written.lock();
            written.segments.get(&over.generation).map(|segment| (Arc::clone(&segment.file), segment.len))
        };
        let Some((file, len)) = found else { return };
        if reserved.saturating_sub(len) >= GIVE_BACK_FROM
            && let Err(error) = file.truncate(len)
        {
            tracing::warn!(%error, "cannot give back what was reserved behind a segment of the log");
        }
    }

    /// The step in which space is reserved for a segment of so many bytes.
    pub(super) fn step_bytes(&self, len: u64) -> u64 {
        let step = len.next_power_of_two() / 4;
        step.min(self.options.preallocate_bytes).max(self.options.first_step_bytes())
    }

    /// A file with at least `needed` bytes reserved, and how many.
    fn segment_file(
        &mut self,
        path: &str,
        needed: u64,
        space: Space,
    ) -> vecraft_storage::Result<(Arc<dyn DiskFile>, u64)> {
        if space == Space::Reserve {
            return self.reserve_file(path, needed);
        }
        let wanted = self.step_bytes(0).max(needed);
        let created = self.disk.open(path, OpenMode::Create).and_then(|file| {
            failpoint::hit("log.before_preallocate")?;
            file.preallocate(wanted)?;
            Ok(file)
        });
        match created {
            Err(error) if error.is_no_space() && !self.reserves.is_empty() => {
                remove_if_there(&*self.disk, path)?;
                self.reserve_file(path, needed)
            }
            created => Ok((created?, wanted)),
        }
    }

    /// A file of the reserve, which stays one when `needed` bytes do not fit into it and the disk has no more.
    fn reserve_file(&mut self, path: &str, needed: u64) -> vecraft_storage::Result<(Arc<dyn DiskFile>, u64)> {
        let Some(reserve) = self.reserves.last() else {
            return Err(vecraft_storage::Error::NoSpace { path: path.to_owned() });
        };
        let reserved = self.options.reserve_bytes.max(needed);
        if reserved > self.options.reserve_bytes {
            self.disk.open(reserve, OpenMode::Write)?.preallocate(reserved)?;
        }
        tracing::warn!(path, "disk full: the log goes on in a reserved file");
        self.disk.rename(reserve, path)?;
        self.reserves.pop();
        Ok((self.disk.open(path, OpenMode::Write)?, reserved))
    }

    /// Takes a segment back that could not begin.
    fn not_begun(&mut self, path: &str, error: vecraft_storage::Error) -> Error {
        match remove_if_there(&*self.disk, path) {
            Err(left) if error.is_no_space() => self.poison(left),
            _ => self.poison_unless_full(error),
        }
    }

    /// Makes reserve files, as far as the disk allows: lacking them is a warning, not a failure.
    pub(super) fn fill_reserves(&mut self) {
        while self.reserves.len() < self.options.reserve_segments {
            let path = format!("{}/reserve-{}", self.dir, self.reserves.len());
            let made = self.disk.open(&path, OpenMode::OpenOrCreate).and_then(|file| {
                file.truncate(0)?;
                file.preallocate(self.options.reserve_bytes)
            });
            if let Err(error) = made {
                tracing::warn!(%error, "no space for the log's reserve");
                let _ = self.disk.remove_file(&path);
                return;
            }
            self.reserves.push(path);
        }
    }

    /// Removes segments from the oldest end while no live entry lies in them.
    pub(super) fn drop_dead_segments(&mut self) -> Result<()> {
        loop {
            let path = {
                let mut written = self.written.lock();
                let Some(oldest) = written.segments.first_entry() else { return Ok(()) };
                if *oldest.key() == self.active.generation || oldest.get().live_entries > 0 {
                    return Ok(());
                }
                oldest.remove().path
            };
            // One at a time and in order, so that a power cut cannot leave a gap.
            let removed = self.disk.remove_file(&path).and_then(|()| self.disk.sync_dir(&self.dir));
            if let Err(error) = removed {
                return Err(self.poison(error));
            }
        }
    }

    /// Writes the live entries of the oldest segment again when few are left, so that it can go (I8).
    pub(super) fn copy_forward(&mut self) -> Result<()> {
        self.drop_dead_segments()?;
        match self.oldest() {
            Some((live, len)) if live * 100 < len * self.options.copy_forward_percent => self.copy_oldest(),
            _ => Ok(()),
        }
    }

    /// Copies the oldest segments forward when there are many, however live they are. Each start begins a segment and
    /// none may go before the ones below it, so without this every short life leaves a file for ever: an idle group
    /// writes one entry a start, and nothing purges it.
    pub(super) fn gather(&mut self) -> Result<()> {
        let mut left = GATHER_BYTES.min(self.options.segment_bytes / 8);
        while self.segment_count() > GATHER_FROM {
            let Some((live, _)) = self.oldest().filter(|(live, _)| *live <= left) else { return Ok(()) };
            left -= live;
            let before = self.segment_count();
            self.copy_oldest()?;
            self.marked = false;
            if self.segment_count() == before {
                return Ok(()); // no space for it: the next start tries again
            }
        }
        Ok(())
    }

    pub(super) fn segment_count(&self) -> usize {
        self.written.lock().segments.len()
    }

    /// Live bytes and length of the oldest segment, unless it is the active one.
    fn oldest(&self) -> Option<(u64, u64)> {
        let written = self.written.lock();
        let (generation, oldest) = written.segments.first_key_value()?;
        (*generation != self.active.generation).then_some((oldest.live_bytes, oldest.len))
    }

    /// Writes the live entries of the oldest segment again and drops it. It must not be the active one.
    pub(super) fn copy_oldest(&mut self) -> Result<()> {
        let entries: Vec<(GroupKey, u64)> = {
            let written = self.written.lock();
            let Some((generation, _)) = written.segments.first_key_value() else { return Ok(()) };
            let of = |key: &GroupKey, group: &GroupState| {
                let here = group.entries.iter().filter(|(_, at)| at.generation == *generation);
                here.map(|(index, _)| (*key, *index)).collect::<Vec<_>>()
            };
            written.groups.iter().flat_map(|(key, group)| of(key, group)).collect()
        };
        let files = self.files();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (at, (key, index)) in entries.iter().enumerate() {
            for entry in files.read(*key, *index, index + 1, usize::MAX)? {
                bytes += entry.payload.len();
                batch.push((*key, Record::Copy(entry)));
            }
            if bytes >= COPY_BATCH_BYTES || at + 1 == entries.len() {
                match self.write_batch(&std::mem::take(&mut batch)) {
                    // Only an optimisation: with a full disk it waits for the next segment.
                    Err(error) if error.is_no_space() => return Ok(()),
                    other => other?,
                }
                bytes = 0;
            }
        }
        self.drop_dead_segments()
    }
}

fn remove_if_there(disk: &dyn Disk, path: &str) -> vecraft_storage::Result<()> {
    match disk.remove_file(path) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Spreads the caller's random bits over generations.
fn salt(seed: u64, generation: u64) -> u32 {
    let mixed = (seed ^ generation.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed >> 32) as u32
}
