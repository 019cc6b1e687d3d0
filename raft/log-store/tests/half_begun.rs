//! A purge begins a new segment and fails at it. Alone in its file: fail points are the whole process's.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use vecraft_log_store::{
    EntryId, EntryKind, Error, GroupKey, LogEntry, LogOptions, Record, VoteState, WriteAheadLog,
};
use vecraft_storage::failpoint::{self, Action};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::{GroupId, ReplicaId};

const KEY: GroupKey = GroupKey { group: GroupId(1), replica: ReplicaId(1) };
const ENTRIES: u64 = 5;

fn open(disk: &SimDisk) -> WriteAheadLog {
    let options = LogOptions { tighten_bytes: 4 << 10, reserve_segments: 0, ..LogOptions::default() };
    WriteAheadLog::open(Arc::new(disk.clone()), "log", options).unwrap()
}

fn id(index: u64) -> EntryId {
    EntryId { term: 1, leader: ReplicaId(1), index }
}

fn vote(term: u64) -> (GroupKey, Record) {
    (KEY, Record::Vote(VoteState { term, leader: ReplicaId(1), committed: true }))
}

fn entry(index: u64) -> (GroupKey, Record) {
    let payload = Bytes::from(vec![7; 1 << 10]);
    (KEY, Record::Entry(LogEntry { id: id(index), kind: EntryKind::Normal, payload }))
}

/// A log that was asked to purge everything while its next segment could not get its space.
fn purged(disk: &SimDisk, failure: Action) -> (WriteAheadLog, Result<(), Error>) {
    let mut log = open(disk);
    log.commit(&[vote(3)]).unwrap();
    (0..ENTRIES).for_each(|index| log.commit(&[entry(index)]).unwrap());
    failpoint::set("log.before_preallocate", failure, Some(1));
    let outcome = log.commit(&[(KEY, Record::Purge(id(ENTRIES - 1)))]);
    failpoint::clear();
    (log, outcome)
}

#[test]
fn a_segment_that_could_not_begin_hinders_no_later_one_and_no_start() {
    // No space: the purge is written and the space comes back later. The segment after it is begun by the second purge.
    let disk = SimDisk::new(1);
    let (mut log, outcome) = purged(&disk, Action::NoSpace);
    outcome.unwrap();
    let segments = disk.list("log").unwrap().len();
    assert_eq!(segments, 1, "nothing half made is left");
    log.commit(&[entry(ENTRIES), (KEY, Record::Purge(id(ENTRIES)))]).unwrap();
    drop(log);
    let state = open(&disk).groups().remove(&KEY).unwrap();
    assert_eq!((state.vote.map(|vote| vote.term), state.last), (Some(3), Some(id(ENTRIES))));

    // Anything else: what is on disk is unknown, so nothing more is written before a restart (I7).
    let disk = SimDisk::new(2);
    let (mut log, outcome) = purged(&disk, Action::Error);
    assert!(outcome.is_err());
    assert!(matches!(log.commit(&[entry(ENTRIES)]), Err(Error::Poisoned { .. })));
    drop(log);
    let state = open(&disk).groups().remove(&KEY).unwrap();
    assert_eq!((state.vote.map(|vote| vote.term), state.last), (Some(3), Some(id(ENTRIES - 1))));
}
