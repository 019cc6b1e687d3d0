//! Columnar batches of rows: the form in which rows travel from the proxy to the log and the segments.

mod codec;
mod select;

use crate::{Bitmap, DataType, FieldId, Packed, PrimaryKey};
use std::sync::Arc;

/// Rows, column by column. Every column has `rows` values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowBatch {
    /// Number of rows.
    pub rows: usize,
    /// The columns, in schema order; a column may be missing where the reader did not ask for it.
    pub columns: Vec<Column>,
}

/// The values of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The field.
    pub field: FieldId,
    /// The values. Null rows hold a placeholder (0, "", ...).
    pub data: ColumnData,
    /// Set bits are present values; `None` means that all are.
    pub validity: Option<Bitmap>,
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Booleans.
    Bool(Vec<bool>),
    /// 8-bit integers.
    Int8(Vec<i8>),
    /// 16-bit integers.
    Int16(Vec<i16>),
    /// 32-bit integers.
    Int32(Vec<i32>),
    /// 64-bit integers.
    Int64(Vec<i64>),
    /// 32-bit floats.
    Float(Vec<f32>),
    /// 64-bit floats.
    Double(Vec<f64>),
    /// UTF-8 text.
    VarChar(StrColumn),
    /// JSON text.
    Json(StrColumn),
    /// Dense vectors, row after row.
    FloatVector {
        /// Values a row.
        dim: u32,
        /// `rows * dim` values.
        values: Vec<f32>,
    },
    /// Vectors of other elements, row after row.
    PackedVector {
        /// What the elements are.
        kind: Packed,
        /// Elements a row.
        dim: u32,
        /// `rows` times [`Packed::row_bytes`].
        bytes: Vec<u8>,
    },
}

/// Strings, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrColumn {
    ends: Vec<u32>,
    text: String,
}

impl StrColumn {
    /// Appends one string. The text of a column is bounded by the message limit, far below 4 GiB.
    pub fn push(&mut self, value: &str) {
        self.text.push_str(value);
        self.ends.push(self.text.len() as u32);
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string of a row; empty past the end.
    pub fn get(&self, row: usize) -> &str {
        let Some(&end) = self.ends.get(row) else { return "" };
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    /// All strings in row order.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Where each string ends in [`StrColumn::text`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The strings, one after another.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of text.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl<S: AsRef<str>> FromIterator<S> for StrColumn {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> StrColumn {
        let mut column = StrColumn::default();
        values.into_iter().for_each(|value| column.push(value.as_ref()));
        column
    }
}

impl ColumnData {
    /// An empty column of a type.
    pub fn empty(data_type: &DataType) -> ColumnData {
        match *data_type {
            DataType::Bool => ColumnData::Bool(Vec::new()),
            DataType::Int8 => ColumnData::Int8(Vec::new()),
            DataType::Int16 => ColumnData::Int16(Vec::new()),
            DataType::Int32 => ColumnData::Int32(Vec::new()),
            DataType::Int64 => ColumnData::Int64(Vec::new()),
            DataType::Float => ColumnData::Float(Vec::new()),
            DataType::Double => ColumnData::Double(Vec::new()),
            DataType::VarChar { .. } => ColumnData::VarChar(StrColumn::default()),
            DataType::Json => ColumnData::Json(StrColumn::default()),
            DataType::FloatVector { dim } => ColumnData::FloatVector { dim, values: Vec::new() },
            DataType::BinaryVector { dim } => ColumnData::no_vectors(Packed::Bit, dim),
            DataType::Float16Vector { dim } => ColumnData::no_vectors(Packed::Float16, dim),
            DataType::BFloat16Vector { dim } => ColumnData::no_vectors(Packed::BFloat16, dim),
            DataType::Int8Vector { dim } => ColumnData::no_vectors(Packed::Int8, dim),
        }
    }

    fn no_vectors(kind: Packed, dim: u32) -> ColumnData {
        ColumnData::PackedVector { kind, dim, bytes: Vec::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            ColumnData::Bool(v) => v.len(),
            ColumnData::Int8(v) => v.len(),
            ColumnData::Int16(v) => v.len(),
            ColumnData::Int32(v) => v.len(),
            ColumnData::Int64(v) => v.len(),
            ColumnData::Float(v) => v.len(),
            ColumnData::Double(v) => v.len(),
            ColumnData::VarChar(v) | ColumnData::Json(v) => v.len(),
            ColumnData::FloatVector { dim, values } => values.len() / (*dim).max(1) as usize,
            ColumnData::PackedVector { kind, dim, bytes } => bytes.len() / kind.row_bytes(*dim).max(1),
        }
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            ColumnData::Bool(v) => v.len(),
            ColumnData::Int8(v) => v.len(),
            ColumnData::Int16(v) => v.len() * 2,
            ColumnData::Int32(v) => v.len() * 4,
            ColumnData::Int64(v) => v.len() * 8,
            ColumnData::Float(v) => v.len() * 4,
            ColumnData::Double(v) => v.len() * 8,
            ColumnData::VarChar(v) | ColumnData::Json(v) => v.len() * 4 + v.text_bytes(),
            ColumnData::FloatVector { values, .. } => values.len() * 4,
            ColumnData::PackedVector { bytes, .. } => bytes.len(),
        }
    }

    /// True when the column holds values of this type (a varchar's limit is not looked at).
    pub fn is_of(&self, data_type: &DataType) -> bool {
        match (self, data_type) {
            (ColumnData::FloatVector { dim, .. }, DataType::FloatVector { dim: wanted }) => dim == wanted,
            (ColumnData::PackedVector { kind, dim, .. }, wanted) => wanted.packed() == Some((*kind, *dim)),
            (ColumnData::Bool(_), DataType::Bool)
            | (ColumnData::Int8(_), DataType::Int8)
            | (ColumnData::Int16(_), DataType::Int16)
            | (ColumnData::Int32(_), DataType::Int32)
            | (ColumnData::Int64(_), DataType::Int64)
            | (ColumnData::Float(_), DataType::Float)
            | (ColumnData::Double(_), DataType::Double)
            | (ColumnData::VarChar(_), DataType::VarChar { .. })
            | (ColumnData::Json(_), DataType::Json) => true,
            _ => false,
        }
    }

    /// The key of a row, when the column can be a primary key.
    pub fn key(&self, row: usize) -> Option<PrimaryKey> {
        match self {
            ColumnData::Int64(v) => v.get(row).map(|key| PrimaryKey::Int64(*key)),
            ColumnData::VarChar(v) if row < v.len() => Some(PrimaryKey::VarChar(Arc::from(v.get(row)))),
            _ => None,
        }
    }
}

impl Column {
    /// A column without nulls.
    pub fn new(field: FieldId, data: ColumnData) -> Column {
        Column { field, data, validity: None }
    }

    /// True when the row's value is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.validity.as_ref().is_some_and(|valid| !valid.get(row))
    }
}

impl RowBatch {
    /// A batch of these columns; `None` when they differ in length.
    pub fn new(columns: Vec<Column>) -> Option<RowBatch> {
        let rows = columns.first().map_or(0, |column| column.data.rows());
        let fits = |column: &Column| {
            column.data.rows() == rows && column.validity.as_ref().is_none_or(|valid| valid.len() == rows)
        };
        columns.iter().all(fits).then_some(RowBatch { rows, columns })
    }

    /// The column of a field.
    pub fn column(&self, field: FieldId) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.data.bytes()).sum()
    }
}

#[cfg(test)]
mod tests;
