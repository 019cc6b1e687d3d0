//! What a column file holds and where.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use vecraft_storage::BlockFile;
use vecraft_types::{
    CollectionSchema, DataType, FieldId, FieldSchema, LogPosition, Packed, PartitionId, SegmentId, Timestamp,
};

/// Kind of a column file in its envelope.
pub(crate) const KIND: [u8; 4] = *b"SEGM";
/// Newest layout this release writes and reads.
pub const SEGMENT_FORMAT: u32 = 1;
/// Alignment of every column in bytes.
pub(super) const ALIGNMENT: u64 = 64;
/// Bytes after the directory: its start and length.
pub(super) const TRAILER_BYTES: u64 = 16;

/// A file as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileManifest {
    /// Path below the disk's root.
    pub path: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Stands for every byte of the content; equal on all replicas (I22).
    pub checksum: u64,
}

/// What a checkpoint remembers about a segment's files. A function of the log up to the seal, paths aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentManifest {
    /// The segment.
    pub segment: SegmentId,
    /// Its partition.
    pub partition: PartitionId,
    /// Version of the schema its rows were written under.
    pub schema_version: u32,
    /// Rows in the file, deleted ones included.
    pub rows: u32,
    /// Entry that inserted the last row; 0 when there is none.
    pub last_position: LogPosition,
    /// Timestamp of the last row; 0 when there is none.
    pub last_timestamp: Timestamp,
    /// Its files; one today.
    pub files: Vec<FileManifest>,
}

/// Bytes of the data part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Extent {
    pub(super) fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.length)
    }
}

/// Where one column is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ColumnEntry {
    pub(super) field: FieldId,
    pub(super) data_type: DataType,
    /// Values; for text, where each string ends.
    pub(super) values: Extent,
    pub(super) text: Option<Extent>,
    /// One bit a row, in u64 words.
    pub(super) validity: Option<Extent>,
}

/// The last part of the data: everything needed to find the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Directory {
    pub(super) segment: SegmentId,
    pub(super) partition: PartitionId,
    pub(super) schema_version: u32,
    pub(super) rows: u32,
    pub(super) columns: Vec<ColumnEntry>,
    pub(super) positions: Extent,
    pub(super) timestamps: Extent,
}

impl Directory {
    /// Reads and checks the directory of a file.
    pub(super) fn read(file: &BlockFile) -> Result<Directory> {
        let end = file.info().data_bytes;
        let corrupt =
            |at: u64, what: String| Error::from(vecraft_storage::Error::corrupt(file.path(), at, what));
        let Some(at) = end.checked_sub(TRAILER_BYTES) else {
            return Err(corrupt(end, "file ends before its directory".to_owned()));
        };
        let trailer = file.bytes(at..end)?;
        let number =
            |i: usize| trailer[i..i + 8].iter().rev().fold(0u64, |v, byte| v << 8 | u64::from(*byte));
        let extent = Extent { start: number(0), length: number(8) };
        if extent.range().end != at {
            return Err(corrupt(at, format!("directory of {} bytes does not end here", extent.length)));
        }
        let directory: Directory = serde_json::from_slice(file.bytes(extent.range())?)
            .map_err(|error| corrupt(extent.start, format!("directory cannot be read: {error}")))?;
        directory.check(extent.start).map_err(|what| corrupt(extent.start, what))?;
        Ok(directory)
    }

    /// Every extent lies before the directory, starts aligned and has the length its type needs.
    fn check(&self, data_end: u64) -> std::result::Result<(), String> {
        let rows = u64::from(self.rows);
        let check = |what: &str, extent: &Extent, wanted: Option<u64>| {
            let is_inside = extent.start.checked_add(extent.length).is_some_and(|end| end <= data_end);
            if !is_inside
                || !extent.start.is_multiple_of(ALIGNMENT)
                || wanted.is_some_and(|n| n != extent.length)
            {
                return Err(format!(
                    "{what} at {} + {} does not fit {rows} rows",
                    extent.start, extent.length
                ));
            }
            Ok(())
        };
        check("positions", &self.positions, Some(rows * 8))?;
        check("timestamps", &self.timestamps, Some(rows * 8))?;
        for column in &self.columns {
            let what = format!("field {}", column.field);
            check(&what, &column.values, Some(rows.saturating_mul(value_bytes(&column.data_type))))?;
            let is_text = matches!(column.data_type, DataType::VarChar { .. } | DataType::Json);
            match &column.text {
                Some(text) if is_text => check(&what, text, None)?,
                None if !is_text => {}
                _ => return Err(format!("{what} has text where it should not, or lacks it")),
            }
            if let Some(validity) = &column.validity {
                check(&what, validity, Some(rows.div_ceil(64) * 8))?;
            }
        }
        Ok(())
    }

    /// The columns must be those of the schema version the file was written under, as far as it still has them. A field
    /// without them was added since, so it can be null or has a default.
    pub(super) fn check_schema(&self, schema: &CollectionSchema, path: &str) -> Result<()> {
        let is_needed =
            |field: &&FieldSchema| !field.nullable && field.default_value.is_none() && !field.is_dynamic;
        for field in schema.fields.iter().filter(is_needed) {
            if !self.columns.iter().any(|column| column.field == field.id) {
                let what = format!("field {:?} has no column in the file", field.name);
                return Err(vecraft_storage::Error::corrupt(path, 0, what).into());
            }
        }
        for column in &self.columns {
            let Some(field) = schema.field_by_id(column.field) else { continue };
            if column.validity.is_some() && !field.nullable {
                let what = format!("field {:?} has nulls in the file, which the schema forbids", field.name);
                return Err(vecraft_storage::Error::corrupt(path, 0, what).into());
            }
            if !same_kind(&field.data_type, &column.data_type) {
                let what = format!(
                    "field {:?} is {} in the schema, {} in the file",
                    field.name,
                    field.data_type.name(),
                    column.data_type.name()
                );
                return Err(vecraft_storage::Error::corrupt(path, 0, what).into());
            }
        }
        Ok(())
    }
}

/// Equal but for a varchar's limit, which may be raised.
fn same_kind(a: &DataType, b: &DataType) -> bool {
    matches!((a, b), (DataType::VarChar { .. }, DataType::VarChar { .. })) || a == b
}

/// Bytes a row takes in the values of a column.
fn value_bytes(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Bool | DataType::Int8 => 1,
        DataType::Int16 => 2,
        DataType::Int32 | DataType::Float | DataType::VarChar { .. } | DataType::Json => 4,
        DataType::Int64 | DataType::Double => 8,
        DataType::FloatVector { dim } => u64::from(*dim) * 4,
        DataType::BinaryVector { dim } => Packed::Bit.row_bytes(*dim) as u64,
        DataType::Float16Vector { dim } => Packed::Float16.row_bytes(*dim) as u64,
        DataType::BFloat16Vector { dim } => Packed::BFloat16.row_bytes(*dim) as u64,
        DataType::Int8Vector { dim } => Packed::Int8.row_bytes(*dim) as u64,
    }
}
