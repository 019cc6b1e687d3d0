//! A hash table in pages, which grows a page at a time.
//!
//! Linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980): with every
//! [`PAGE_ENTRIES`] keys that come one page is split in two, in the order of the pages, so there is no moment at which
//! the whole table is written anew or lies in memory twice. When keys go, the last page is merged back.

use super::page::{Entry, Page};
use super::rows::Place;
use foldhash::quality::RandomState;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

/// A page has so many entries just after its split, and twice as many just before the next. Larger ones take longer to
/// split, smaller ones leave the entries less close together.
const PAGE_ENTRIES: usize = 1_700;
/// Chance does not bring so many entries into a page (twice [`PAGE_ENTRIES`] is a mean, 60 its deviation); keys that were
/// chosen for it do. Entries are numbered by sixteen bits.
const PAGE_ENTRIES_MAX: usize = 4 * PAGE_ENTRIES;

#[derive(Debug)]
pub struct Table<K> {
    /// Keyed, as keys come from users, who could otherwise send ones that all meet in one place.
    hasher: RandomState,
    pages: Vec<Page<K>>,
    len: usize,
    /// Of the pages.
    bytes: usize,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table { hasher: RandomState::default(), pages: Vec::new(), len: 0, bytes: 0 }
    }
}

impl<K> Table<K> {
    /// Bytes allocated, without what keys allocate.
    pub fn bytes(&self) -> usize {
        self.bytes + self.pages.capacity() * size_of::<Page<K>>()
    }

    /// Every entry, in no order. The keys stay as they are.
    pub fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.pages.iter_mut().flat_map(Page::entries_mut).map(|entry| &mut entry.place)
    }

    /// The page of a hash, by its lowest bits (a page uses the highest): there are 2^n pages and the halves of those that
    /// are split already.
    fn page_of(&self, hash: u64) -> usize {
        let pages = self.pages.len();
        let of_all = hash as usize & (pages.next_power_of_two() - 1);
        if of_all < pages { of_all } else { of_all - pages.next_power_of_two() / 2 }
    }

    /// Calls `change` with a page and counts what it allocates or frees.
    fn change<T>(&mut self, page: usize, change: impl FnOnce(&mut Page<K>, &RandomState) -> T) -> Option<T> {
        let page = self.pages.get_mut(page)?;
        let before = page.bytes();
        let answer = change(page, &self.hasher);
        self.bytes = self.bytes + page.bytes() - before;
        Some(answer)
    }
}

impl<K: Hash + Eq> Table<K> {
    pub fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.hasher.hash_one(key)
    }

    pub fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&Place>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let page = self.pages.get(self.page_of(hash))?;
        page.find(hash, |other| other.borrow() == key).map(|entry| &entry.place)
    }

    /// The same for a key whose hash is known.
    pub fn find_mut<Q: Hash + Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut Place>
    where
        K: Borrow<Q>,
    {
        let page = self.page_of(hash);
        let found = self.pages.get_mut(page)?.find_mut(hash, |other| other.borrow() == key);
        found.map(|entry| &mut entry.place)
    }

    /// Adds a key that is not here.
    pub fn insert(&mut self, hash: u64, key: K, place: Place) {
        self.len += 1;
        while self.pages.len() * PAGE_ENTRIES < self.len {
            self.split();
        }
        let page = self.page_of(hash);
        if self.pages.get(page).is_some_and(|page| page.len() >= PAGE_ENTRIES_MAX) {
            self.len -= 1;
            self.rekey();
            return self.insert(self.hash::<K>(&key), key, place);
        }
        if self.pages.get(page).is_some_and(Page::lacks_room) {
            self.change(page, |page, _| page.grow());
        }
        if let Some(page) = self.pages.get_mut(page) {
            page.push(hash, Entry { key, place });
        }
    }

    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<Entry<K>>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let number = self.page_of(hash);
        let page = self.pages.get_mut(number)?;
        let removed = page.remove(hash, |other| other.borrow() == key, &self.hasher)?;
        self.len -= 1;
        if page.has_too_much_room() {
            self.change(number, |page, _| page.shrink());
        }
        self.merge();
        Some(removed)
    }

    /// Keeps the entries for which `keep` says yes.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Entry<K>) -> bool) {
        self.len = 0;
        for page in 0..self.pages.len() {
            self.change(page, |page, hasher| page.retain(&mut keep, hasher));
            self.len += self.pages.get(page).map_or(0, Page::len);
        }
        self.merge();
    }

    /// Puts all keys elsewhere: somebody has found out where they are.
    fn rekey(&mut self) {
        let all = std::mem::take(self);
        for Entry { key, place } in all.pages.into_iter().flat_map(Page::into_entries) {
            self.insert(self.hash::<K>(&key), key, place);
        }
    }

    /// Splits the page whose turn it is.
    fn split(&mut self) {
        let pages = self.pages.len();
        // The first page is empty and made of nothing.
        let Some(level) = pages.checked_ilog2() else {
            self.pages.push(Page::default());
            return;
        };
        if pages == self.pages.capacity() {
            self.pages.reserve_exact(pages.div_ceil(8));
        }
        let bit = 1 << level;
        if let Some(upper) = self.change(pages - (1 << level), |page, hasher| page.split(bit, hasher)) {
            self.bytes += upper.bytes();
            self.pages.push(upper);
        }
    }

    /// Merges pages while all of them have less than half of what they could.
    fn merge(&mut self) {
        while self.pages.len() > 1 && self.len < (self.pages.len() - 1) * PAGE_ENTRIES / 2 {
            let pages = self.pages.len() - 1;
            let lower = pages - (1 << pages.ilog2());
            let both: usize =
                [lower, pages].iter().filter_map(|page| self.pages.get(*page)).map(Page::len).sum();
            // Keys can be chosen to meet by taking away all others, too.
            if both > PAGE_ENTRIES_MAX {
                return self.rekey();
            }
            let Some(upper) = self.pages.pop() else { return };
            self.bytes -= upper.bytes();
            self.change(lower, |page, hasher| page.absorb(upper, hasher));
            if pages < self.pages.capacity() / 2 {
                self.pages.shrink_to(pages + pages / 8);
            }
        }
        if self.len == 0 && !self.pages.is_empty() {
            (self.pages, self.bytes) = (Vec::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Rows;
    use super::*;
    use std::cell::Cell;
    use std::hash::Hasher;
    use vecraft_types::{LogPosition, RowRef, SegmentId};

    impl<K> Table<K> {
        /// The same as [`Table::bytes`], counted.
        pub fn bytes_counted(&self) -> usize {
            self.pages.iter().map(Page::bytes).sum::<usize>() + self.pages.capacity() * size_of::<Page<K>>()
        }
    }

    #[test]
    fn another_hash_finds_the_same_keys() {
        let (mut table, mut rows) = (Table::<i64>::default(), Rows::default());
        let key = |n: i64| (n, RowRef { segment: SegmentId(1), row: n as u32, position: LogPosition(1) });
        let places: Vec<_> = (0..20_000).map(key).map(|(key, row)| (key, rows.first(&row))).collect();
        let of_all = |table: &Table<i64>| places.iter().all(|(key, place)| table.find(key) == Some(place));
        for (key, place) in &places {
            table.insert(table.hash(key), *key, *place);
        }
        assert!(of_all(&table));
        let before = table.hash(&7);
        table.rekey();
        assert!(table.hash(&7) != before && of_all(&table));
        assert_eq!((table.len, table.bytes()), (20_000, table.bytes_counted()));
    }

    thread_local! {
        static FOUND_OUT: Cell<u64> = const { Cell::new(0) };
    }

    /// A key that was chosen to meet all others, by somebody who has found out how one table hashes.
    #[derive(PartialEq, Eq)]
    struct Chosen(u64);

    impl Hash for Chosen {
        fn hash<H: Hasher>(&self, state: &mut H) {
            let is_known = state.finish() == FOUND_OUT.get();
            state.write_u64(if is_known { 0 } else { self.0 });
        }
    }

    #[test]
    fn keys_that_were_chosen_to_meet_are_spread_by_another_hash() {
        let (mut table, mut rows) = (Table::<Chosen>::default(), Rows::default());
        let row = RowRef { segment: SegmentId(1), row: 1, position: LogPosition(1) };
        let place = rows.first(&row);
        FOUND_OUT.set(table.hasher.build_hasher().finish());
        for n in 0..8_000 {
            table.insert(table.hash(&Chosen(n)), Chosen(n), place);
        }
        assert_ne!(table.hasher.build_hasher().finish(), FOUND_OUT.get());
        assert!(table.pages.iter().all(|page| page.len() < PAGE_ENTRIES_MAX));
        assert!((0..8_000).all(|n| table.find(&Chosen(n)) == Some(&place)));
    }

    /// Whoever knows the hash can also take away all keys but those that meet when pages are merged.
    #[test]
    fn keys_that_were_left_to_meet_are_spread_by_another_hash() {
        const KEYS: i64 = 66_000;
        let (mut table, mut rows) = (Table::<i64>::default(), Rows::default());
        let row = RowRef { segment: SegmentId(1), row: 1, position: LogPosition(1) };
        let place = rows.first(&row);
        for key in 0..KEYS {
            table.insert(table.hash(&key), key, place);
        }
        // Pages 5, 13, 21, 29: they would become one of eight.
        let left: Vec<i64> = (0..KEYS).filter(|key| table.hash(key) % 8 == 5).collect();
        assert!(left.len() > PAGE_ENTRIES_MAX);
        let hasher = table.hasher.clone();
        table.retain(|entry| hasher.hash_one(entry.key) % 8 == 5);
        assert!(table.pages.iter().all(|page| page.len() <= PAGE_ENTRIES_MAX));
        assert!(left.iter().all(|key| table.find(key) == Some(&place)));
        assert_eq!((table.len, table.bytes()), (left.len(), table.bytes_counted()));
    }
}
