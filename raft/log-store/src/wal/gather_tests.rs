//! Many short lives: their small segments are gathered at a start.
#![allow(clippy::unwrap_used)]

use super::tests::*;
use super::*;
use vecraft_storage::SimDisk;

#[test]
fn i8_many_short_lives_leave_few_segments() {
    let disk = SimDisk::new(5);
    let mut wal = open(&disk).unwrap();
    wal.commit(&[(key(1), vote(1)), (key(2), vote(1)), (key(2), entry(2, 1, 0))]).unwrap();
    drop(wal);
    // Each life adds an entry to both groups; only the first group is ever purged.
    let mut most = 0;
    for life in 0..40 {
        let mut wal = open(&disk).unwrap();
        wal.commit(&[(key(1), entry(1, 1, life)), (key(2), entry(2, 1, life + 1))]).unwrap();
        if life % 10 == 9 {
            wal.commit(&[(key(1), Record::Purge(id(1, life - 1)))]).unwrap();
        }
        drop(wal);
        disk.crash();
        most = most.max(segment_paths(&disk).len());
    }
    let wal = open(&disk).unwrap();
    check_entries(&wal);
    assert_eq!(wal.groups()[&key(2)].entry_ids().count(), 41);
    assert_eq!((wal.groups()[&key(1)].first_index(), wal.groups()[&key(1)].last.unwrap().index), (39, 39));
    // Eight, the one that is begun, and the few that a start's budget left.
    assert!(most <= 12, "{most} segments");
}

#[test]
fn i8_a_full_disk_leaves_gathering_to_a_later_start() {
    let disk = SimDisk::new(6);
    for life in 0..9 {
        let mut wal = open(&disk).unwrap();
        wal.commit(&[(key(1), entry(1, 1, life))]).unwrap();
    }
    assert_eq!(segment_paths(&disk).len(), 8, "the next start finds one too many");
    let mut opened = 0;
    // A start gives back the reserve and what was reserved behind the last batch, so less than what is used may do.
    for step in 0..16 {
        disk.set_capacity(Some(1 << 40));
        let used = (1 << 40) - disk.free_bytes().unwrap();
        disk.set_capacity(Some(used - 2_048 + step * 256));
        let wal = open(&disk);
        disk.set_capacity(None);
        if let Ok(wal) = wal {
            opened += 1;
            check_entries(&wal);
            assert_eq!(wal.groups()[&key(1)].entry_ids().count(), 9, "step {step}");
        }
    }
    assert!((1..16).contains(&opened), "{opened} of the capacities were enough to open");
    check_entries(&open(&disk).unwrap());
    assert!(segment_paths(&disk).len() <= 9);
}
