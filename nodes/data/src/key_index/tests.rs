//! The index beside lists in a map, over random operations, and what it takes and gives back.

#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeMap;
use vecraft_types::{LogPosition, SegmentId};

/// Numbers in no order, the same for a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        PrimaryKey::Int64(self.0 as i64).stable_hash() % limit
    }
}

fn row(n: u64) -> RowRef {
    RowRef { segment: SegmentId(n / 1_000), row: (n % 1_000) as u32, position: LogPosition(n) }
}

fn key(n: u64) -> PrimaryKey {
    PrimaryKey::Int64(Numbers(n).below(u64::MAX) as i64)
}

fn filled(keys: u64) -> MemoryKeyIndex {
    let mut index = MemoryKeyIndex::default();
    (0..keys).for_each(|n| index.add(key(n), row(n)));
    index
}

/// What the index should be.
#[derive(Default)]
struct Twin(BTreeMap<PrimaryKey, Vec<RowRef>>);

impl Twin {
    fn tidy(&mut self) {
        self.0.retain(|_, rows| !rows.is_empty());
        self.0.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.position, row.row)));
    }

    fn is(&self, index: &MemoryKeyIndex) -> bool {
        let is_same = |(key, rows): (&PrimaryKey, &Vec<RowRef>)| {
            index.rows(key) == *rows && index.newest(key) == rows.last().copied()
        };
        let counted = index.ints.bytes_counted() + index.texts.bytes_counted();
        let texts = self.0.keys().map(|key| match key {
            PrimaryKey::VarChar(text) => text_bytes(text),
            PrimaryKey::Int64(_) => 0,
        });
        self.0.iter().all(is_same)
            && index.len() == self.0.values().map(Vec::len).sum::<usize>()
            && index.bytes() == counted + texts.sum::<usize>() + index.rows.bytes()
    }
}

/// Few keys, so that they have many rows, or many keys, so that the tables have many pages.
fn any_operations(seed: u64, keys: u64, steps: u64) {
    let (mut index, mut twin, mut random) = (MemoryKeyIndex::default(), Twin::default(), Numbers(seed));
    for step in 0..steps {
        let n = random.below(keys);
        let key = match n % 2 {
            0 => PrimaryKey::Int64(n as i64 - 10),
            _ => PrimaryKey::VarChar(format!("key {n}").into()),
        };
        // Some rows come after newer ones, as when a restart reads a compacted segment last.
        let new = row(if random.below(4) == 0 { step + steps } else { step });
        match random.below(1_000) {
            0..500 => {
                index.add(key.clone(), new);
                twin.0.entry(key).or_default().push(new);
            }
            500..650 => {
                let old = index.replace(key.clone(), new);
                assert_eq!(old, twin.0.insert(key, vec![new]).unwrap_or_default());
            }
            650..800 => assert_eq!(index.remove(&key), twin.0.remove(&key).unwrap_or_default()),
            800..997 => {
                let rows = twin.0.entry(key.clone()).or_default();
                let at = random.below(rows.len() as u64 + 1) as usize;
                let gone = rows.get(at).copied().unwrap_or(new);
                assert_eq!(index.remove_row(&key, &gone), at < rows.len());
                rows.retain(|row| *row != gone);
            }
            997 => {
                let gone = random.below(3);
                let is_kept = |row: &RowRef| row.position.0 % 3 != gone;
                index.retain(&mut |row| is_kept(row));
                twin.0.values_mut().for_each(|rows| rows.retain(is_kept));
            }
            _ => {
                let from = random.below(2);
                let name = |row: &RowRef| {
                    let renamed = RowRef { segment: SegmentId(9_000 + step), row: row.row + 1, ..*row };
                    (row.segment.0 % 2 == from).then_some(renamed)
                };
                index.rename(&mut |row| name(row));
                let rows = twin.0.values_mut().flatten();
                rows.for_each(|row| *row = name(row).unwrap_or(*row));
            }
        }
        twin.tidy();
        if step % 500 == 0 {
            assert!(twin.is(&index), "seed {seed}, {keys} keys, step {step}");
        }
    }
    twin.tidy();
    assert!(twin.is(&index), "seed {seed}, {keys} keys");
    index.retain(&mut |_| false);
    assert_eq!((index.len(), index.bytes()), (0, 0));
}

#[test]
fn it_is_the_same_as_lists_in_a_map() {
    (0..6).for_each(|seed| any_operations(seed, 3, 2_000));
    (0..4).for_each(|seed| any_operations(seed, 200, 4_000));
}

#[test]
fn it_is_the_same_over_many_pages() {
    let (mut index, mut twin) = (filled(30_000), Twin::default());
    twin.0.extend((0..30_000).map(|n| (key(n), vec![row(n)])));
    assert!(twin.is(&index));
    for n in (0..30_000).filter(|n| n % 5 != 0) {
        assert_eq!(index.remove(&key(n)), twin.0.remove(&key(n)).unwrap());
        if n % 3_000 == 1 {
            assert!(twin.is(&index), "after key {n}");
        }
    }
    (30_000..50_000).for_each(|n| index.add(key(n), row(n)));
    twin.0.extend((30_000..50_000).map(|n| (key(n), vec![row(n)])));
    index.retain(&mut |row| row.row % 2 == 0);
    twin.0.retain(|_, rows| rows[0].row % 2 == 0);
    assert!(twin.is(&index));
}

#[test]
fn i21_a_key_takes_36_bytes_at_most_and_never_many_at_once() {
    let mut index = MemoryKeyIndex::default();
    assert_eq!(index.bytes(), 0);
    for n in 0..200_000u64 {
        let before = index.bytes();
        index.add(key(n), row(n));
        let bytes = index.bytes();
        assert!(bytes < before + (32 << 10), "{bytes} after {before} with {n} keys");
        if n == 99 {
            assert!(bytes < 4 << 10, "{bytes} with 100 keys");
        }
        assert!(n < 10_000 || bytes as u64 <= 36 * n, "{bytes} with {n} keys");
    }
}

#[test]
fn i21_memory_comes_back_when_keys_go() {
    let mut index = filled(100_000);
    index.retain(&mut |row| row.row % 20 == 0);
    assert_eq!(index.len(), 5_000);
    assert!(index.bytes() < 60 * 5_000, "{} for 5,000 keys", index.bytes());
    let mut index = filled(100_000);
    (0..99_000).for_each(|n| assert_eq!(index.remove(&key(n)), [row(n)]));
    assert!(index.bytes() < 90 * 1_000, "{} for 1,000 keys", index.bytes());
    (99_000..100_000).for_each(|n| assert_eq!(index.remove(&key(n)), [row(n)]));
    assert_eq!((index.len(), index.bytes()), (0, 0));
}

#[test]
fn i21_segments_that_compactions_leave_take_nothing() {
    let mut index = filled(100);
    let before = index.bytes();
    for segment in 1..2_000 {
        index.rename(&mut |row| Some(RowRef { segment: SegmentId(segment), ..*row }));
    }
    assert_eq!(index.rows(&key(7)), [RowRef { segment: SegmentId(1_999), ..row(7) }]);
    assert!(index.bytes() <= before + 100, "{} after {before}", index.bytes());
}

#[test]
fn i21_the_lists_of_keys_with_many_rows_count_as_memory() {
    let mut index = MemoryKeyIndex::default();
    let key = PrimaryKey::VarChar("k".into());
    index.add(key.clone(), row(0));
    let one = index.bytes();
    (1..1_000).for_each(|n| index.add(key.clone(), row(n)));
    assert!(index.bytes() >= one + 1_000 * size_of::<RowRef>(), "{} after {one}", index.bytes());
    index.retain(&mut |row| row.row < 2);
    assert!(index.bytes() < one + 1_000, "{} after {one}", index.bytes());
    index.retain(&mut |row| row.row < 1);
    assert_eq!((index.bytes(), index.rows(&key)), (one, vec![row(0)]));
}

#[test]
fn a_hundred_thousand_rows_of_one_key_come_and_go_in_any_order() {
    let mut index = MemoryKeyIndex::default();
    let key = PrimaryKey::Int64(7);
    // Every number once: 77,777 and 100,000 have no common divisor.
    let numbers = || (0..100_000u64).map(|n| n * 77_777 % 100_000);
    numbers().for_each(|n| index.add(key.clone(), row(n)));
    assert_eq!((index.len(), index.newest(&key)), (100_000, Some(row(99_999))));
    assert_eq!(index.rows(&key), (0..100_000).map(row).collect::<Vec<_>>());
    numbers().filter(|n| *n != 5).for_each(|n| assert!(index.remove_row(&key, &row(n))));
    assert!(!index.remove_row(&key, &row(6)));
    assert_eq!((index.len(), index.rows(&key)), (1, vec![row(5)]));
    assert!(index.remove_row(&key, &row(5)));
    assert_eq!((index.len(), index.rows(&key)), (0, Vec::new()));
}
