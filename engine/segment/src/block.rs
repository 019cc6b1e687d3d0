//! A run of rows that can be read in place: a chunk of a growing segment, or a whole sealed one.
//!
//! All reading goes block by block, so that filters and distances see plain slices and know nothing about where
//! the rows are.

use crate::growing::Chunk;
use crate::sealed::ColumnFile;
use crate::{ColumnValues, Result};
use std::sync::Arc;
use vecraft_expr::Zones;
use vecraft_types::FieldId;

/// Rows `first_row..first_row + rows` of a segment. Holds the memory or mapping it shows.
#[derive(Clone)]
pub struct Block {
    first_row: u32,
    rows: u32,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Chunk(Arc<Chunk>),
    File(Arc<ColumnFile>),
}

impl Block {
    /// The caller has seen a published row count that covers these rows.
    pub(crate) fn from_chunk(chunk: Arc<Chunk>, rows: u32) -> Block {
        Block { first_row: chunk.first_row, rows, source: Source::Chunk(chunk) }
    }

    /// The first `rows` rows of a file, at most all.
    pub(crate) fn from_file(file: Arc<ColumnFile>, rows: u32) -> Block {
        Block { first_row: 0, rows: rows.min(file.rows()), source: Source::File(file) }
    }

    /// Number of the first row in the segment.
    pub fn first_row(&self) -> u32 {
        self.first_row
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Whether the rows are in a mapped file: what of them is not in memory comes from a disk.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// The column of a field; `None` when these rows were written before the field existed. A column of a file
    /// is verified when it is first used: an error names file and offset.
    pub fn column(&self, field: FieldId) -> Result<Option<ColumnValues<'_>>> {
        match &self.source {
            Source::Chunk(chunk) => Ok(chunk.column(field, self.rows())),
            Source::File(file) => file.column(field, self.rows()),
        }
    }

    /// The zone map of a field's column, where the rows are in a file and it has one: over these rows, and maybe more.
    pub(crate) fn zones(&self, field: FieldId) -> Result<Option<&Zones>> {
        match &self.source {
            Source::Chunk(_) => Ok(None),
            Source::File(file) => file.zones(field),
        }
    }

    /// The position of the entry that inserted each row: the row's version (I12).
    pub fn positions(&self) -> Result<&[u64]> {
        match &self.source {
            Source::Chunk(chunk) => Ok(chunk.positions(self.rows())),
            Source::File(file) => Ok(&file.positions()?[..self.rows()]),
        }
    }

    /// The timestamp with which each row was inserted.
    pub fn timestamps(&self) -> Result<&[u64]> {
        match &self.source {
            Source::Chunk(chunk) => Ok(chunk.timestamps(self.rows())),
            Source::File(file) => Ok(&file.timestamps()?[..self.rows()]),
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if matches!(self.source, Source::Chunk(_)) { "chunk" } else { "file" };
        write!(f, "Block({kind}, rows {} + {})", self.first_row, self.rows)
    }
}
