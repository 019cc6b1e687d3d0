//! The output's column file.

use super::{Compaction, Part};
use crate::materialise::materialise;
use crate::sealed::{Heading, Rows, write_rows};
use crate::{Block, ColumnValues, Result, SegmentManifest, Values};
use std::sync::Arc;
use vecraft_kernel::fetch_pages;
use vecraft_storage::Disk;
use vecraft_types::FieldSchema;

/// Takes an input's blocks and some of its rows, as pairs of block and row.
type EachPiece<'a> = &'a mut dyn FnMut(&[Block], &[(usize, usize)]) -> Result<()>;

/// Rows copied at a time.
const PIECE_ROWS: usize = 16 << 10;
/// Bytes of vectors copied, and asked of the disk, at a time.
const PIECE_BYTES: usize = 4 << 20;

impl Compaction {
    /// Writes the output to `path`, whose directory exists. The file is whole and durable, name included, when this
    /// returns, and its bytes are those of a segment into which the same rows were inserted (I22). Memory is for some
    /// thousand rows, whatever the output's size is.
    ///
    /// # Errors
    /// [`crate::Error::Storage`]: a disk that is full, damaged bytes of an input, with file and offset.
    pub fn write(&self, disk: &Arc<dyn Disk>, path: &str) -> Result<SegmentManifest> {
        let heading =
            Heading { segment: self.id, partition: self.partition, schema: &self.schema, rows: self.rows };
        write_rows(disk, path, heading, self)
    }
}

impl Part {
    /// The rows that go on, piece by piece, in order.
    fn pieces(&self, piece_rows: usize, each: EachPiece<'_>) -> Result<()> {
        let blocks = self.segment.blocks(self.segment.rows());
        let mut rows = Vec::with_capacity(piece_rows);
        let mut at = 0;
        for piece in self.kept.rows().chunks(piece_rows) {
            rows.clear();
            for row in piece {
                while blocks.get(at).is_some_and(|block| *row >= block.first_row() + block.rows() as u32) {
                    at += 1;
                }
                let Some(block) = blocks.get(at) else { break };
                rows.push((at, (*row - block.first_row()) as usize));
            }
            each(&blocks, &rows)?;
        }
        Ok(())
    }
}

/// Rows of a field that are copied at a time.
fn piece_rows(field: &FieldSchema) -> usize {
    let dim = field.data_type.dim().unwrap_or(0) as usize;
    let row_bytes =
        field.data_type.packed().map_or(dim * size_of::<f32>(), |(kind, dim)| kind.row_bytes(dim));
    (PIECE_BYTES / row_bytes.max(1)).clamp(1, PIECE_ROWS)
}

/// Asks for the vectors of some rows, if that is what the field holds: where an index is mapped the system was told that they are
/// read in no order, so that no page brings those behind it.
fn ask_for_vectors(field: &FieldSchema, blocks: &[Block], rows: &[(usize, usize)]) -> Result<()> {
    if field.data_type.dim().is_none() {
        return Ok(());
    }
    for of_block in rows.chunk_by(|one, next| one.0 == next.0) {
        let block = &blocks[of_block[0].0];
        let (bytes, width): (&[u8], usize) = match block.column(field.id)?.map(|column| column.values) {
            _ if !block.is_mapped() => continue,
            Some(Values::FloatVector { dim, values }) => {
                (bytemuck::cast_slice(values), dim * size_of::<f32>())
            }
            Some(Values::PackedVector { kind, dim, bytes }) => (bytes, kind.row_bytes(dim)),
            _ => continue,
        };
        fetch_pages(of_block.iter().map(|(_, row)| &bytes[row * width..(row + 1) * width]));
    }
    Ok(())
}

impl Rows for Compaction {
    fn column(
        &self,
        field: &FieldSchema,
        each: &mut dyn FnMut(usize, ColumnValues<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut copied = |blocks: &[Block], rows: &[(usize, usize)]| {
            ask_for_vectors(field, blocks, rows)?;
            let batch = materialise(&self.schema, blocks, rows, &[field.id])?;
            batch.columns.iter().try_for_each(|column| each(rows.len(), ColumnValues::of(column)))
        };
        self.parts().iter().try_for_each(|part| part.pieces(piece_rows(field), &mut copied))
    }

    fn positions(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
        self.numbers(|block| block.positions(), each)
    }

    fn timestamps(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
        self.numbers(|block| block.timestamps(), each)
    }
}

impl Compaction {
    fn numbers(
        &self,
        of: impl Fn(&Block) -> Result<&[u64]>,
        each: &mut dyn FnMut(&[u64]) -> Result<()>,
    ) -> Result<()> {
        let mut copied = |blocks: &[Block], rows: &[(usize, usize)]| {
            let columns = blocks.iter().map(&of).collect::<Result<Vec<_>>>()?;
            let numbers: Vec<u64> = rows.iter().map(|(block, row)| columns[*block][*row]).collect();
            each(&numbers)
        };
        self.parts().iter().try_for_each(|part| part.pieces(PIECE_ROWS, &mut copied))
    }
}
