#![allow(clippy::unwrap_used)]
use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn i21_indexes_rows_and_keys_share_one_limit() {
    let governor = Governor::new(100 * MIB);
    assert_eq!(governor.refusal(100 * MIB), None);
    let room = governor.room_for_index(20 * MIB, 60 * MIB).unwrap();
    assert_eq!(governor.refusal(40 * MIB), None);
    let text = governor.refusal(41 * MIB).unwrap();
    assert_eq!(text, "41 MiB of unflushed rows and keys and 60 MiB of indexes, the limit is 100 MiB");
    drop(room);
    assert_eq!(governor.refusal(41 * MIB), None);
}

#[test]
fn i21_an_index_that_does_not_fit_takes_nothing() {
    let governor = Governor::new(100 * MIB);
    let beside_rows = governor.room_for_index(50 * MIB, 51 * MIB).unwrap_err();
    assert_eq!(beside_rows.code, Code::OutOfMemory);
    assert!(
        beside_rows
            .detail
            .starts_with("an index of 51 MiB beside 50 MiB of unflushed rows and keys and 0 MiB of indexes")
    );
    let _first = governor.room_for_index(0, 70 * MIB).unwrap();
    assert!(governor.room_for_index(0, 6 * MIB).is_err(), "a quarter is for rows");
    assert_eq!(governor.index_bytes(), 70 * MIB);
    assert!(governor.room_for_index(0, 5 * MIB).is_ok());
}

#[test]
fn i21_indexes_give_back_what_refused_rows_lack() {
    let governor = Governor::new(80 * MIB);
    let room = governor.room_for_index(10 * MIB, 60 * MIB).unwrap();
    assert_eq!(governor.take_index_excess(20 * MIB), 0, "nobody was refused");
    let is_told = || futures::FutureExt::now_or_never(governor.pressed().notified()).is_some();
    governor.note_refused();
    assert!(is_told() && !is_told());
    assert_eq!((governor.take_index_excess(20 * MIB), governor.take_index_excess(20 * MIB)), (10 * MIB, 0));
    governor.note_refused();
    assert_eq!(governor.take_index_excess(100 * MIB), 60 * MIB, "never more than they have");
    drop(room);
    assert!(is_told());
    governor.note_refused();
    assert!(!is_told(), "nothing to give back");
}

#[test]
fn i21_requests_on_their_way_in_count_too() {
    let governor = Governor::new(100 * MIB);
    governor.arriving().fetch_add(30 * MIB, Ordering::Relaxed);
    let refused = governor.refusal(71 * MIB).unwrap();
    assert_eq!(
        refused,
        "71 MiB of unflushed rows and keys and 0 MiB of indexes and 30 MiB of requests on their way in, the limit is 100 MiB"
    );
    assert_eq!((governor.refusal(70 * MIB), governor.left(60 * MIB)), (None, 10 * MIB));
    let index = governor.room_for_index(60 * MIB, 11 * MIB).unwrap_err();
    assert!(index.detail.contains("30 MiB of requests"), "{index}");
    governor.arriving().fetch_sub(30 * MIB, Ordering::Relaxed);
    assert!(governor.room_for_index(60 * MIB, 11 * MIB).is_ok());
}

#[test]
fn i21_groups_share_what_indexes_leave() {
    let governor = Governor::new(100 * MIB);
    assert_eq!(governor.share(), 100 * MIB);
    governor.set_groups(2);
    assert_eq!(governor.share(), 50 * MIB);
    let _room = governor.room_for_index(0, 60 * MIB).unwrap();
    assert_eq!(governor.share(), 20 * MIB);
}

#[test]
fn i21_what_the_process_really_has_counts_too() {
    let governor = Governor::new(100 * MIB);
    let _room = governor.room_for_index(0, 10 * MIB).unwrap();
    let process = |has: u64, room: u64, is_tight: bool| {
        governor.set_process(Some(ProcessMemory {
            has: has * MIB,
            allowed: 200 * MIB,
            room: room * MIB,
            is_tight,
        }));
    };
    process(150, 10, false);
    assert_eq!((governor.refusal(1), governor.index_room(1)), (None, 10 * MIB));
    let index = governor.room_for_index(1, 11 * MIB).unwrap_err();
    assert!(
        index.detail.ends_with("; the process has 150 MiB of the 200 MiB that the system allows it"),
        "{index}"
    );
    assert!(governor.room_for_index(1, 9 * MIB).is_ok());

    process(171, 0, true);
    let text = "the process has 171 MiB of the 200 MiB that the system allows it, 7 MiB for unflushed rows and keys and 10 MiB \
                for indexes";
    assert_eq!(
        (governor.refusal(7 * MIB).as_deref(), governor.left(1), governor.index_room(1)),
        (Some(text), 0, 0)
    );
    let index = governor.room_for_index(1, 1).unwrap_err();
    assert!(index.code == Code::OutOfMemory && index.detail.contains("171 MiB"), "{index}");
    governor.set_process(None);
    assert_eq!(governor.refusal(1), None);
    assert!(governor.room_for_index(1, 60 * MIB).is_ok());
}

#[test]
fn i21_indexes_are_asked_once_for_what_the_process_has_too_many() {
    let governor = Governor::new(100 * MIB);
    let is_told = || futures::FutureExt::now_or_never(governor.pressed().notified()).is_some();
    governor.ask_indexes_for(MIB);
    assert!(!is_told() && governor.take_index_excess(1) == 0, "they have nothing");
    let _room = governor.room_for_index(0, 10 * MIB).unwrap();
    governor.ask_indexes_for(4 * MIB);
    assert!(is_told());
    assert_eq!((governor.take_index_excess(1), governor.take_index_excess(1)), (4 * MIB, 0));
    governor.ask_indexes_for(40 * MIB);
    assert_eq!(
        (governor.take_index_excess(1), governor.take_index_excess(1)),
        (10 * MIB, 0),
        "never more than they have"
    );
}
