//! What a node takes and what it turns away.
#![allow(clippy::unwrap_used)]

use super::*;
use std::sync::atomic::AtomicBool;
use vecraft_storage::{OpenMode, SimDisk};

fn node(disk: &SimDisk, stalled: Arc<AtomicBool>) -> DataNode {
    let limits =
        WriteLimits { in_flight_bytes_max: 1 << 20, memory_bytes_max: 1 << 30, flush_seals_rows_min: 4_000 };
    let is_log_stalled = Arc::new(move || stalled.load(Ordering::Relaxed));
    let space = Space { disk: Arc::new(disk.clone()), is_log_stalled };
    DataNode::new(Arc::default(), Arc::new(ViewRegistry::new()), limits, space)
}

#[test]
fn p6_a_nearly_full_disk_refuses_inserts_and_takes_deletes() {
    let (disk, stalled) = (SimDisk::new(1), Arc::new(AtomicBool::new(false)));
    let node = node(&disk, stalled.clone());
    disk.set_capacity(Some(FREE_BYTES_MIN + 1_000));
    assert!(node.admit(10, true).is_ok());
    disk.open("file", OpenMode::Create).unwrap().write_at(0, &[1; 2_000]).unwrap();
    assert_eq!(node.admit(10, true).err().map(|e| e.code), Some(Code::DiskFull));
    assert!(node.admit(10, false).is_ok());
    stalled.store(true, Ordering::Relaxed);
    assert_eq!(node.admit(10, false).err().map(|e| e.code), Some(Code::DiskFull));
    stalled.store(false, Ordering::Relaxed);
    disk.set_capacity(None);
    assert!(node.admit(10, true).is_ok());
}

#[test]
fn p6_a_group_that_a_full_disk_stopped_may_begin_again_and_others_may_not() {
    let disk = SimDisk::new(1);
    let node = node(&disk, Arc::default());
    let (full, damaged) = (GroupId(1), GroupId(2));
    disk.set_capacity(Some(FREE_BYTES_MIN - 1));
    node.take_out_for_now(full, [], "no space left".to_owned());
    node.take_out(damaged, [], "a damaged file".to_owned());
    assert_eq!(node.may_begin_again(), [], "the disk is still full");
    disk.set_capacity(None);
    assert_eq!(node.may_begin_again(), [full]);
    // Tried, and full again: once more. Tried, and damaged: never more, whatever comes later.
    node.take_out_for_now(full, [], "no space left again".to_owned());
    assert_eq!(node.may_begin_again(), [full]);
    node.take_out(full, [], "a damaged file".to_owned());
    node.take_out_for_now(full, [], "late".to_owned());
    assert_eq!(node.may_begin_again(), []);
    assert!(node.outages().contains(&(full, "a damaged file".to_owned())));
}

#[test]
fn i22_a_group_that_was_let_go_is_not_counted_as_differing_any_more() {
    let node = node(&SimDisk::new(1), Arc::default());
    node.set_differing(GroupId(1), 2);
    node.set_differing(GroupId(2), 1);
    node.let_go(GroupId(1));
    assert_eq!(node.differing(), 1);
}

#[test]
fn i21_what_is_in_flight_counts_against_the_memory_limit_and_so_do_indexes() {
    let mut node = node(&SimDisk::new(1), Arc::default());
    node.governor = Arc::new(Governor::new(512 << 10));
    // A request of any size is taken when it is alone.
    let first = node.admit(700 << 10, true).unwrap();
    let refused = node.admit(10, true).err().unwrap();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::OutOfMemory, Some(1_000)));
    assert!(node.admit(10, false).is_ok(), "deletes make room");
    drop(first);
    let room = node.room_for_index(300 << 10).unwrap();
    let second = node.admit(300 << 10, true).unwrap();
    assert_eq!(node.admit(10, true).err().map(|e| e.code), Some(Code::OutOfMemory));
    assert_eq!(node.room_for_index(10).unwrap_err().code, Code::OutOfMemory);
    drop(room);
    assert!(node.admit(10, true).is_ok());
    drop(second);
    assert!(node.refusals().is_empty());
}

#[test]
fn i21_too_much_in_flight_is_told_when_to_come_again() {
    let node = node(&SimDisk::new(1), Arc::default());
    let first = node.admit(900 << 10, true).unwrap();
    let refused = node.admit(200 << 10, true).err().unwrap();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::RateLimited, Some(50)));
    drop(first);
    assert!(node.admit(200 << 10, true).is_ok());
    assert!(node.admit(100 << 20, true).is_ok(), "a request of any allowed size fits when it is alone");
}
