//! Writing rows as one column file.

use super::layout::{ALIGNMENT, ColumnEntry, Directory, Extent, KIND};
use super::{FileManifest, SEGMENT_FORMAT, SegmentManifest};
use crate::{Block, ColumnValues, Error, GrowingSegment, Result, Values};
use std::sync::Arc;
use vecraft_storage::{BlockWriter, Disk};
use vecraft_types::{
    Bitmap, CollectionSchema, DataType, FieldSchema, LogPosition, PartitionId, SegmentId, Timestamp,
};

/// Writes the first `rows` rows of a segment to `path` (its directory exists) and returns what a checkpoint
/// keeps. The file is whole and durable, name included, when this returns; before that nothing is visible.
///
/// Used for both: a seal (`rows` decided by the log) and the *tail file* of a checkpoint ([`restore`]).
/// The bytes depend on the rows, ids and schema only, never on time, chunk sizes, deletes or machine (I22).
/// Errors: [`Error::UnknownRow`] when the segment has fewer rows, [`Error::Storage`].
///
/// [`restore`]: crate::restore
pub fn write_segment(
    disk: &Arc<dyn Disk>,
    path: &str,
    segment: &GrowingSegment,
    rows: u32,
) -> Result<SegmentManifest> {
    let blocks = segment.blocks(rows);
    let found: usize = blocks.iter().map(Block::rows).sum();
    if found != rows as usize {
        return Err(Error::UnknownRow {
            segment: segment.id(),
            row: rows.saturating_sub(1),
            rows: segment.rows(),
        });
    }
    let heading =
        Heading { segment: segment.id(), partition: segment.partition(), schema: segment.schema(), rows };
    write_rows(disk, path, heading, &blocks[..])
}

/// What a file says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Heading<'a> {
    pub segment: SegmentId,
    pub partition: PartitionId,
    pub schema: &'a CollectionSchema,
    pub rows: u32,
}

/// Rows to be written: each column in pieces, all of them in the same row order.
pub(crate) trait Rows {
    /// Calls `each` with the number of rows and the values of every piece.
    fn column(
        &self,
        field: &FieldSchema,
        each: &mut dyn FnMut(usize, ColumnValues<'_>) -> Result<()>,
    ) -> Result<()>;
    /// The position of the entry that inserted each row.
    fn positions(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()>;
    /// The timestamp with which each row was inserted.
    fn timestamps(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()>;
}

impl Rows for [Block] {
    fn column(
        &self,
        field: &FieldSchema,
        each: &mut dyn FnMut(usize, ColumnValues<'_>) -> Result<()>,
    ) -> Result<()> {
        let missing = || Error::Field { field: field.id, what: "has no column in this segment".to_owned() };
        self.iter().try_for_each(|block| each(block.rows(), block.column(field.id)?.ok_or_else(missing)?))
    }

    fn positions(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|block| each(block.positions()?))
    }

    fn timestamps(&self, each: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|block| each(block.timestamps()?))
    }
}

/// Writes a column file: see [`write_segment`].
pub(crate) fn write_rows<R: Rows + ?Sized>(
    disk: &Arc<dyn Disk>,
    path: &str,
    heading: Heading<'_>,
    rows: &R,
) -> Result<SegmentManifest> {
    let mut out = Writer { file: BlockWriter::create(Arc::clone(disk), path, KIND, SEGMENT_FORMAT)? };
    let mut columns = Vec::with_capacity(heading.schema.fields.len());
    for field in &heading.schema.fields {
        columns.push(out.column(field, rows)?);
    }
    let (mut last_position, mut last_timestamp) = (0, 0);
    let positions = out.extent(|out| {
        rows.positions(&mut |values| {
            last_position = values.last().copied().unwrap_or(last_position);
            out.numbers(values)
        })
    })?;
    let timestamps = out.extent(|out| {
        rows.timestamps(&mut |values| {
            last_timestamp = values.last().copied().unwrap_or(last_timestamp);
            out.numbers(values)
        })
    })?;
    let directory = Directory {
        segment: heading.segment,
        partition: heading.partition,
        schema_version: heading.schema.version,
        rows: heading.rows,
        columns,
        positions,
        timestamps,
    };
    let info = out.finish(&directory)?;
    Ok(SegmentManifest {
        segment: heading.segment,
        partition: heading.partition,
        schema_version: directory.schema_version,
        rows: heading.rows,
        last_position: LogPosition(last_position),
        last_timestamp: Timestamp(last_timestamp),
        files: vec![FileManifest { path: path.to_owned(), bytes: info.file_bytes, checksum: info.checksum }],
    })
}

struct Writer {
    file: BlockWriter,
}

impl Writer {
    /// Aligns, lets `write` write, and says where.
    fn extent(&mut self, write: impl FnOnce(&mut Writer) -> Result<()>) -> Result<Extent> {
        let start = self.file.align(ALIGNMENT)?;
        write(self)?;
        Ok(Extent { start, length: self.file.position() - start })
    }

    fn numbers<T: bytemuck::NoUninit>(&mut self, values: &[T]) -> Result<()> {
        Ok(self.file.write(bytemuck::cast_slice(values))?)
    }

    fn column<R: Rows + ?Sized>(&mut self, field: &FieldSchema, rows: &R) -> Result<ColumnEntry> {
        let is_text = matches!(field.data_type, DataType::VarChar { .. } | DataType::Json);
        let values = self.extent(|out| {
            let mut text_bytes = 0u64;
            rows.column(field, &mut |_, column| out.values(column.values, &mut text_bytes))
        })?;
        let text = |out: &mut Writer| {
            rows.column(field, &mut |_, column| {
                if let Values::VarChar(texts) | Values::Json(texts) = column.values {
                    out.file.write(texts.text())?;
                }
                Ok(())
            })
        };
        let text = if is_text { Some(self.extent(text)?) } else { None };
        let validity = if field.nullable { Some(self.validity(field, rows)?) } else { None };
        Ok(ColumnEntry { field: field.id, data_type: field.data_type, values, text, validity })
    }

    /// Values as they are; for text where each string ends, counted over all blocks.
    fn values(&mut self, values: Values<'_>, text_bytes: &mut u64) -> Result<()> {
        match values {
            Values::Bool(v) => self.numbers(v),
            Values::Int8(v) => self.numbers(v),
            Values::Int16(v) => self.numbers(v),
            Values::Int32(v) => self.numbers(v),
            Values::Int64(v) => self.numbers(v),
            Values::Float(v) => self.numbers(v),
            Values::Double(v) => self.numbers(v),
            Values::FloatVector { values, .. } => self.numbers(values),
            Values::PackedVector { bytes, .. } => self.numbers(bytes),
            Values::VarChar(texts) | Values::Json(texts) => {
                let base = *text_bytes;
                *text_bytes += texts.text().len() as u64;
                if *text_bytes > u64::from(u32::MAX) {
                    return Err(Error::Schema("a text column of a segment is limited to 4 GiB".to_owned()));
                }
                let ends: Vec<u32> = texts.ends().iter().map(|end| *end + base as u32).collect();
                self.numbers(&ends)
            }
        }
    }

    fn validity<R: Rows + ?Sized>(&mut self, field: &FieldSchema, rows: &R) -> Result<Extent> {
        let mut all = Bitmap::default();
        rows.column(field, &mut |count, column| {
            (0..count).for_each(|row| all.push(!column.is_null(row)));
            Ok(())
        })?;
        self.extent(|out| out.numbers(all.words()))
    }

    fn finish(mut self, directory: &Directory) -> Result<vecraft_storage::BlockFileInfo> {
        let json = serde_json::to_vec(directory)
            .map_err(|error| Error::Schema(format!("directory cannot be written: {error}")))?;
        let start = self.file.align(ALIGNMENT)?;
        self.file.write(&json)?;
        self.file.write(&start.to_le_bytes())?;
        self.file.write(&(json.len() as u64).to_le_bytes())?;
        Ok(self.file.finish()?)
    }
}
