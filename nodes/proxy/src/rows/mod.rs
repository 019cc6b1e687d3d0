//! From a user's rows to rows of the schema: checked, completed, cut into pieces.
//!
//! Everything is checked before anything is written. Pure: no service is asked here.

mod complete;
mod duplicates;
mod split;
mod values;

pub(crate) use complete::{adapt, add_made_keys, complete, needs_made_keys};
pub(crate) use duplicates::rows_to_write;
pub(crate) use split::{Piece, split_keys, split_rows};
pub(crate) use values::first_not_finite;

use vecraft_types::{CollectionSchema, Error, PrimaryKey, Result, RowBatch};

/// Why rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// New rows; what happens to living keys is the collection's rule.
    Insert,
    /// Rows that replace those with the same key.
    Upsert,
}

/// The keys of a completed batch, row by row.
pub(crate) fn keys(schema: &CollectionSchema, rows: &RowBatch) -> Result<Vec<PrimaryKey>> {
    let primary = crate::names::primary_field(schema)?;
    let column = rows.column(primary.id).ok_or_else(|| Error::internal("rows without their primary key"))?;
    let keys: Option<Vec<PrimaryKey>> = (0..rows.rows).map(|row| column.data.key(row)).collect();
    keys.ok_or_else(|| Error::internal("the primary key column cannot be one"))
}
