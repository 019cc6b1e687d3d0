//! One page of a table: its entries side by side, and a small hash table of their numbers.
//!
//! A hash table of the entries themselves would be a quarter empty at best, and half empty where its size is a power of
//! two. Here the entries (24 bytes with an int64 key) lie in a vector that grows by an eighth, and the slots that are
//! empty have four bytes.

use super::numbers::{Numbers, tag};
use super::rows::Place;
use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hash};

/// A key and where its rows are.
#[derive(Debug)]
pub struct Entry<K> {
    pub key: K,
    pub place: Place,
}

/// Below so many entries of room there is nothing worth giving back.
const ROOM_KEPT: usize = 8;

#[derive(Debug)]
pub struct Page<K> {
    entries: Vec<Entry<K>>,
    numbers: Numbers,
}

impl<K> Default for Page<K> {
    fn default() -> Page<K> {
        Page { entries: Vec::new(), numbers: Numbers::default() }
    }
}

impl<K> Page<K> {
    fn with_room(entries: usize) -> Page<K> {
        let numbers = Numbers::with_room(entries + entries / 2);
        Page { entries: Vec::with_capacity(with_slack(entries)), numbers }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes allocated, without what keys allocate.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K>>() + self.numbers.bytes()
    }

    /// True when [`Page::grow`] must make room before another entry is pushed.
    pub fn lacks_room(&self) -> bool {
        self.entries.len() == self.entries.capacity() || self.entries.len() >= self.numbers.room()
    }

    /// True when half of the room is empty: [`Page::shrink`] gives some back.
    pub fn has_too_much_room(&self) -> bool {
        self.entries.len() + ROOM_KEPT < self.entries.capacity() / 2
    }

    /// Makes room for more entries: an eighth. Slots, which are small and take longer, get half as many more.
    pub fn grow(&mut self) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            self.entries.reserve_exact(with_slack(len) - len);
        }
        if len >= self.numbers.room() {
            self.numbers.resize(with_slack(len + len / 2));
        }
    }

    /// Gives back the room that is not needed.
    pub fn shrink(&mut self) {
        let room = with_slack(self.entries.len());
        self.entries.shrink_to(room);
        self.numbers.resize(room);
    }

    pub fn into_entries(self) -> Vec<Entry<K>> {
        self.entries
    }

    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry<K>> {
        self.entries.iter_mut()
    }

    /// Adds an entry whose key is not here, where there is room for it.
    pub fn push(&mut self, hash: u64, entry: Entry<K>) {
        self.numbers.insert(tag(hash), self.entries.len() as u16);
        self.entries.push(entry);
    }

    fn slot(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<usize> {
        self.numbers.find(tag(hash), |number| is_it(&self.entries[usize::from(number)].key))
    }

    pub fn find(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&Entry<K>> {
        let slot = self.slot(hash, is_it)?;
        self.entries.get(usize::from(self.numbers.at(slot)))
    }

    pub fn find_mut(&mut self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&mut Entry<K>> {
        let slot = self.slot(hash, is_it)?;
        self.entries.get_mut(usize::from(self.numbers.at(slot)))
    }
}

impl<K: Hash> Page<K> {
    /// Takes an entry out; the last one gets its number.
    pub fn remove(
        &mut self,
        hash: u64,
        is_it: impl Fn(&K) -> bool,
        hasher: &RandomState,
    ) -> Option<Entry<K>> {
        let slot = self.slot(hash, is_it)?;
        let number = self.numbers.at(slot);
        self.numbers.remove(slot);
        let removed = self.entries.swap_remove(usize::from(number));
        if let Some(moved) = self.entries.get(usize::from(number)) {
            let last = self.entries.len() as u16;
            if let Some(slot) = self.numbers.find(tag(hasher.hash_one(&moved.key)), |other| other == last) {
                self.numbers.renumber(slot, number);
            }
        }
        Some(removed)
    }

    /// Keeps the entries for which `keep` says yes.
    pub fn retain(&mut self, keep: impl FnMut(&mut Entry<K>) -> bool, hasher: &RandomState) {
        let before = self.entries.len();
        self.entries.retain_mut(keep);
        if self.entries.len() < before {
            self.number(hasher);
        }
    }

    /// Moves the entries whose hash has this bit to a page of their own.
    pub fn split(&mut self, bit: u64, hasher: &RandomState) -> Page<K> {
        let all = std::mem::take(self).entries;
        let (mut stay, mut go) = (Page::with_room(all.len() / 2), Page::with_room(all.len() / 2));
        for entry in all {
            let hash = hasher.hash_one(&entry.key);
            let side = if hash & bit == 0 { &mut stay } else { &mut go };
            if side.lacks_room() {
                side.grow();
            }
            side.push(hash, entry);
        }
        *self = stay;
        go
    }

    /// Takes another page's entries in: the opposite of a split.
    pub fn absorb(&mut self, other: Page<K>, hasher: &RandomState) {
        self.entries.reserve_exact(other.entries.len());
        self.entries.extend(other.entries);
        self.number(hasher);
    }

    /// Numbers the entries anew.
    fn number(&mut self, hasher: &RandomState) {
        self.numbers = Numbers::default();
        self.shrink();
        for (number, entry) in self.entries.iter().enumerate() {
            self.numbers.insert(tag(hasher.hash_one(&entry.key)), number as u16);
        }
    }
}

/// So many entries and an eighth more.
fn with_slack(entries: usize) -> usize {
    entries + (entries / 8).max(4)
}
