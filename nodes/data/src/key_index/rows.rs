//! What an entry says of its key's rows: nearly every key has one, which the entry holds itself.

use super::list::List;
use super::segments::Segments;
use foldhash::quality::RandomState;
use std::collections::HashMap;
use vecraft_types::{LogPosition, RowRef};

/// Where a key's rows are, in 16 bytes: one row, or [`LIST`] for a segment and a list's number for a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    position: u64,
    row: u32,
    segment: u32,
}

/// No segment has this number: that many do not exist.
const LIST: u32 = u32::MAX;

/// What places refer to.
#[derive(Debug, Default)]
pub struct Rows {
    segments: Segments,
    lists: HashMap<u64, List, RandomState>,
    next_list: u64,
    len: usize,
    /// Of the lists themselves.
    list_bytes: usize,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.segments.bytes() + map_bytes(&self.lists) + self.list_bytes
    }

    /// The place of a key with its first row.
    pub fn first(&mut self, row: &RowRef) -> Place {
        self.len += 1;
        Place { position: row.position.0, row: row.row, segment: self.segments.enter(row.segment) }
    }

    /// Adds a row to a key that has some.
    pub fn add(&mut self, place: &mut Place, row: &RowRef) {
        if place.segment != LIST {
            let rows = [self.one(place), *row];
            self.forget(place);
            *place = self.place_of(List::of(rows));
            return;
        }
        let Some(list) = self.lists.get_mut(&place.position) else { return };
        let before = list.bytes();
        self.len += usize::from(list.add(row));
        self.list_bytes = self.list_bytes + list.bytes() - before;
    }

    /// The rows of a place, oldest first.
    pub fn all(&self, place: &Place) -> Vec<RowRef> {
        match place.segment {
            LIST => self.lists.get(&place.position).map(List::rows).unwrap_or_default(),
            _ => vec![self.one(place)],
        }
    }

    pub fn newest(&self, place: &Place) -> Option<RowRef> {
        match place.segment {
            LIST => self.lists.get(&place.position)?.newest(),
            _ => Some(self.one(place)),
        }
    }

    /// Forgets the rows of a place, which means nothing any more.
    pub fn forget(&mut self, place: &Place) {
        if place.segment != LIST {
            self.len -= 1;
            self.segments.leave(place.segment);
        } else if let Some(list) = self.lists.remove(&place.position) {
            self.len -= list.len();
            self.list_bytes -= list.bytes();
            self.shrink();
        }
    }

    /// Forgets one row of a list, if it is there. A key with one row is not asked here: it would have none left.
    pub fn forget_one(&mut self, place: &mut Place, row: &RowRef) -> bool {
        let Some(list) = self.lists.get_mut(&place.position) else { return false };
        let before = list.bytes();
        let is_there = list.remove(row);
        self.len -= usize::from(is_there);
        self.list_bytes = self.list_bytes + list.bytes() - before;
        if list.len() == 1 {
            let left = List::of(list.rows());
            self.forget(place);
            *place = self.place_of(left);
        }
        is_there
    }

    /// The only row of a place, if it has no list.
    pub fn only(&self, place: &Place) -> Option<RowRef> {
        (place.segment != LIST).then(|| self.one(place))
    }

    /// Gives the rows of a place other names, or none, by `name`; false when no row is left, and the place means nothing.
    pub fn change(&mut self, place: &mut Place, name: &mut dyn FnMut(&RowRef) -> Option<RowRef>) -> bool {
        if place.segment != LIST {
            let old = self.one(place);
            let new = name(&old);
            if new == Some(old) {
                return true;
            }
            self.forget(place);
            return new.map(|new| *place = self.first(&new)).is_some();
        }
        let old = self.all(place);
        let new: Vec<RowRef> = old.iter().filter_map(name).collect();
        if new != old {
            self.forget(place);
            if new.is_empty() {
                return false;
            }
            *place = self.place_of(List::of(new));
        }
        true
    }

    fn one(&self, place: &Place) -> RowRef {
        let position = LogPosition(place.position);
        RowRef { segment: self.segments.get(place.segment), row: place.row, position }
    }

    fn place_of(&mut self, list: List) -> Place {
        if list.len() == 1
            && let Some(row) = list.newest()
        {
            return self.first(&row);
        }
        self.len += list.len();
        self.list_bytes += list.bytes();
        self.next_list += 1;
        self.lists.insert(self.next_list, list);
        Place { position: self.next_list, row: 0, segment: LIST }
    }

    /// Gives back what lists left behind.
    fn shrink(&mut self) {
        if self.lists.len() + 8 < self.lists.capacity() / 4 {
            self.lists.shrink_to(self.lists.len() * 2);
        } else if self.lists.is_empty() {
            self.lists = HashMap::default();
        }
    }
}

/// What the standard library's table allocates: it is full at seven eighths, and a bucket has one byte more.
fn map_bytes(lists: &HashMap<u64, List, RandomState>) -> usize {
    lists.capacity().div_ceil(7) * 8 * (size_of::<(u64, List)>() + 1)
}
