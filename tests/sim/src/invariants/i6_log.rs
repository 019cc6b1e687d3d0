//! I6, the log: every promised entry is there with its own bytes, without a hole; a batch that was in flight is there
//! as a whole or not at all; nothing else is there.

use super::{Broken, Check, broken, ensure};
use crate::history::{History, Known};
use vecraft_log_store::{GroupKey, LogEntry, WriteAheadLog};

const NAME: &str = "I6";

/// Compares what a start recovered with what was promised. Returns the entries of a batch in flight that survived.
pub fn recovered(
    log: &WriteAheadLog,
    key: GroupKey,
    history: &History,
    read_bytes: usize,
) -> Check<Vec<LogEntry>> {
    let state = log.groups().remove(&key).unwrap_or_default();
    let purged = state.purged.map(|id| id.index);
    let may_be = [history.purged, history.purge_in_flight.max(history.purged)];
    ensure(may_be.contains(&purged), NAME, || {
        format!("{key}: purged up to {purged:?}, expected one of {may_be:?}")
    })?;

    let end = state.last.map_or(0, |id| id.index + 1);
    ensure(end >= history.next_index(), NAME, || {
        format!("{key}: the log ends before {end}, entries before {} were acknowledged", history.next_index())
    })?;
    ensure(state.committed <= state.last, NAME, || {
        format!("{key}: committed {:?} is behind the last entry {:?}", state.committed, state.last)
    })?;

    let start = purged.map_or(0, |index| index + 1);
    let found = read_all(log, key, start, end, read_bytes)?;
    let all: Vec<&Known> = history.entries.iter().chain(&history.in_flight).collect();
    for (index, entry) in (start..).zip(&found) {
        let known = all
            .get(index as usize)
            .ok_or_else(|| broken(NAME, format!("{key}: nobody wrote {:?}", entry.id)))?;
        ensure(known.is(entry), NAME, || {
            format!("{key}: entry {:?} is not what was written as {:?}", entry.id, known.id)
        })?;
    }
    let survived = end - history.next_index();
    ensure([0, history.in_flight.len() as u64].contains(&survived), NAME, || {
        format!("{key}: {survived} entries of a batch of {} survived", history.in_flight.len())
    })?;
    let skip = found.len() - (survived as usize).min(found.len());
    Ok(found.into_iter().skip(skip).collect())
}

/// Reads in pieces, as a replay does.
pub fn read_all(
    log: &WriteAheadLog,
    key: GroupKey,
    start: u64,
    end: u64,
    read_bytes: usize,
) -> Check<Vec<LogEntry>> {
    let mut found = Vec::new();
    let mut next = start;
    while next < end {
        let piece = log.files().read(key, next, end, read_bytes).map_err(refused)?;
        ensure(!piece.is_empty(), NAME, || format!("{key}: entry {next} of {end} is missing"))?;
        for entry in &piece {
            ensure(entry.id.index == next, NAME, || {
                format!("{key}: entry {} where {next} belongs", entry.id.index)
            })?;
            next += 1;
        }
        found.extend(piece);
    }
    Ok(found)
}

/// A log that refuses although nothing is wrong with the disk.
pub fn refused(error: impl std::fmt::Display) -> Broken {
    broken(NAME, format!("the log refuses: {error}"))
}
