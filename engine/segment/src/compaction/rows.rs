//! The rows of one input that go on.

use crate::Deletes;
use std::sync::Arc;
use vecraft_types::LogPosition;

/// Row numbers of an input, ascending. Cloning costs a reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    rows: Arc<[u32]>,
}

impl Kept {
    /// Of the first `rows` rows those that no entry up to `floor` deleted.
    pub fn of(deletes: &Deletes, rows: u32, floor: LogPosition) -> Kept {
        let rows = match deletes.live(0, rows, floor) {
            Some(live) => live.iter_ones().map(|row| row as u32).collect(),
            None => (0..rows).collect(),
        };
        Kept { rows }
    }

    /// How many.
    pub fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    /// True when no row goes on.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row numbers.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The how manieth of those that go on a row is.
    pub fn place(&self, row: u32) -> Option<u32> {
        self.rows.binary_search(&row).ok().map(|at| at as u32)
    }

    /// Of these rows, which are numbered from `first` in an output, those that `output` keeps.
    pub(super) fn only(&self, output: &Kept, first: u32) -> Kept {
        let from = output.rows.partition_point(|row| *row < first);
        let to = output.rows.partition_point(|row| *row < first + self.len());
        let rows = output.rows[from..to].iter().map(|row| self.rows[(*row - first) as usize]).collect();
        Kept { rows }
    }
}
