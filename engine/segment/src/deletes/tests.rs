//! Every page boundary, positions, memory.

use super::*;

#[test]
fn a_row_is_deleted_once_and_seen_from_its_position_on() {
    let deletes = Deletes::new();
    let page = PAGE_ROWS as u32;
    let rows = [0, 1, page - 1, page, 3 * page - 1, 3 * page, 7 * page + 5, 1 << 20, SEGMENT_ROWS_MAX - 1];
    for (i, row) in rows.into_iter().enumerate() {
        let at = LogPosition(i as u64 + 10);
        assert!(deletes.delete(row, at));
        assert!(!deletes.delete(row, LogPosition(1)), "the first delete stays");
        assert_eq!(deletes.deleted_at(row), Some(at));
        assert!(deletes.is_live(row, LogPosition(at.0 - 1)) && !deletes.is_live(row, at));
        assert!(row == 0 || deletes.deleted_at(row - 1).is_none_or(|_| rows.contains(&(row - 1))));
    }
    assert_eq!(deletes.count() as usize, rows.len());
    let list = deletes.list(8 * page, LogPosition(14));
    assert_eq!(list, (0..5).map(|i| (rows[i], LogPosition(i as u64 + 10))).collect::<Vec<_>>());
    assert!(!deletes.delete(SEGMENT_ROWS_MAX, LogPosition(5)) && !deletes.delete(77, LogPosition(0)));
}

#[test]
fn live_bits_begin_anywhere() {
    let deletes = Deletes::new();
    assert_eq!(deletes.live(0, 5000, LogPosition(u64::MAX)), None);
    (0..2000).step_by(37).for_each(|row| assert!(deletes.delete(row, LogPosition(u64::from(row) + 1))));
    for (first, rows) in [(0, 2000), (1, 36), (38, 1), (250, 300), (1990, 5000)] {
        for position in [0, 500, 3000] {
            let live = deletes.live(first, rows, LogPosition(position));
            for row in 0..rows {
                let expected = deletes.is_live(first + row, LogPosition(position));
                assert_eq!(live.as_ref().is_none_or(|live| live.get(row as usize)), expected);
            }
            assert!(live.is_none_or(|live| !live.all()), "none means all");
            let until = first + rows;
            let gone = (0..until).filter(|row| !deletes.is_live(*row, LogPosition(position))).count();
            assert_eq!(deletes.count_until(until, LogPosition(position)) as usize, gone);
        }
    }
}

#[test]
fn one_delete_costs_little() {
    let deletes = Deletes::new();
    assert_eq!(deletes.bytes(), 0);
    deletes.delete(5, LogPosition(1));
    assert!(deletes.bytes() < 4096, "{} bytes", deletes.bytes());
}

#[test]
fn kept_bits_are_those_found_anew_at_any_moment_and_after_any_delete() {
    let deletes = Deletes::new();
    let rows = 3 * PAGE_ROWS as u32 + 7;
    let check = |rows: u32, position: u64, what: &str| {
        let position = LogPosition(position);
        for _ in 0..2 {
            let (kept, anew) = (deletes.live_rows(rows, position), deletes.live(0, rows, position));
            assert_eq!(kept.as_ref().map(|live| &*live.bits), anew.as_ref(), "{what} at {position:?}");
            assert_eq!(kept.map(|live| live.count), anew.map(|live| live.count_ones()), "{what}");
        }
    };
    check(rows, 9, "nothing deleted");
    for step in 1..200u64 {
        let row = (step * 7919 % u64::from(rows)) as u32;
        // Mostly in log order; a few late ones, as when a checkpoint's list is put back.
        let at = if step % 13 == 0 { step / 2 + 1 } else { step };
        deletes.delete(row, LogPosition(at));
        for position in [0, 1, step / 2, step - 1, step, step + 1, u64::MAX] {
            check(rows, position, "after a delete");
            check(rows / 2, position, "of fewer rows");
        }
    }
    // I18: a reader of an older moment does not push out what the newest keep.
    let newest = deletes.live_rows(rows, LogPosition(900)).unwrap();
    deletes.live_rows(rows, LogPosition(50));
    let again = deletes.live_rows(rows, LogPosition(901)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&newest.bits, &again.bits), "the same bits for each later position");
    assert!(deletes.delete(rows + 5, LogPosition(950)));
    let after = deletes.live_rows(rows, LogPosition(950)).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&newest.bits, &after.bits) && newest.bits == after.bits);
    assert!(deletes.bytes() >= 2 * 8 * u64::from(rows / 64), "kept bits are counted");
}

/// One writer deletes a row an entry and then shows the position; readers of any shown position see exactly what was deleted up
/// to it, while the writer goes on. Every few entries it waits for a look of each reader, else it would be done before they begin.
#[test]
fn readers_beside_the_writer_see_their_own_moment() {
    use std::sync::atomic::AtomicBool;
    let (deletes, shown, done) = (Deletes::new(), AtomicU64::new(0), AtomicBool::new(false));
    let (rows, entries, entries_per_look) = (2_000u32, 1_500u64, 5);
    let row_of = |entry: u64| (entry * 7 % u64::from(rows)) as u32;
    let looks = [const { AtomicU64::new(0) }; 3];
    let (deletes, shown, done) = (&deletes, &shown, &done);
    let look = |reader: usize, looks: &AtomicU64| {
        let mut round = reader as u64;
        while !done.load(Ordering::Relaxed) {
            round += 1;
            let newest = shown.load(Ordering::Acquire);
            // Some read the newest moment, some an older one.
            let position = if round.is_multiple_of(3) { newest * (round % 7) / 7 } else { newest };
            let live = deletes.live_rows(rows, LogPosition(position));
            let gone = live.map_or(0, |live| u64::from(rows) - live.bits.count_ones() as u64);
            assert_eq!(gone, position, "as many rows are gone as entries deleted one");
            looks.fetch_add(1, Ordering::Relaxed);
        }
    };
    let look = &look;
    std::thread::scope(|scope| {
        let readers: Vec<_> = looks
            .iter()
            .enumerate()
            .map(|(reader, looks)| (scope.spawn(move || look(reader, looks)), looks))
            .collect();
        for entry in 1..=entries {
            assert!(deletes.delete(row_of(entry), LogPosition(entry)));
            shown.store(entry, Ordering::Release);
            for (reader, looks) in &readers {
                // One that saw something wrong is finished.
                while looks.load(Ordering::Relaxed) < entry / entries_per_look && !reader.is_finished() {
                    std::thread::yield_now();
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(looks.iter().all(|looks| looks.load(Ordering::Relaxed) >= entries / entries_per_look));
}
