//! The primary-key index in memory.
//!
//! ```text
//! key -> Table (a page at a time) -> Page: number of two bytes -> entry: key, Place (16 bytes)
//!                                                                             |
//!                                              Rows: segment by number, or a list of several rows
//! ```
//!
//! An int64 key with one row takes 24 bytes, 1.5 that the page may still fill, and 8 of slots with its number: 34, whatever
//! the number of keys is, once there are some thousand. A text takes 8 more and itself. What apply waits for while an index
//! grows is the split of one page (3,400 keys), also when there are millions.

use page::Entry;
use std::hash::Hash;
use table::Table;
use vecraft_types::{KeyIndex, PrimaryKey, RowRef};

mod list;
mod numbers;
mod page;
mod rows;
mod segments;
mod table;
#[cfg(test)]
mod tests;

/// Primary key -> live rows.
///
/// Only look-ups by key depend on its content, never an order, so replicas agree whatever their hash seeds are.
#[derive(Debug, Default)]
pub struct MemoryKeyIndex {
    // A shard's keys are all of one type; the other table is empty and has allocated nothing.
    ints: Table<i64>,
    texts: Table<Box<str>>,
    /// Of the texts themselves.
    text_bytes: usize,
    rows: rows::Rows,
}

impl MemoryKeyIndex {
    /// Gives rows other names: those for which `name` knows one. Looks at every row.
    pub fn rename(&mut self, name: &mut dyn FnMut(&RowRef) -> Option<RowRef>) {
        let mut renamed = |row: &RowRef| Some(name(row).unwrap_or(*row));
        for place in self.ints.places_mut().chain(self.texts.places_mut()) {
            self.rows.change(place, &mut renamed);
        }
    }

    /// Bytes allocated, for the memory governor (I21). What the allocator rounds up is not known here.
    pub fn bytes(&self) -> usize {
        self.ints.bytes() + self.texts.bytes() + self.text_bytes + self.rows.bytes()
    }

    fn place(&self, key: &PrimaryKey) -> Option<&rows::Place> {
        match key {
            PrimaryKey::Int64(key) => self.ints.find(key),
            PrimaryKey::VarChar(text) => self.texts.find(&**text),
        }
    }

    fn take(&mut self, key: &PrimaryKey) -> Option<rows::Place> {
        match key {
            PrimaryKey::Int64(key) => self.ints.remove(key).map(|entry| entry.place),
            PrimaryKey::VarChar(text) => {
                let entry = self.texts.remove(&**text)?;
                self.text_bytes -= text_bytes(text);
                Some(entry.place)
            }
        }
    }
}

/// What a text takes: allocators give eight bytes at a time.
fn text_bytes(text: &str) -> usize {
    text.len().next_multiple_of(8)
}

/// Adds a row; true when its key is new.
fn add<K: Hash + Eq>(table: &mut Table<K>, rows: &mut rows::Rows, key: K, row: &RowRef) -> bool {
    let hash = table.hash(&key);
    if let Some(place) = table.find_mut(hash, &key) {
        rows.add(place, row);
        return false;
    }
    table.insert(hash, key, rows.first(row));
    true
}

impl KeyIndex for MemoryKeyIndex {
    fn rows(&self, key: &PrimaryKey) -> Vec<RowRef> {
        self.place(key).map(|place| self.rows.all(place)).unwrap_or_default()
    }

    fn newest(&self, key: &PrimaryKey) -> Option<RowRef> {
        self.rows.newest(self.place(key)?)
    }

    fn add(&mut self, key: PrimaryKey, row: RowRef) {
        match key {
            PrimaryKey::Int64(key) => {
                add(&mut self.ints, &mut self.rows, key, &row);
            }
            PrimaryKey::VarChar(text) => {
                if add(&mut self.texts, &mut self.rows, Box::from(&*text), &row) {
                    self.text_bytes += text_bytes(&text);
                }
            }
        }
    }

    fn remove(&mut self, key: &PrimaryKey) -> Vec<RowRef> {
        let Some(place) = self.take(key) else { return Vec::new() };
        let rows = self.rows.all(&place);
        self.rows.forget(&place);
        rows
    }

    fn replace(&mut self, key: PrimaryKey, row: RowRef) -> Vec<RowRef> {
        let place = match &key {
            PrimaryKey::Int64(key) => self.ints.find_mut(self.ints.hash(key), key),
            PrimaryKey::VarChar(text) => self.texts.find_mut(self.texts.hash(&**text), &**text),
        };
        let Some(place) = place else {
            self.add(key, row);
            return Vec::new();
        };
        let rows = self.rows.all(place);
        self.rows.forget(place);
        *place = self.rows.first(&row);
        rows
    }

    fn remove_row(&mut self, key: &PrimaryKey, row: &RowRef) -> bool {
        let place = match key {
            PrimaryKey::Int64(key) => self.ints.find_mut(self.ints.hash(key), key),
            PrimaryKey::VarChar(text) => self.texts.find_mut(self.texts.hash(&**text), &**text),
        };
        let Some(place) = place else { return false };
        match self.rows.only(place) {
            None => self.rows.forget_one(place, row),
            Some(only) if only == *row => !self.remove(key).is_empty(),
            Some(_) => false,
        }
    }

    fn retain(&mut self, keep: &mut dyn FnMut(&RowRef) -> bool) {
        let MemoryKeyIndex { ints, texts, text_bytes: bytes, rows } = self;
        let mut kept = |row: &RowRef| keep(row).then_some(*row);
        ints.retain(|entry| rows.change(&mut entry.place, &mut kept));
        texts.retain(|Entry { key, place }| {
            let is_left = rows.change(place, &mut kept);
            if !is_left {
                *bytes -= text_bytes(key);
            }
            is_left
        });
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}
