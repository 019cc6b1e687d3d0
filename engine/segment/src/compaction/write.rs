//! The output's column file.

use super::{Compaction, Part};
use crate::materialise::materialise;
use crate::sealed::{Heading, Rows, write_rows};
use crate::{Block, ColumnValues, Result, SegmentManifest};
use std::sync::Arc;
use vecraft_storage::Disk;
use vecraft_types::FieldSchema;

/// Takes an input's blocks and some of its rows, as pairs of block and row.
type EachPiece<'a> = &'a mut dyn FnMut(&[Block], &[(usize, usize)]) -> Result<()>;

/// Rows copied at a time.
const PIECE_ROWS: usize = 16 << 10;

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
    fn pieces(&self, each: EachPiece<'_>) -> Result<()> {
        let blocks = self.segment.blocks(self.segment.rows());
        let mut rows = Vec::with_capacity(PIECE_ROWS);
        let mut at = 0;
        for piece in self.kept.rows().chunks(PIECE_ROWS) {
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

impl Rows for Compaction {
    fn column(
        &self,
        field: &FieldSchema,
        each: &mut dyn FnMut(usize, ColumnValues<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut copied = |blocks: &[Block], rows: &[(usize, usize)]| {
            let batch = materialise(&self.schema, blocks, rows, &[field.id])?;
            batch.columns.iter().try_for_each(|column| each(rows.len(), ColumnValues::of(column)))
        };
        self.parts().iter().try_for_each(|part| part.pieces(&mut copied))
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
        self.parts().iter().try_for_each(|part| part.pieces(&mut copied))
    }
}
