//! What a start finds: the files, read from the oldest to the newest, each batch checked (I6).
//!
//! ```text
//! batch checks                              take it in
//! bad, a later valid batch in the file      damage: refuse, name file and offset
//! bad, nothing valid behind, newest file    torn tail: never acknowledged, cut it
//! bad, nothing valid behind, older file     damage: refuse
//! newest file without any valid batch       a segment that never became active: remove it
//! ```
//! Nothing is changed before all files are understood.

use std::sync::Arc;

use bytes::Bytes;
use vecraft_storage::{Disk, OpenMode};

use super::format::{
    BATCH_HEAD_BYTES, FORMAT_VERSION, HEADER_BYTES, Header, SegmentId, find_batch, read_batch, read_header,
    read_record,
};
use super::state::{Segment, Written};
use crate::error::{Error, Result};

pub(super) struct Recovered {
    pub written: Written,
    /// Highest generation seen, junk included.
    pub generation: u64,
    /// Sequence of the next batch.
    pub sequence: u64,
}

struct Recovery<'a> {
    disk: &'a Arc<dyn Disk>,
    written: Written,
    /// Sequence of the next batch; `None` before the first segment.
    sequence: Option<u64>,
    /// Files that never became active, to remove.
    junk: Vec<String>,
    /// The torn file and where to cut it.
    torn: Option<(String, u64)>,
    /// Where the newest segment's last batch begins (with the header when it is the only one), and its bytes.
    last_batch: Option<(u64, Bytes)>,
}

pub(super) fn recover(disk: &Arc<dyn Disk>, dir: &str) -> Result<Recovered> {
    let mut recovery = Recovery {
        disk,
        written: Written::default(),
        sequence: None,
        junk: Vec::new(),
        torn: None,
        last_batch: None,
    };
    let mut generation = 0;
    let mut reserves = Vec::new();
    for file in disk.list(dir)? {
        let path = format!("{dir}/{}", file.name);
        if let Some(id) = SegmentId::parse(&file.name) {
            generation = generation.max(id.generation);
            recovery.segment(id, &path)?;
        } else if file.name.starts_with("reserve-") {
            reserves.push(path);
        }
    }
    if let Some((key, index)) =
        recovery.written.groups.iter().find_map(|(key, group)| group.hole().map(|index| (*key, index)))
    {
        return Err(Error::Missing { key, index });
    }
    // A commit is recorded lazily and may have got ahead of entries that were lost with the tail. What is left was in order
    // before it, so the last entry is committed too.
    for group in recovery.written.groups.values_mut() {
        if let (Some(committed), Some(last)) = (group.committed, group.last) {
            group.committed = Some(if committed.index > last.index { last } else { committed });
        } else if group.last.is_none() {
            group.committed = None;
        }
    }
    recovery.tidy(dir, reserves)?;
    Ok(Recovered { written: recovery.written, generation, sequence: recovery.sequence.unwrap_or(1) })
}

impl Recovery<'_> {
    fn segment(&mut self, id: SegmentId, path: &str) -> Result<()> {
        let bytes = Bytes::from(self.disk.read_all(path)?);
        let corrupt =
            |offset: usize, what: String| vecraft_storage::Error::corrupt(path, offset as u64, what);
        let first_sequence = match read_header(&bytes, id) {
            Header::Ours { first_sequence } => Some(first_sequence),
            Header::Newer { version } => {
                let (found, supported) = (version, FORMAT_VERSION);
                return Err(
                    vecraft_storage::Error::NewerVersion { path: path.to_owned(), found, supported }.into()
                );
            }
            Header::Bad => None,
        };
        let opened = first_sequence.filter(|first| {
            read_batch(&bytes, HEADER_BYTES, id).is_some_and(|batch| batch.sequence == *first)
        });
        let Some(first) = opened else {
            // Its opening was never synced, so nothing was acknowledged in it - unless something valid is there.
            return match find_batch(&bytes, 0, id, 0) {
                Some(at) => {
                    Err(corrupt(0, format!("no valid header or opening, but a valid batch at {at}")).into())
                }
                None => {
                    self.junk.push(path.to_owned());
                    Ok(())
                }
            };
        };
        if let Some(junk) = self.junk.first() {
            return Err(vecraft_storage::Error::corrupt(
                junk,
                0,
                "no valid batch, yet a newer segment follows",
            )
            .into());
        }
        if let Some((torn, at)) = &self.torn {
            return Err(
                vecraft_storage::Error::corrupt(torn, *at, "bad batch, yet a newer segment follows").into()
            );
        }
        if let Some(expected) = self.sequence.filter(|expected| *expected != first) {
            return Err(corrupt(16, format!("begins with batch {first}, expected {expected}")).into());
        }
        self.batches(id, path, bytes, first)
    }

    fn batches(&mut self, id: SegmentId, path: &str, bytes: Bytes, first: u64) -> Result<()> {
        let corrupt =
            |offset: usize, what: String| vecraft_storage::Error::corrupt(path, offset as u64, what);
        let file = self.disk.open(path, OpenMode::Write)?;
        let segment = Segment { id, path: path.to_owned(), file, len: 0, live_entries: 0, live_bytes: 0 };
        self.written.segments.insert(id.generation, segment);
        let mut at = HEADER_BYTES;
        let mut sequence = first;
        while at < bytes.len() {
            let Some(batch) = read_batch(&bytes, at, id) else {
                if let Some(later) = find_batch(&bytes, at + 1, id, sequence + 1) {
                    return Err(
                        corrupt(at, format!("bad batch, yet a valid later one at {later} (I6)")).into()
                    );
                }
                self.torn = Some((path.to_owned(), at as u64));
                break;
            };
            if batch.sequence != sequence {
                return Err(corrupt(at, format!("batch {}, expected {sequence}", batch.sequence)).into());
            }
            let (mut record_at, end) = batch.records;
            for _ in 0..batch.count {
                let record =
                    read_record(&bytes, record_at, id.salt).filter(|(_, _, record_end)| *record_end <= end);
                let Some((key, record, record_end)) = record else {
                    return Err(
                        corrupt(record_at, "record does not check inside a valid batch".to_owned()).into()
                    );
                };
                let place = (id.generation, record_at as u64, (record_end - record_at) as u32);
                self.written
                    .apply(key, &record, place)
                    .map_err(|error| corrupt(record_at, error.to_string()))?;
                record_at = record_end;
            }
            if record_at != end {
                return Err(corrupt(record_at, "bytes left over inside a batch".to_owned()).into());
            }
            let start = if sequence == first { 0 } else { at };
            self.last_batch = Some((start as u64, bytes.slice(start..end)));
            at = end;
            sequence += 1;
        }
        debug_assert!(at >= HEADER_BYTES + BATCH_HEAD_BYTES, "the opening was checked above");
        self.sequence = Some(sequence);
        if let Some(segment) = self.written.segments.get_mut(&id.generation) {
            segment.len = at as u64;
        }
        Ok(())
    }

    /// Cuts the torn tail and removes what never was part of the log, durably, before a new segment follows.
    fn tidy(&self, dir: &str, reserves: Vec<String>) -> Result<()> {
        // Also where nothing is torn: cutting at the end gives back the space reserved behind it.
        if let Some(newest) = self.written.segments.values().next_back() {
            if let Some((path, at)) = &self.torn {
                let cut = newest.file.len()?.saturating_sub(*at);
                tracing::warn!(%path, at, cut, "cut the log's torn tail; nothing in it was acknowledged (I6)");
            }
            newest.file.truncate(newest.len)?;
            // After a failed sync the page cache still shows a batch that the disk never got, and holds it for clean: only
            // written again does it reach the disk with the next sync (I7). One batch is unsynced at most (I6).
            if let Some((start, bytes)) = &self.last_batch {
                newest.file.write_at(*start, bytes)?;
            }
            newest.file.sync_data()?;
        }
        for path in self.junk.iter().chain(&reserves) {
            self.disk.remove_file(path)?;
        }
        self.disk.sync_dir(dir)?;
        Ok(())
    }
}
