//! A run of rows of a growing segment, in memory that never moves.

use super::column::ColumnBuffer;
use crate::buffer::AppendBuffer;
use crate::{ColumnValues, Result};
use std::ops::Range;
use vecraft_types::{CollectionSchema, Column, FieldId};

/// Rows `first_row..` of the segment, up to `capacity` of them; fewer when text filled up first.
pub(crate) struct Chunk {
    pub(crate) first_row: u32,
    capacity: usize,
    columns: Vec<ColumnBuffer>,
    positions: AppendBuffer<u64>,
    timestamps: AppendBuffer<u64>,
}

/// Which entry wrote the rows of an append.
pub(super) enum Stamps<'a> {
    /// One entry wrote all of them.
    Same { position: u64, timestamp: u64 },
    /// Rows restored from a file, each with its own.
    Each { positions: &'a [u64], timestamps: &'a [u64] },
}

impl Chunk {
    /// Reserves room; `text_bytes[i]` is for column `i` of the schema and counts for text columns only.
    pub(super) fn new(
        schema: &CollectionSchema,
        first_row: u32,
        capacity: usize,
        text_bytes: &[usize],
    ) -> Result<Chunk> {
        let columns = schema
            .fields
            .iter()
            .zip(text_bytes)
            .map(|(field, text)| ColumnBuffer::new(field, capacity, *text))
            .collect::<Result<Vec<_>>>()?;
        let (positions, timestamps) = (AppendBuffer::new(capacity)?, AppendBuffer::new(capacity)?);
        Ok(Chunk { first_row, capacity, columns, positions, timestamps })
    }

    /// Rows written so far, published or not.
    pub(super) fn rows_written(&self) -> usize {
        self.positions.as_slice().len()
    }

    /// How many of the batch's rows from `from` on fit. `columns` are in schema order.
    pub(super) fn fitting(&self, columns: &[&Column], from: usize, rows: usize) -> usize {
        let mut fitting = (rows - from).min(self.capacity - self.rows_written());
        for (buffer, column) in self.columns.iter().zip(columns) {
            let Some(mut room) = buffer.text_room() else { continue };
            let lengths = (from..from + fitting).map(|row| text_len(column, row));
            fitting = lengths
                .take_while(|length| {
                    let fits = *length <= room;
                    room = room.saturating_sub(*length);
                    fits
                })
                .count();
        }
        fitting
    }

    /// Appends rows that fit ([`Chunk::fitting`]; others panic).
    ///
    /// # Safety
    /// Only one thread at a time may append.
    pub(super) unsafe fn append(&self, columns: &[&Column], rows: Range<usize>, stamps: &Stamps<'_>) {
        let at = self.rows_written();
        // SAFETY: passed on to the caller. Positions come last: they tell how many rows are written.
        unsafe {
            for (buffer, column) in self.columns.iter().zip(columns) {
                buffer.append(at, column, rows.clone());
            }
            match stamps {
                Stamps::Same { position, timestamp } => {
                    self.timestamps.append_repeated(*timestamp, rows.len());
                    self.positions.append_repeated(*position, rows.len());
                }
                Stamps::Each { positions, timestamps } => {
                    self.timestamps.append(&timestamps[rows.clone()]);
                    self.positions.append(&positions[rows]);
                }
            }
        }
    }

    /// The first `rows` values of a field; `None` when the chunk has no such column.
    pub(crate) fn column(&self, field: FieldId, rows: usize) -> Option<ColumnValues<'_>> {
        self.columns.iter().find(|column| column.field == field).map(|column| column.read(rows))
    }

    pub(crate) fn positions(&self, rows: usize) -> &[u64] {
        &self.positions.as_slice()[..rows]
    }

    pub(crate) fn timestamps(&self, rows: usize) -> &[u64] {
        &self.timestamps.as_slice()[..rows]
    }

    /// Bytes reserved; pages not written yet cost no memory.
    pub(super) fn capacity_bytes(&self) -> usize {
        let stamps = self.positions.capacity_bytes() + self.timestamps.capacity_bytes();
        stamps + self.columns.iter().map(ColumnBuffer::capacity_bytes).sum::<usize>()
    }
}

/// Bytes of text of a row; 0 for columns that are not text.
pub(super) fn text_len(column: &Column, row: usize) -> usize {
    use vecraft_types::ColumnData::{Json, VarChar};
    match &column.data {
        VarChar(v) | Json(v) => v.get(row).len(),
        _ => 0,
    }
}
