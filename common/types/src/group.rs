//! Putting hits into groups: the best hit of each group decides its place (`group_by_field` of a search).

use crate::{Column, ColumnData, DataType};
use std::collections::BTreeMap;

/// The value that a row is grouped by. Rows without one form a group of their own, as in Milvus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey<'a> {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A text.
    Text(&'a str),
}

impl DataType {
    /// Whether rows can be grouped by values of this type: booleans, integers and texts. Equal floats are chance, and
    /// equal JSON documents may be written differently.
    pub fn can_group(&self) -> bool {
        matches!(
            self,
            DataType::Bool
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::VarChar { .. }
        )
    }
}

impl Column {
    /// The group of a row; `None` when the column's type cannot group or there is no such row.
    pub fn group_key(&self, row: usize) -> Option<GroupKey<'_>> {
        if self.is_null(row) {
            return (row < self.data.rows()).then_some(GroupKey::Null);
        }
        match &self.data {
            ColumnData::Bool(v) => v.get(row).map(|value| GroupKey::Bool(*value)),
            ColumnData::Int8(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            ColumnData::Int16(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            ColumnData::Int32(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            ColumnData::Int64(v) => v.get(row).map(|value| GroupKey::Int(*value)),
            ColumnData::VarChar(v) => (row < v.len()).then(|| GroupKey::Text(v.get(row))),
            _ => None,
        }
    }
}

/// The first `count` groups of a stream of hits, and the first `size` hits of each.
#[derive(Clone, Debug)]
pub struct Groups<'a, T> {
    count: usize,
    size: usize,
    places: BTreeMap<GroupKey<'a>, usize>,
    groups: Vec<Vec<T>>,
    full: usize,
}

impl<'a, T> Groups<'a, T> {
    /// None yet.
    pub fn new(count: usize, size: usize) -> Groups<'a, T> {
        Groups { count, size, places: BTreeMap::new(), groups: Vec::new(), full: 0 }
    }

    /// Offers the next hit; the nearest must come first.
    pub fn offer(&mut self, key: GroupKey<'a>, hit: T) {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.groups.len() == self.count => return,
            None => {
                self.places.insert(key, self.groups.len());
                self.groups.push(Vec::with_capacity(1));
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[place];
        if group.len() < self.size {
            group.push(hit);
            self.full += usize::from(group.len() == self.size);
        }
    }

    /// Whether no later hit can open a group.
    pub fn are_found(&self) -> bool {
        self.groups.len() == self.count
    }

    /// Whether no later hit has a place.
    pub fn are_full(&self) -> bool {
        self.full == self.count
    }

    /// The groups, the one with the nearest hit first; each group's hits, nearest first.
    pub fn into_groups(self) -> Vec<Vec<T>> {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bitmap, FieldId, StrColumn};

    #[test]
    fn the_nearest_hit_places_its_group_and_later_ones_fill_it() {
        let mut groups = Groups::new(2, 2);
        for (key, hit) in [(7, 'a'), (9, 'b'), (7, 'c'), (5, 'd'), (7, 'e')] {
            groups.offer(GroupKey::Int(key), hit);
        }
        assert!(groups.are_found() && !groups.are_full());
        groups.offer(GroupKey::Int(9), 'f');
        assert!(groups.are_full());
        assert_eq!(groups.into_groups(), [vec!['a', 'c'], vec!['b', 'f']]);
    }

    #[test]
    fn nulls_are_one_group_beside_the_placeholder_value() {
        let mut valid = Bitmap::new(3, true);
        valid.set(1, false);
        let data = ColumnData::VarChar(StrColumn::from_iter(["", "", "x"]));
        let column = Column { field: FieldId(1), data, validity: Some(valid) };
        let keys: Vec<_> = (0..4).map(|row| column.group_key(row)).collect();
        assert_eq!(keys, [Some(GroupKey::Text("")), Some(GroupKey::Null), Some(GroupKey::Text("x")), None]);
        assert_eq!(Column::new(FieldId(1), ColumnData::Float(vec![1.0])).group_key(0), None);
    }
}
