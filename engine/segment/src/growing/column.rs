//! One column of a growing chunk.

use crate::buffer::{AppendBits, AppendBuffer};
use crate::{ColumnValues, Error, Result, Texts, Values};
use std::borrow::Cow;
use std::ops::Range;
use vecraft_types::{Column, ColumnData, DataType, FieldId, FieldSchema, Packed, StrColumn};

/// Fixed capacity, one writer, many readers.
pub(super) struct ColumnBuffer {
    pub(super) field: FieldId,
    values: ValuesBuffer,
    validity: Option<AppendBits>,
}

enum ValuesBuffer {
    Bool(AppendBuffer<bool>),
    Int8(AppendBuffer<i8>),
    Int16(AppendBuffer<i16>),
    Int32(AppendBuffer<i32>),
    Int64(AppendBuffer<i64>),
    Float(AppendBuffer<f32>),
    Double(AppendBuffer<f64>),
    VarChar(TextBuffer),
    Json(TextBuffer),
    FloatVector { dim: usize, values: AppendBuffer<f32> },
    PackedVector { kind: Packed, dim: u32, bytes: AppendBuffer<u8> },
}

struct TextBuffer {
    ends: AppendBuffer<u32>,
    text: AppendBuffer<u8>,
}

impl TextBuffer {
    fn new(rows: usize, text_bytes: usize) -> Result<TextBuffer> {
        Ok(TextBuffer { ends: AppendBuffer::new(rows)?, text: AppendBuffer::new(text_bytes)? })
    }

    fn read(&self, rows: usize) -> Texts<'_> {
        // Ends first: the text they point into is then there already.
        let ends = &self.ends.as_slice()[..rows];
        Texts::new(ends, self.text.as_slice())
    }

    /// # Safety
    /// As for [`AppendBuffer::append`].
    unsafe fn append(&self, from: &StrColumn, rows: Range<usize>) {
        let mut end = self.text.as_slice().len();
        for row in rows {
            let value = from.get(row);
            end += value.len();
            // SAFETY: passed on to the caller. The capacity of the text fits u32.
            unsafe {
                self.text.append(value.as_bytes());
                self.ends.append(&[end as u32]);
            }
        }
    }
}

impl ColumnBuffer {
    /// Room for `rows` rows, of text for `text_bytes` bytes.
    pub(super) fn new(field: &FieldSchema, rows: usize, text_bytes: usize) -> Result<ColumnBuffer> {
        let packed = |kind: Packed, dim: u32| -> Result<ValuesBuffer> {
            let bytes = AppendBuffer::new(rows.saturating_mul(kind.row_bytes(dim)))?;
            Ok(ValuesBuffer::PackedVector { kind, dim, bytes })
        };
        let values = match field.data_type {
            DataType::Bool => ValuesBuffer::Bool(AppendBuffer::new(rows)?),
            DataType::Int8 => ValuesBuffer::Int8(AppendBuffer::new(rows)?),
            DataType::Int16 => ValuesBuffer::Int16(AppendBuffer::new(rows)?),
            DataType::Int32 => ValuesBuffer::Int32(AppendBuffer::new(rows)?),
            DataType::Int64 => ValuesBuffer::Int64(AppendBuffer::new(rows)?),
            DataType::Float => ValuesBuffer::Float(AppendBuffer::new(rows)?),
            DataType::Double => ValuesBuffer::Double(AppendBuffer::new(rows)?),
            DataType::VarChar { .. } => ValuesBuffer::VarChar(TextBuffer::new(rows, text_bytes)?),
            DataType::Json => ValuesBuffer::Json(TextBuffer::new(rows, text_bytes)?),
            DataType::FloatVector { dim } => {
                let dim = dim as usize;
                ValuesBuffer::FloatVector { dim, values: AppendBuffer::new(rows.saturating_mul(dim))? }
            }
            DataType::BinaryVector { dim } => packed(Packed::Bit, dim)?,
            DataType::Float16Vector { dim } => packed(Packed::Float16, dim)?,
            DataType::BFloat16Vector { dim } => packed(Packed::BFloat16, dim)?,
            DataType::Int8Vector { dim } => packed(Packed::Int8, dim)?,
        };
        let validity = field.nullable.then(|| AppendBits::new(rows));
        Ok(ColumnBuffer { field: field.id, values, validity })
    }

    /// Bytes of text that still fit; `None` for other types.
    pub(super) fn text_room(&self) -> Option<usize> {
        match &self.values {
            ValuesBuffer::VarChar(v) | ValuesBuffer::Json(v) => Some(v.text.room()),
            _ => None,
        }
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        let values = match &self.values {
            ValuesBuffer::Bool(v) => v.capacity_bytes(),
            ValuesBuffer::Int8(v) => v.capacity_bytes(),
            ValuesBuffer::Int16(v) => v.capacity_bytes(),
            ValuesBuffer::Int32(v) => v.capacity_bytes(),
            ValuesBuffer::Int64(v) => v.capacity_bytes(),
            ValuesBuffer::Float(v) => v.capacity_bytes(),
            ValuesBuffer::Double(v) => v.capacity_bytes(),
            ValuesBuffer::VarChar(v) | ValuesBuffer::Json(v) => {
                v.ends.capacity_bytes() + v.text.capacity_bytes()
            }
            ValuesBuffer::FloatVector { values, .. } => values.capacity_bytes(),
            ValuesBuffer::PackedVector { bytes, .. } => bytes.capacity_bytes(),
        };
        values + self.validity.as_ref().map_or(0, AppendBits::capacity_bytes)
    }

    /// The first `rows` values, which must have been published.
    pub(super) fn read(&self, rows: usize) -> ColumnValues<'_> {
        let values = match &self.values {
            ValuesBuffer::Bool(v) => Values::Bool(&v.as_slice()[..rows]),
            ValuesBuffer::Int8(v) => Values::Int8(&v.as_slice()[..rows]),
            ValuesBuffer::Int16(v) => Values::Int16(&v.as_slice()[..rows]),
            ValuesBuffer::Int32(v) => Values::Int32(&v.as_slice()[..rows]),
            ValuesBuffer::Int64(v) => Values::Int64(&v.as_slice()[..rows]),
            ValuesBuffer::Float(v) => Values::Float(&v.as_slice()[..rows]),
            ValuesBuffer::Double(v) => Values::Double(&v.as_slice()[..rows]),
            ValuesBuffer::VarChar(v) => Values::VarChar(v.read(rows)),
            ValuesBuffer::Json(v) => Values::Json(v.read(rows)),
            ValuesBuffer::FloatVector { dim, values } => {
                Values::FloatVector { dim: *dim, values: &values.as_slice()[..rows * dim] }
            }
            ValuesBuffer::PackedVector { kind, dim, bytes } => {
                let bytes = &bytes.as_slice()[..rows * kind.row_bytes(*dim)];
                Values::PackedVector { kind: *kind, dim: *dim, bytes }
            }
        };
        ColumnValues { values, validity: self.validity.as_ref().map(|bits| Cow::Owned(bits.to_bitmap(rows))) }
    }

    /// Appends rows of a column that [`check`] accepted; the first becomes row `at` of the chunk.
    ///
    /// # Safety
    /// Only one thread at a time may append.
    pub(super) unsafe fn append(&self, at: usize, from: &Column, rows: Range<usize>) {
        // SAFETY: passed on to the caller.
        unsafe {
            match (&self.values, &from.data) {
                (ValuesBuffer::Bool(to), ColumnData::Bool(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Int8(to), ColumnData::Int8(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Int16(to), ColumnData::Int16(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Int32(to), ColumnData::Int32(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Int64(to), ColumnData::Int64(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Float(to), ColumnData::Float(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::Double(to), ColumnData::Double(v)) => to.append(&v[rows.clone()]),
                (ValuesBuffer::VarChar(to), ColumnData::VarChar(v)) => to.append(v, rows.clone()),
                (ValuesBuffer::Json(to), ColumnData::Json(v)) => to.append(v, rows.clone()),
                (ValuesBuffer::FloatVector { dim, values: to }, ColumnData::FloatVector { values, .. }) => {
                    to.append(&values[rows.start * dim..rows.end * dim]);
                }
                (
                    ValuesBuffer::PackedVector { kind, dim, bytes: to },
                    ColumnData::PackedVector { bytes, .. },
                ) => {
                    let width = kind.row_bytes(*dim);
                    to.append(&bytes[rows.start * width..rows.end * width]);
                }
                _ => unreachable!("`check` accepted the column's type"),
            }
        }
        if let Some(validity) = &self.validity {
            let start = rows.start;
            rows.filter(|row| !from.is_null(*row)).for_each(|row| validity.set(at + row - start));
        }
    }
}

/// The column of a batch for `field`; an error when it is missing, of another type or null where it must not be.
pub(super) fn check<'b>(field: &FieldSchema, column: Option<&'b Column>, rows: usize) -> Result<&'b Column> {
    let wrong = |what: String| Err(Error::Schema(format!("field {:?} {what}", field.name)));
    let Some(column) = column else { return wrong("is missing".to_owned()) };
    if !column.data.is_of(&field.data_type) || column.data.rows() != rows {
        return wrong(format!("is not a column of {rows} {} values", field.data_type.name()));
    }
    match &column.validity {
        Some(valid) if valid.len() != rows => {
            wrong(format!("has validity of {} rows, not {rows}", valid.len()))
        }
        Some(valid) if !field.nullable && !valid.all() => wrong("has nulls and is not nullable".to_owned()),
        _ => Ok(column),
    }
}
