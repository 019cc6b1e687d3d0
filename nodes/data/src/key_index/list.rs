//! The rows of a key that has several, oldest first.

use std::collections::BTreeSet;
use vecraft_types::{LogPosition, RowRef, SegmentId};

/// In the order of entries, also when a restart reads a compacted segment after others with newer rows.
type ByAge = (LogPosition, u32, SegmentId);

/// So many rows lie in a vector; with more, finding a place in the middle of one would take too long.
const FEW: usize = 64;
/// A node of the B-tree has at least five of eleven rows.
const TREE_ROW_BYTES: usize = 11 * size_of::<ByAge>() / 5 + 8;

/// Rows of one key, each once.
#[derive(Debug)]
pub enum List {
    Few(Vec<ByAge>),
    Many(BTreeSet<ByAge>),
}

fn by_age(row: &RowRef) -> ByAge {
    (row.position, row.row, row.segment)
}

fn row_of(&(position, row, segment): &ByAge) -> RowRef {
    RowRef { segment, row, position }
}

impl List {
    /// A list of these rows.
    pub fn of(rows: impl IntoIterator<Item = RowRef>) -> List {
        let mut rows: Vec<ByAge> = rows.into_iter().map(|row| by_age(&row)).collect();
        rows.sort_unstable();
        rows.dedup();
        if rows.len() > FEW {
            return List::Many(rows.into_iter().collect());
        }
        rows.shrink_to_fit();
        List::Few(rows)
    }

    /// Adds a row; false when it is there already.
    pub fn add(&mut self, row: &RowRef) -> bool {
        let row = by_age(row);
        match self {
            List::Many(rows) => rows.insert(row),
            List::Few(rows) => {
                let Err(at) = rows.binary_search(&row) else { return false };
                rows.insert(at, row);
                if rows.len() > FEW {
                    *self = List::Many(std::mem::take(rows).into_iter().collect());
                }
                true
            }
        }
    }

    /// Takes a row out; false when it is not there.
    pub fn remove(&mut self, row: &RowRef) -> bool {
        let row = by_age(row);
        match self {
            List::Many(rows) => {
                let is_there = rows.remove(&row);
                if rows.len() <= FEW / 2 {
                    *self = List::Few(std::mem::take(rows).into_iter().collect());
                }
                is_there
            }
            List::Few(rows) => {
                let found = rows.binary_search(&row);
                found.map(|at| rows.remove(at)).is_ok()
            }
        }
    }

    pub fn rows(&self) -> Vec<RowRef> {
        match self {
            List::Few(rows) => rows.iter().map(row_of).collect(),
            List::Many(rows) => rows.iter().map(row_of).collect(),
        }
    }

    pub fn newest(&self) -> Option<RowRef> {
        match self {
            List::Few(rows) => rows.last(),
            List::Many(rows) => rows.last(),
        }
        .map(row_of)
    }

    pub fn len(&self) -> usize {
        match self {
            List::Few(rows) => rows.len(),
            List::Many(rows) => rows.len(),
        }
    }

    /// Bytes allocated, and at most so many where a tree does not tell.
    pub fn bytes(&self) -> usize {
        match self {
            List::Few(rows) => rows.capacity() * size_of::<ByAge>(),
            List::Many(rows) => rows.len() * TREE_ROW_BYTES,
        }
    }
}
