//! Columns between the wire and [`vecraft_types::Column`].
//!
//! Vectors travel as one array of floats, or of bytes, in both forms, so they are moved, never copied row by row.

mod input;
mod output;

pub(crate) use input::{finite, rows};
pub(crate) use output::{field_data, ids, ids_of};
