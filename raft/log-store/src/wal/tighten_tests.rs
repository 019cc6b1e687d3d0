//! What a purge gives back to the disk, and that nothing is lost by it.
#![allow(clippy::unwrap_used)]

use super::tests::*;
use super::*;
use vecraft_storage::SimDisk;

const TIGHTEN_BYTES: u64 = 8 << 10;
const ENTRIES: u64 = 330;

fn options() -> LogOptions {
    LogOptions { segment_bytes: 16 << 10, tighten_bytes: TIGHTEN_BYTES, ..small() }
}

fn open(disk: &SimDisk) -> WriteAheadLog {
    WriteAheadLog::open(Arc::new(disk.clone()), DIR, options()).unwrap()
}

/// Bytes that the disk has for the log, its reserve left out.
fn held(disk: &SimDisk) -> u64 {
    let all = disk.list(DIR).unwrap();
    all.iter().filter(|file| file.name.ends_with(".wal")).map(|file| file.len).sum()
}

/// An entry of a quiet group in front, then many of a busy one: two segments and most of a third.
fn filled(disk: &SimDisk) -> WriteAheadLog {
    let mut log = open(disk);
    log.commit(&[(key(2), vote(3)), (key(2), entry(2, 3, 0))]).unwrap();
    for index in 0..ENTRIES {
        log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
    }
    assert!(segment_paths(disk).len() == 3 && log.active_len() > TIGHTEN_BYTES);
    log
}

fn ids(log: &WriteAheadLog, group: u64) -> Vec<u64> {
    log.groups()[&key(group)].entry_ids().map(|id| id.index).collect()
}

#[test]
fn a_purge_gives_back_what_nobody_needs_and_a_quiet_group_pins_nothing() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk);
    log.commit(&[(key(1), Record::Purge(id(1, ENTRIES - 3)))]).unwrap();
    assert!(held(&disk) < 1 << 10, "{} bytes for two entries and an older one", held(&disk));
    let check = |log: &WriteAheadLog| {
        check_entries(log);
        assert_eq!((ids(log, 1), ids(log, 2)), (vec![ENTRIES - 2, ENTRIES - 1], vec![0]));
        assert_eq!(log.groups()[&key(2)].vote.map(|vote| vote.term), Some(3));
    };
    check(&log);
    assert!(!log.is_marked(), "what it wrote wants a mark, too");
    drop(log);
    disk.crash();
    check(&open(&disk));
}

#[test]
fn what_is_still_needed_stays_where_it_is() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk);
    let before = log.generation();
    log.commit(&[(key(1), Record::Purge(id(1, 99)))]).unwrap();
    assert_eq!(log.generation(), before, "three quarters are live");
    log.commit(&[(key(1), Record::Purge(id(1, ENTRIES - 3)))]).unwrap();
    let renewed = log.generation();
    assert_eq!(renewed, before + 1);
    // Each checkpoint of a node that writes little purges a little: no new file for that.
    for index in ENTRIES..ENTRIES + 20 {
        log.commit(&[(key(1), entry(1, 1, index)), (key(1), Record::Purge(id(1, index - 1)))]).unwrap();
    }
    assert_eq!(log.generation(), renewed);
}

#[test]
fn i7_a_purge_on_a_full_disk_makes_room_without_using_up_the_reserve() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk);
    disk.set_capacity(Some(1 << 40));
    let used = (1 << 40) - disk.free_bytes().unwrap();
    disk.set_capacity(Some(used));
    log.commit(&[(key(1), Record::Purge(id(1, ENTRIES - 3)))]).unwrap();
    assert!(held(&disk) < 1 << 10 && log.counters().2 == 1);
    check_entries(&log);
    for index in ENTRIES..ENTRIES + 100 {
        log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
    }
    disk.set_capacity(None);
    drop(log);
    assert_eq!(ids(&open(&disk), 1).len(), 102);
}

/// Nothing is left to copy, so the opening is all that a purge leaves, and every promise is in it.
#[test]
fn i6_an_opening_that_stands_alone_after_a_purge_is_not_taken_for_one_that_was_never_synced() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk);
    let before = log.generation();
    let all = [(key(2), Record::Purge(id(3, 0))), (key(1), Record::Purge(id(1, ENTRIES - 1)))];
    log.commit(&all).unwrap();
    assert_eq!(log.generation(), before + 1);
    let [path] = &segment_paths(&disk)[..] else { panic!("{:?}", segment_paths(&disk)) };
    drop(log);
    disk.corrupt(path, 80, 1).unwrap();
    let opened = WriteAheadLog::open(Arc::new(disk.clone()), DIR, options());
    assert!(
        matches!(opened, Err(Error::Storage(vecraft_storage::Error::Corrupt { .. }))),
        "votes would be lost"
    );
}

#[test]
fn space_is_reserved_in_steps_that_grow_with_the_segment() {
    const MIB: u64 = 1 << 20;
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(1 << 40));
    let used = || (1 << 40) - disk.free_bytes().unwrap();
    let sizes = LogOptions { segment_bytes: 24 * MIB, reserve_segments: 0, ..LogOptions::default() };
    let mut log = WriteAheadLog::open(Arc::new(disk.clone()), DIR, sizes).unwrap();
    assert_eq!(used(), MIB, "a log in which nothing is");
    let mut index = 0;
    let mut write = |log: &mut WriteAheadLog, mib: u64| {
        for _ in 0..mib {
            let payload = bytes::Bytes::from(vec![7; MIB as usize]);
            let entry =
                crate::record::LogEntry { id: id(1, index), kind: crate::record::EntryKind::Normal, payload };
            log.commit(&[(key(1), Record::Entry(entry))]).unwrap();
            index += 1;
        }
    };
    write(&mut log, 5);
    assert_eq!(used(), 6 * MIB);
    write(&mut log, 12);
    assert_eq!(used(), 24 * MIB);
}
