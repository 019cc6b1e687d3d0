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
fn i21_a_process_that_has_too_much_takes_nothing_more() {
    let governor = Governor::new(100 * MIB);
    let _room = governor.room_for_index(0, 10 * MIB).unwrap();
    governor.set_too_many(4 * MIB + 1);
    let refused = governor.refusal(1).unwrap();
    let text =
        "the process has come too near to what the system allows it: 5 MiB too many, 10 MiB of it indexes";
    assert_eq!((refused.as_str(), governor.left(1), governor.index_room(1)), (text, 0, 0));
    let index = governor.room_for_index(1, 1).unwrap_err();
    assert!(index.code == Code::OutOfMemory && index.detail.contains("too near"), "{index}");
    // Indexes give back as much each time they ask, which is after what they gave before is seen.
    assert_eq!(governor.take_index_excess(1), 4 * MIB + 1);
    governor.set_too_many(40 * MIB);
    assert_eq!(governor.take_index_excess(1), 10 * MIB, "never more than they have");
    governor.set_too_many(0);
    assert_eq!((governor.refusal(1), governor.take_index_excess(1)), (None, 0));
    assert!(governor.room_for_index(1, 1).is_ok());
}
