//! The primary-key index in memory.

use std::collections::HashMap;
use std::mem::size_of;
use vecraft_types::{KeyIndex, PrimaryKey, RowRef};

/// Primary key -> live rows, in a hash map. Nearly every key has one row, so that is kept without a list.
///
/// Only look-ups by key depend on its content, never an order, so replicas agree whatever their hash seeds are.
#[derive(Debug, Default)]
pub struct MemoryKeyIndex {
    keys: HashMap<PrimaryKey, Rows>,
    rows: usize,
    text_bytes: usize,
    /// Of the lists of keys with several rows.
    list_bytes: usize,
}

#[derive(Debug)]
enum Rows {
    One(RowRef),
    Many(Vec<RowRef>),
}

impl Rows {
    fn as_slice(&self) -> &[RowRef] {
        match self {
            Rows::One(row) => std::slice::from_ref(row),
            Rows::Many(rows) => rows,
        }
    }

    fn list_bytes(&self) -> usize {
        match self {
            Rows::One(_) => 0,
            Rows::Many(rows) => rows.capacity() * size_of::<RowRef>(),
        }
    }
}

impl MemoryKeyIndex {
    /// Gives rows other names: those for which `name` knows one. Looks at every row.
    pub fn rename(&mut self, name: &mut dyn FnMut(&RowRef) -> Option<RowRef>) {
        let mut renamed = |row: &mut RowRef| {
            if let Some(new) = name(row) {
                *row = new;
            }
        };
        for rows in self.keys.values_mut() {
            match rows {
                Rows::One(row) => renamed(row),
                Rows::Many(rows) => rows.iter_mut().for_each(&mut renamed),
            }
        }
    }

    /// Approximate bytes in memory, for the memory governor (I21).
    pub fn bytes(&self) -> usize {
        self.keys.capacity() * (size_of::<PrimaryKey>() + size_of::<Rows>() + 1)
            + self.text_bytes
            + self.list_bytes
    }
}

fn text_bytes(key: &PrimaryKey) -> usize {
    match key {
        PrimaryKey::Int64(_) => 0,
        PrimaryKey::VarChar(text) => text.len() + 16,
    }
}

impl KeyIndex for MemoryKeyIndex {
    fn rows(&self, key: &PrimaryKey) -> Vec<RowRef> {
        self.keys.get(key).map(|rows| rows.as_slice().to_vec()).unwrap_or_default()
    }

    fn newest(&self, key: &PrimaryKey) -> Option<RowRef> {
        self.keys.get(key).and_then(|rows| rows.as_slice().last().copied())
    }

    fn add(&mut self, key: PrimaryKey, row: RowRef) {
        self.rows += 1;
        match self.keys.get_mut(&key) {
            None => {
                self.text_bytes += text_bytes(&key);
                self.keys.insert(key, Rows::One(row));
            }
            Some(rows) => {
                self.list_bytes -= rows.list_bytes();
                let mut list = match std::mem::replace(rows, Rows::Many(Vec::new())) {
                    Rows::Many(list) => list,
                    Rows::One(first) => vec![first],
                };
                // Oldest first, also when a restart reads a compacted segment after others with newer rows.
                let is_older = |other: &RowRef| (other.position, other.row) <= (row.position, row.row);
                list.insert(list.partition_point(is_older), row);
                *rows = Rows::Many(list);
                self.list_bytes += rows.list_bytes();
            }
        }
    }

    fn remove(&mut self, key: &PrimaryKey) -> Vec<RowRef> {
        let Some(rows) = self.keys.remove(key) else { return Vec::new() };
        self.text_bytes -= text_bytes(key);
        self.list_bytes -= rows.list_bytes();
        let rows = rows.as_slice().to_vec();
        self.rows -= rows.len();
        rows
    }

    fn retain(&mut self, keep: &mut dyn FnMut(&PrimaryKey, &RowRef) -> bool) {
        let (mut kept, mut text, mut lists) = (0, 0, 0);
        self.keys.retain(|key, rows| {
            let left: Vec<RowRef> = rows.as_slice().iter().copied().filter(|row| keep(key, row)).collect();
            kept += left.len();
            match left.as_slice() {
                [] => return false,
                [row] => *rows = Rows::One(*row),
                _ => *rows = Rows::Many(left),
            }
            text += text_bytes(key);
            lists += rows.list_bytes();
            true
        });
        self.rows = kept;
        self.text_bytes = text;
        self.list_bytes = lists;
    }

    fn len(&self) -> usize {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_types::{LogPosition, SegmentId};

    fn row(n: u32) -> RowRef {
        RowRef { segment: SegmentId(u64::from(n) % 2), row: n, position: LogPosition(u64::from(n)) }
    }

    #[test]
    fn i21_the_lists_of_keys_with_many_rows_count_as_memory() {
        let mut index = MemoryKeyIndex::default();
        let key = PrimaryKey::Int64(7);
        index.add(key.clone(), row(0));
        let one = index.bytes();
        (1..1_000).for_each(|n| index.add(key.clone(), row(n)));
        assert!(index.bytes() >= one + 1_000 * size_of::<RowRef>(), "{} after {one}", index.bytes());
        index.retain(&mut |_, row| row.row < 2);
        assert!(index.bytes() < one + 10 * size_of::<RowRef>());
        index.remove(&key);
        assert_eq!(index.bytes(), one);
    }

    #[test]
    fn keys_with_one_or_many_rows_count_right() {
        let mut index = MemoryKeyIndex::default();
        let key = PrimaryKey::VarChar("k".into());
        index.add(key.clone(), row(1));
        index.add(key.clone(), row(2));
        index.add(PrimaryKey::Int64(7), row(3));
        assert_eq!((index.len(), index.newest(&key), index.rows(&key).len()), (3, Some(row(2)), 2));
        index.retain(&mut |_, row| row.segment == SegmentId(1));
        assert_eq!((index.len(), index.rows(&key)), (2, vec![row(1)]));
        assert_eq!(index.remove(&key), vec![row(1)]);
        assert_eq!((index.len(), index.newest(&key)), (1, None));
    }
}
