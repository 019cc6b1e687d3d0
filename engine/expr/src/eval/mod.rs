//! A plan meets the rows of one chunk.
//!
//! [`Chunk::select`] answers which of some rows are surely in. The rows handed down shrink on the way: the second
//! part of an `and` sees what the first has let through, the second part of an `or` what the first has not taken.

mod columns;
mod indexed;
mod json;
mod lanes;
mod rows;
mod vector;

use crate::plan::{ColumnRef, PathRef, Plan, Test};
use crate::{ColumnSource, ColumnView, FieldIndex, Zones};
use json::Documents;
use std::cell::OnceCell;
use vecraft_types::{Bitmap, Error, Result};

pub(crate) use json::{Found, PathTree};

/// The columns of one chunk, and what has been read from its documents so far.
pub(crate) struct Chunk<'a> {
    paths: &'a [PathRef],
    rows: usize,
    /// By slot.
    views: Vec<ColumnView<'a>>,
    columns: &'a [ColumnRef],
    source: &'a dyn ColumnSource,
    /// By slot, asked for when a test can use one.
    zones: Vec<OnceCell<Option<&'a Zones>>>,
    /// By slot.
    indexes: Vec<Vec<&'a dyn FieldIndex>>,
    documents: Documents,
}

impl<'a> Chunk<'a> {
    /// Borrows the columns that the plan reads; an error when one is missing, too short or of another type.
    pub(crate) fn new(
        columns: &'a [ColumnRef],
        paths: &'a [PathRef],
        source: &'a dyn ColumnSource,
        rows: usize,
    ) -> Result<Chunk<'a>> {
        let views = columns.iter().map(|column| view(column, source, rows)).collect::<Result<Vec<_>>>()?;
        let zones = columns.iter().map(|_| OnceCell::new()).collect();
        let indexes = columns.iter().map(|column| source.indexes(column.field)).collect();
        Ok(Chunk {
            paths,
            rows,
            views,
            columns,
            source,
            zones,
            indexes,
            documents: Documents::new(columns.len(), paths.len()),
        })
    }

    /// The rows of `alive` for which the plan is true. The recursion is as deep as the plan, which is bounded.
    pub(crate) fn select(&mut self, plan: &Plan, alive: &Bitmap) -> Bitmap {
        match plan {
            Plan::Constant(true) => alive.clone(),
            Plan::Constant(false) => Bitmap::new(self.rows, false),
            Plan::And(parts) => {
                let mut rest = alive.clone();
                for part in self.cheap_first(parts, alive) {
                    if is_blank(&rest) {
                        break;
                    }
                    rest = self.select(part, &rest);
                }
                rest
            }
            Plan::Or(parts) => {
                let (mut found, mut rest) = (Bitmap::new(self.rows, false), alive.clone());
                for part in self.cheap_first(parts, alive) {
                    if is_blank(&rest) {
                        break;
                    }
                    let hits = self.select(part, &rest);
                    rest.and_not(&hits);
                    found.or(&hits);
                }
                found
            }
            Plan::Leaf { test, is_negated } => self.leaf(test, *is_negated, alive),
        }
    }

    fn leaf(&mut self, test: &Test, is_negated: bool, alive: &Bitmap) -> Bitmap {
        match self.by_index(test, is_negated, alive) {
            Some(found) => found,
            None => self.by_loop(test, is_negated, alive),
        }
    }

    /// Looks at the value of every row that is alive.
    fn by_loop(&mut self, test: &Test, is_negated: bool, alive: &Bitmap) -> Bitmap {
        let paths = self.paths;
        for path in test.paths() {
            let slot = paths[path].slot;
            self.documents.read(slot, &self.views[slot], paths, alive);
        }
        let words = if let Test::ColumnIsNull { slot } = test {
            self.nulls(*slot, is_negated, alive)
        } else if let Some((slot, words)) = self.by_column(test, alive) {
            self.known(slot, words, is_negated, alive)
        } else if let Test::Compare { op, left, right } = test
            && self.fits_lanes(left, right)
        {
            self.compare_lanes(*op, left, right, is_negated, alive.words())
        } else {
            self.by_row(test, is_negated, alive)
        };
        Bitmap::from_words(self.rows, words)
    }

    fn nulls(&self, slot: usize, is_negated: bool, alive: &Bitmap) -> Vec<u64> {
        let flip = if is_negated { 0 } else { !0 };
        (0..alive.words().len()).map(|i| (self.valid(slot, i) ^ flip) & alive.words()[i]).collect()
    }

    /// Which of the 64 rows of a word have a value.
    fn valid(&self, slot: usize, word: usize) -> u64 {
        self.views[slot].validity.map_or(!0, |valid| valid.get(word).copied().unwrap_or(0))
    }

    /// Keeps the rows that are alive, not null, and on the wanted side of the test.
    fn known(&self, slot: usize, mut words: Vec<u64>, is_negated: bool, alive: &Bitmap) -> Vec<u64> {
        let flip = if is_negated { !0 } else { 0 };
        for (i, (word, live)) in words.iter_mut().zip(alive.words()).enumerate() {
            *word = (*word ^ flip) & live & self.valid(slot, i);
        }
        words
    }
}

fn is_blank(bitmap: &Bitmap) -> bool {
    bitmap.words().iter().all(|word| *word == 0)
}

fn view<'a>(column: &ColumnRef, source: &'a dyn ColumnSource, rows: usize) -> Result<ColumnView<'a>> {
    let fault = |text: &str| Err(Error::internal(text).with("field", &column.name));
    let Some(view) = source.column(column.field) else {
        return fault("the filter needs a column that is not at hand");
    };
    if !view.values.is_of(&column.data_type) {
        return fault("the column at hand has another type than the filter was made for");
    }
    if view.values.rows() < rows {
        return fault("the column at hand has too few rows for the filter");
    }
    Ok(view)
}
