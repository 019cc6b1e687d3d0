//! A column file open for reading. Columns are verified when first used, then read in place.

use super::layout::{ColumnEntry, Directory, Extent, FileManifest, KIND};
use super::{SEGMENT_FORMAT, SegmentManifest};
use crate::{ColumnValues, Error, Result, Texts, Values};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::OnceLock;
use vecraft_expr::Zones;
use vecraft_index::VectorRows;
use vecraft_storage::{BlockFile, Disk};
use vecraft_types::{Bitmap, CollectionSchema, DataType, FieldId, Packed};

#[cfg(target_endian = "big")]
compile_error!("column files are read in place as little-endian numbers");

/// Whether a file holds what a manifest lists, by its envelope and the sums in it; its blocks are not read.
///
/// # Errors
/// What differs, with path and offset; a file that is not there.
pub fn match_file(disk: &dyn Disk, listed: &FileManifest) -> Result<()> {
    open_listed(disk, listed).map(drop)
}

/// As [`match_file`], and every byte is verified: for a file that came from another node.
///
/// # Errors
/// As [`match_file`]; a damaged block.
pub fn verify_file(disk: &dyn Disk, listed: &FileManifest) -> Result<()> {
    Ok(open_listed(disk, listed)?.verify_all()?)
}

fn open_listed(disk: &dyn Disk, listed: &FileManifest) -> Result<BlockFile> {
    let file = BlockFile::open(disk, &listed.path, KIND, SEGMENT_FORMAT)?;
    let info = file.info();
    if (info.file_bytes, info.checksum) == (listed.bytes, listed.checksum) {
        return Ok(file);
    }
    let what = format!(
        "{} bytes with checksum {:016x}, the manifest says {} with {:016x}",
        info.file_bytes, info.checksum, listed.bytes, listed.checksum
    );
    Err(vecraft_storage::Error::corrupt(&listed.path, 0, what).into())
}

/// Mapped columns. Nothing is believed before its checksum was right.
pub(crate) struct ColumnFile {
    file: BlockFile,
    directory: Directory,
    /// What was verified and prepared of each column, in directory order.
    prepared: Vec<OnceLock<Prepared>>,
    stamps_verified: OnceLock<()>,
}

/// Parts of a column that cannot be read in place.
struct Prepared {
    validity: Option<Bitmap>,
    /// Booleans are copied: a byte other than 0 or 1 must never be read as one.
    bools: Option<Box<[bool]>>,
    /// Made when a filter first asks.
    zones: OnceLock<Option<Zones>>,
}

impl ColumnFile {
    /// Maps the file, checks envelope, sums and directory, and compares them with the manifest.
    pub(crate) fn open(
        disk: &dyn Disk,
        manifest: &SegmentManifest,
        schema: &CollectionSchema,
    ) -> Result<ColumnFile> {
        let [listed] = manifest.files.as_slice() else {
            let text =
                format!("segment {} lists {} files, one is expected", manifest.segment, manifest.files.len());
            return Err(Error::Schema(text));
        };
        let file = open_listed(disk, listed)?;
        let directory = Directory::read(&file)?;
        if (directory.segment, directory.partition, directory.rows)
            != (manifest.segment, manifest.partition, manifest.rows)
        {
            let what = format!("holds {} rows of segment {}", directory.rows, directory.segment);
            let at = file.info().data_bytes;
            return Err(vecraft_storage::Error::corrupt(&listed.path, at, what).into());
        }
        directory.check_schema(schema, &listed.path)?;
        let prepared = directory.columns.iter().map(|_| OnceLock::new()).collect();
        Ok(ColumnFile { file, directory, prepared, stamps_verified: OnceLock::new() })
    }

    pub(crate) fn rows(&self) -> u32 {
        self.directory.rows
    }

    /// Bytes on disk.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file.info().file_bytes
    }

    /// Verifies every byte.
    pub(crate) fn verify(&self) -> Result<()> {
        (0..self.prepared.len()).try_for_each(|at| self.prepare(at).map(|_| ()))?;
        Ok(self.file.verify_all()?)
    }

    /// The first `rows` values of a field; `None` when the file has no such column.
    pub(crate) fn column(&self, field: FieldId, rows: usize) -> Result<Option<ColumnValues<'_>>> {
        let Some(at) = self.directory.columns.iter().position(|column| column.field == field) else {
            return Ok(None);
        };
        let prepared = self.prepare(at)?;
        let entry = &self.directory.columns[at];
        let values = match entry.data_type {
            DataType::Bool => {
                Values::Bool(prepared.bools.as_deref().and_then(|v| v.get(..rows)).unwrap_or(&[]))
            }
            DataType::Int8 => Values::Int8(self.numbers(&entry.values, rows)?),
            DataType::Int16 => Values::Int16(self.numbers(&entry.values, rows)?),
            DataType::Int32 => Values::Int32(self.numbers(&entry.values, rows)?),
            DataType::Int64 => Values::Int64(self.numbers(&entry.values, rows)?),
            DataType::Float => Values::Float(self.numbers(&entry.values, rows)?),
            DataType::Double => Values::Double(self.numbers(&entry.values, rows)?),
            DataType::VarChar { .. } => Values::VarChar(self.texts(entry, rows)?),
            DataType::Json => Values::Json(self.texts(entry, rows)?),
            DataType::FloatVector { dim } => {
                let dim = dim as usize;
                Values::FloatVector { dim, values: self.numbers(&entry.values, rows * dim)? }
            }
            DataType::BinaryVector { dim } => self.packed(entry, Packed::Bit, dim, rows)?,
            DataType::Float16Vector { dim } => self.packed(entry, Packed::Float16, dim, rows)?,
            DataType::BFloat16Vector { dim } => self.packed(entry, Packed::BFloat16, dim, rows)?,
            DataType::Int8Vector { dim } => self.packed(entry, Packed::Int8, dim, rows)?,
        };
        let validity = prepared.validity.as_ref().map(|valid| {
            if rows == valid.len() {
                return Cow::Borrowed(valid);
            }
            Cow::Owned(Bitmap::from_words(rows, valid.words()[..rows.div_ceil(64)].to_vec()))
        });
        Ok(Some(ColumnValues { values, validity }))
    }

    /// The zone map of a numeric column of many rows, made when it is first asked for.
    pub(crate) fn zones(&self, field: FieldId) -> Result<Option<&Zones>> {
        let Some(at) = self.directory.columns.iter().position(|column| column.field == field) else {
            return Ok(None);
        };
        let prepared = self.prepare(at)?;
        if let Some(zones) = prepared.zones.get() {
            return Ok(zones.as_ref());
        }
        let column = self.column(field, self.directory.rows as usize)?;
        let zones =
            column.and_then(|column| column.values.for_filters()).and_then(|values| Zones::of(&values));
        Ok(prepared.zones.get_or_init(|| zones).as_ref())
    }

    /// Bytes of memory beside the mapping that the zone maps take.
    pub(crate) fn zone_bytes(&self) -> u64 {
        let prepared = self.prepared.iter().filter_map(OnceLock::get);
        let zones = prepared.filter_map(|column| column.zones.get()?.as_ref());
        zones.map(|zones| zones.bytes() as u64).sum()
    }

    pub(crate) fn positions(&self) -> Result<&[u64]> {
        self.verify_stamps()?;
        self.numbers(&self.directory.positions, self.directory.rows as usize)
    }

    pub(crate) fn timestamps(&self) -> Result<&[u64]> {
        self.verify_stamps()?;
        self.numbers(&self.directory.timestamps, self.directory.rows as usize)
    }

    /// A vector column as indexes take it, verified, read in place from the mapping.
    pub(crate) fn vector_rows(&self, field: FieldId) -> Result<VectorRows> {
        let at = self.directory.columns.iter().position(|column| column.field == field);
        let entry = at.map(|at| (at, &self.directory.columns[at]));
        let entry = entry.and_then(|(at, entry)| Some((at, entry, entry.data_type.dim()?)));
        let Some((at, ColumnEntry { data_type, values, .. }, dim)) = entry else {
            return Err(Error::Field { field, what: "is no vector column of this segment".to_owned() });
        };
        self.prepare(at)?;
        let (dim, rows) = (dim as usize, self.directory.rows as usize);
        let bytes = Bytes::from_owner(Slice { file: self.file.clone(), extent: *values });
        Ok(match data_type.packed() {
            None => VectorRows::from_bytes(dim, dim, rows, bytes)?,
            Some((kind, _)) => VectorRows::from_packed(kind, dim, rows, bytes)?,
        })
    }

    fn verify_stamps(&self) -> Result<()> {
        if self.stamps_verified.get().is_none() {
            self.file.bytes(self.directory.positions.range())?;
            self.file.bytes(self.directory.timestamps.range())?;
            let _ = self.stamps_verified.set(());
        }
        Ok(())
    }

    /// Verifies a column once and prepares what cannot be read in place.
    fn prepare(&self, at: usize) -> Result<&Prepared> {
        if let Some(prepared) = self.prepared[at].get() {
            return Ok(prepared);
        }
        let entry = &self.directory.columns[at];
        let rows = self.directory.rows as usize;
        let corrupt =
            |offset, what: &str| Error::from(vecraft_storage::Error::corrupt(self.file.path(), offset, what));
        let values = self.file.bytes(entry.values.range())?;
        let mut bools = None;
        if entry.data_type == DataType::Bool {
            if values.iter().any(|byte| *byte > 1) {
                return Err(corrupt(entry.values.start, "a boolean is neither 0 nor 1"));
            }
            bools = Some(values.iter().map(|byte| *byte == 1).collect());
        }
        if let Some(extent) = &entry.text {
            let text = std::str::from_utf8(self.file.bytes(extent.range())?)
                .map_err(|_| corrupt(extent.start, "text is not UTF-8"))?;
            let ends: &[u32] = self.numbers(&entry.values, rows)?;
            let is_sorted = ends.is_sorted() && ends.iter().all(|end| text.is_char_boundary(*end as usize));
            if !is_sorted || ends.last().map_or(0, |end| *end as usize) != text.len() {
                return Err(corrupt(entry.values.start, "text ends do not fit the text"));
            }
        }
        let mut validity = None;
        if let Some(extent) = &entry.validity {
            self.file.bytes(extent.range())?;
            validity = Some(Bitmap::from_words(rows, self.numbers(extent, rows.div_ceil(64))?.to_vec()));
        }
        Ok(self.prepared[at].get_or_init(|| Prepared { validity, bools, zones: OnceLock::new() }))
    }

    /// The first `count` numbers of a verified extent.
    fn numbers<T: bytemuck::AnyBitPattern>(&self, extent: &Extent, count: usize) -> Result<&[T]> {
        let corrupt = |what: String| vecraft_storage::Error::corrupt(self.file.path(), extent.start, what);
        let range = extent.start as usize..(extent.start + extent.length) as usize;
        let bytes =
            self.file.data_unverified().get(range).and_then(|bytes| bytes.get(..count * size_of::<T>()));
        let bytes =
            bytes.ok_or_else(|| corrupt(format!("{count} values asked of {} bytes", extent.length)))?;
        Ok(bytemuck::try_cast_slice(bytes).map_err(|reason| corrupt(reason.to_string()))?)
    }

    fn packed(&self, entry: &ColumnEntry, kind: Packed, dim: u32, rows: usize) -> Result<Values<'_>> {
        let bytes = self.numbers(&entry.values, rows * kind.row_bytes(dim))?;
        Ok(Values::PackedVector { kind, dim, bytes })
    }

    fn texts(&self, entry: &ColumnEntry, rows: usize) -> Result<Texts<'_>> {
        let extent = entry.text.unwrap_or(Extent { start: 0, length: 0 });
        let text = self.numbers(&extent, extent.length as usize)?;
        Ok(Texts::new(self.numbers(&entry.values, rows)?, text))
    }
}

/// A part of a mapped file that a `Bytes` owns.
struct Slice {
    file: BlockFile,
    extent: Extent,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        // The directory's check holds every extent inside the data.
        &self.file.data_unverified()
            [self.extent.start as usize..(self.extent.start + self.extent.length) as usize]
    }
}
