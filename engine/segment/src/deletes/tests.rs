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
