//! The core alone: order, rotation, recovery, damage, power cuts, a full disk.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use vecraft_storage::{Disk, OpenMode, SimDisk};
use vecraft_types::{GroupId, ReplicaId};

use super::*;
use crate::record::{EntryKind, LogEntry, VoteState};

pub(super) const DIR: &str = "log";

pub(super) fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 4096,
        preallocate_bytes: 1024,
        reserve_bytes: 1024,
        reserve_segments: 1,
        salt: 7,
        ..LogOptions::default()
    }
}

pub(super) fn key(group: u64) -> GroupKey {
    GroupKey { group: GroupId(group), replica: ReplicaId(group + 100) }
}

pub(super) fn id(term: u64, index: u64) -> EntryId {
    EntryId { term, leader: ReplicaId(1), index }
}

pub(super) fn payload(group: u64, term: u64, index: u64) -> Bytes {
    let text = format!("g{group} t{term} i{index} ");
    Bytes::from(text.repeat(1 + (index % 7) as usize))
}

pub(super) fn entry(group: u64, term: u64, index: u64) -> Record {
    let payload = payload(group, term, index);
    Record::Entry(LogEntry { id: id(term, index), kind: EntryKind::Normal, payload })
}

pub(super) fn vote(term: u64) -> Record {
    Record::Vote(VoteState { term, leader: ReplicaId(1), committed: true })
}

pub(super) fn open(disk: &SimDisk) -> Result<WriteAheadLog> {
    WriteAheadLog::open(Arc::new(disk.clone()), DIR, small())
}

pub(super) fn segment_paths(disk: &SimDisk) -> Vec<String> {
    let files = disk.list(DIR).unwrap().into_iter().map(|file| file.name);
    files.filter(|name| name.ends_with(".wal")).map(|name| format!("{DIR}/{name}")).collect()
}

/// Every entry reads back as what was written for its id.
pub(super) fn check_entries(log: &WriteAheadLog) {
    for (key, state) in log.groups() {
        assert_eq!(state.hole(), None);
        for read in log.files().read(key, 0, u64::MAX, usize::MAX).unwrap() {
            assert_eq!(read.payload, payload(key.group.0, read.id.term, read.id.index));
        }
        let ids: Vec<_> = state.entry_ids().collect();
        let read = log.files().read(key, 0, u64::MAX, usize::MAX).unwrap();
        assert_eq!(read.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    }
}

#[test]
fn everything_comes_back_after_a_restart() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(1), vote(1)), (key(1), entry(1, 1, 0)), (key(2), entry(2, 1, 0))]).unwrap();
    log.commit(&[
        (key(1), entry(1, 1, 1)),
        (key(1), entry(1, 1, 2)),
        (key(1), Record::Committed(Some(id(1, 1)))),
    ])
    .unwrap();
    log.commit(&[(key(1), Record::Truncate { after: Some(id(1, 1)) }), (key(1), entry(1, 2, 2))]).unwrap();
    log.commit(&[(key(2), Record::Purge(id(1, 9)))]).unwrap();
    log.commit(&[(key(2), entry(2, 3, 10)), (key(3), vote(5)), (key(3), Record::Removed)]).unwrap();
    let before = log.groups();
    drop(log);
    for _ in 0..3 {
        let log = open(&disk).unwrap();
        let after = log.groups();
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        for (key, state) in &after {
            assert_eq!(state.entry_ids().collect::<Vec<_>>(), before[key].entry_ids().collect::<Vec<_>>());
            assert_eq!(
                (state.vote, state.purged, state.last),
                (before[key].vote, before[key].purged, before[key].last)
            );
        }
        assert_eq!(after[&key(1)].last, Some(id(2, 2)));
        assert_eq!(after[&key(1)].committed, Some(id(1, 1)));
        check_entries(&log);
    }
}

#[test]
fn a_record_that_does_not_follow_is_refused_and_nothing_written() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(1), entry(1, 1, 0))]).unwrap();
    let before = log.groups();
    for bad in [entry(1, 1, 2), entry(1, 1, 0)] {
        assert!(matches!(
            log.commit(&[(key(1), vote(9)), (key(1), bad)]),
            Err(Error::Hole { last: Some(0), .. })
        ));
    }
    assert_eq!(log.groups(), before);
    log.commit(&[(key(1), entry(1, 1, 1))]).unwrap();
}

#[test]
fn segments_go_once_nothing_in_them_is_needed_and_votes_stay() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(1), vote(3)), (key(2), vote(4))]).unwrap();
    for index in 0..400 {
        log.commit(&[(key(1), entry(1, 3, index))]).unwrap();
    }
    assert!(segment_paths(&disk).len() > 8);
    log.commit(&[(key(1), Record::Purge(id(3, 398)))]).unwrap();
    assert!(segment_paths(&disk).len() <= 2, "{:?}", segment_paths(&disk));
    drop(log);
    let log = open(&disk).unwrap();
    let groups = log.groups();
    assert_eq!(groups[&key(2)].vote.unwrap().term, 4, "a vote outlives its segment (I6)");
    assert_eq!((groups[&key(1)].purged, groups[&key(1)].last), (Some(id(3, 398)), Some(id(3, 399))));
    check_entries(&log);
}

#[test]
fn an_idle_groups_entry_is_copied_forward() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(2), entry(2, 1, 0))]).unwrap();
    for index in 0..600 {
        log.commit(&[(key(1), entry(1, 3, index))]).unwrap();
        if index % 20 == 19 {
            log.commit(&[(key(1), Record::Purge(id(3, index - 5)))]).unwrap();
        }
    }
    assert!(segment_paths(&disk).len() <= 4, "{:?}", segment_paths(&disk));
    check_entries(&log);
    drop(log);
    let log = open(&disk).unwrap();
    assert_eq!(log.groups()[&key(2)].last, Some(id(1, 0)));
    check_entries(&log);
}

#[test]
fn a_torn_tail_is_cut_and_damage_before_it_refused() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    let mut ends = Vec::new();
    for index in 0..5 {
        log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
        ends.push(log.active_len());
    }
    drop(log);
    let path = segment_paths(&disk).pop().unwrap();
    disk.corrupt(&path, ends[3] + 40, 1).unwrap();
    let log = open(&disk).unwrap();
    assert_eq!(log.groups()[&key(1)].last, Some(id(1, 3)), "nothing valid follows: torn tail");
    drop(log);
    disk.corrupt(&path, ends[1] + 40, 1).unwrap();
    match open(&disk).unwrap_err() {
        Error::Storage(vecraft_storage::Error::Corrupt { path: at, offset, .. }) => {
            assert_eq!((at, offset), (path.clone(), ends[1]));
        }
        other => panic!("{other}"),
    }
    disk.corrupt(&path, ends[1] + 40, 1).unwrap();
    open(&disk).unwrap();
}

#[test]
fn a_mark_turns_a_damaged_last_batch_from_torn_into_refused() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(1), entry(1, 1, 0))]).unwrap();
    let end = log.active_len();
    assert!(!log.is_marked());
    log.mark().unwrap();
    assert!(log.is_marked());
    drop(log);
    disk.corrupt(&segment_paths(&disk).pop().unwrap(), end - 3, 1).unwrap();
    assert!(matches!(open(&disk), Err(Error::Storage(vecraft_storage::Error::Corrupt { .. }))));
}

#[test]
fn a_newer_format_is_refused_by_its_version() {
    let disk = SimDisk::new(1);
    drop(open(&disk).unwrap());
    let path = segment_paths(&disk).pop().unwrap();
    let id = SegmentId::parse(path.rsplit('/').next().unwrap()).unwrap();
    let mut header = format::header(id, 1);
    header[4] = FORMAT_VERSION as u8 + 1;
    let mut hasher = crc32fast::Hasher::new_with_initial(id.salt);
    hasher.update(&header[..60]);
    header[60..].copy_from_slice(&hasher.finalize().to_le_bytes());
    disk.open(&path, OpenMode::Write).unwrap().write_at(0, &header).unwrap();
    match open(&disk) {
        Err(Error::Storage(vecraft_storage::Error::NewerVersion { found, .. })) => {
            assert_eq!(found, FORMAT_VERSION + 1)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_holds_uses_the_reserve_and_goes_on() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    let used = |disk: &SimDisk| disk.list(DIR).unwrap().iter().map(|file| file.len.max(1024)).sum::<u64>();
    disk.set_capacity(Some(used(&disk) + 100));
    let mut index = 0;
    while log.commit(&[(key(1), entry(1, 1, index))]).is_ok() {
        index += 1;
    }
    assert!(index > 5);
    assert_eq!(log.counters().2, 0, "the reserve was used before anybody waited (I7)");
    assert!(log.commit(&[(key(1), entry(1, 1, index))]).unwrap_err().is_no_space());
    assert_eq!(log.poisoned(), None);
    disk.set_capacity(None);
    log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
    drop(log);
    let log = open(&disk).unwrap();
    assert_eq!(log.groups()[&key(1)].last, Some(id(1, index)));
    check_entries(&log);
}

#[test]
fn a_failed_sync_closes_the_log_for_good() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk).unwrap();
    log.commit(&[(key(1), entry(1, 1, 0))]).unwrap();
    disk.fail_syncs(1);
    assert!(log.commit(&[(key(1), entry(1, 1, 1))]).is_err());
    assert!(
        matches!(log.commit(&[(key(1), entry(1, 1, 1))]), Err(Error::Poisoned { .. })),
        "never retried (I7)"
    );
    disk.crash();
    assert_eq!(open(&disk).unwrap().groups()[&key(1)].last, Some(id(1, 0)));
}

/// The page cache shows what a failed sync did not write. A start that believes it must make it durable first.
#[test]
fn i7_a_batch_seen_after_a_failed_sync_survives_the_next_power_cut() {
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        let mut log = open(&disk).unwrap();
        let before = seed % 3;
        for index in 0..before {
            log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
        }
        disk.fail_syncs(1);
        assert!(log.commit(&[(key(1), entry(1, 1, before))]).is_err());
        drop(log);
        // The process ends, the machine does not.
        let log = open(&disk).unwrap();
        let seen = log.groups().get(&key(1)).and_then(|state| state.last);
        drop(log);
        disk.crash();
        let log = open(&disk).unwrap();
        assert_eq!(log.groups().get(&key(1)).and_then(|state| state.last), seen, "seed {seed}");
        check_entries(&log);
    }
}

#[test]
fn i1_each_opening_begins_a_higher_generation_and_a_lost_log_has_none() {
    let disk = SimDisk::new(91);
    assert_eq!(WriteAheadLog::newest_generation(&disk, DIR).unwrap(), None);
    let mut last = 0;
    for _ in 0..3 {
        let log = WriteAheadLog::open(Arc::new(disk.clone()), DIR, small()).unwrap();
        assert!(log.generation() > last);
        last = log.generation();
        assert_eq!(WriteAheadLog::newest_generation(&disk, DIR).unwrap(), Some(last));
    }
}
