//! A disk with more room than a segment's first step and less than the next batch needs (I7).
#![allow(clippy::unwrap_used)]

use super::tests::*;
use super::*;
use crate::record::{EntryKind, LogEntry};
use vecraft_storage::SimDisk;

const KIB: u64 = 1 << 10;

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 16 * KIB,
        reserve_bytes: 9 * KIB,
        reserve_segments: 2,
        tighten_bytes: 8 * KIB,
        ..small()
    }
}

fn open(disk: &SimDisk) -> WriteAheadLog {
    WriteAheadLog::open(Arc::new(disk.clone()), DIR, options()).unwrap()
}

fn large(index: u64, bytes: u64) -> (GroupKey, Record) {
    let payload = bytes::Bytes::from(vec![7; bytes as usize]);
    (key(1), Record::Entry(LogEntry { id: id(1, index), kind: EntryKind::Normal, payload }))
}

fn leave(disk: &SimDisk, free: u64) {
    disk.set_capacity(Some(1 << 40));
    let used = (1 << 40) - disk.free_bytes().unwrap();
    disk.set_capacity(Some(used + free));
}

fn last(log: &WriteAheadLog) -> Option<u64> {
    log.groups()[&key(1)].last.map(|id| id.index)
}

/// A log before the batch, how many entries it has, and what it is called.
fn logs() -> Vec<(SimDisk, WriteAheadLog, u64, &'static str)> {
    let made = |what, fill: &dyn Fn(&mut WriteAheadLog) -> u64| {
        let disk = SimDisk::new(1);
        let mut log = open(&disk);
        let next = fill(&mut log);
        (disk, log, next, what)
    };
    vec![
        made("just begun", &|_| 0),
        made("in the middle of a segment", &|log| {
            log.commit(&[large(0, 100)]).unwrap();
            1
        }),
        made("a segment nearly full", &|log| {
            log.commit(&[large(0, 7 * KIB), large(1, 6 * KIB)]).unwrap();
            2
        }),
        made("a purge has just begun a segment", &|log| {
            log.commit(&[large(0, 7 * KIB), large(1, 7 * KIB)]).unwrap();
            let before = log.generation();
            log.commit(&[(key(1), Record::Purge(id(1, 1)))]).unwrap();
            assert_eq!((log.generation(), log.oldest_generation()), (before + 1, Some(before + 1)));
            2
        }),
    ]
}

#[test]
fn i7_a_batch_that_the_disk_has_no_room_for_goes_into_the_reserve() {
    for (disk, mut log, next, what) in logs() {
        leave(&disk, 3 * KIB);
        log.commit(&[large(next, 5 * KIB), (key(2), vote(4))])
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(log.counters().2, 1, "{what}: one file of the reserve");
        log.commit(&[large(next + 1, 6 * KIB)]).unwrap_or_else(|error| panic!("{what}, again: {error}"));
        drop(log);
        disk.crash();
        let log = open(&disk);
        assert_eq!(last(&log), Some(next + 1), "{what}");
        assert_eq!(log.groups()[&key(2)].vote.map(|vote| vote.term), Some(4), "{what}");
    }
}

#[test]
fn i7_a_batch_that_fits_nowhere_leaves_the_reserve_to_others() {
    for (disk, mut log, next, what) in logs() {
        leave(&disk, 2 * KIB);
        let names =
            |disk: &SimDisk| disk.list(DIR).unwrap().into_iter().map(|file| file.name).collect::<Vec<_>>();
        let before = names(&disk);
        for _ in 0..3 {
            assert!(log.commit(&[large(next, 14 * KIB)]).unwrap_err().is_no_space(), "{what}");
        }
        assert_eq!((log.counters().2, names(&disk)), (2, before), "{what}");
        log.commit(&[(key(2), vote(4))]).unwrap_or_else(|error| panic!("{what}: {error}"));
        disk.set_capacity(None);
        log.commit(&[large(next, 14 * KIB)]).unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(log);
        assert_eq!(last(&open(&disk)), Some(next), "{what}");
    }
}

#[test]
fn a_reserve_that_somebody_took_away_closes_the_log_and_the_next_start_works() {
    let disk = SimDisk::new(1);
    let mut log = open(&disk);
    log.commit(&[large(0, 100)]).unwrap();
    disk.remove_file(&format!("{DIR}/reserve-1")).unwrap();
    leave(&disk, 0);
    assert!(!log.commit(&[large(1, 5 * KIB)]).unwrap_err().is_no_space());
    assert!(matches!(log.commit(&[(key(1), vote(2))]), Err(Error::Poisoned { .. })));
    drop(log);
    disk.set_capacity(None);
    assert_eq!(last(&open(&disk)), Some(0));
}
