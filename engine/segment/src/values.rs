//! Looking at a column in place: typed slices over a chunk in memory or over a mapped file.

use std::borrow::Cow;
use std::sync::Arc;
use vecraft_types::{Bitmap, Column, ColumnData, DataType, GroupKey, Packed, PrimaryKey, StrColumn};

/// One column of a [`crate::Block`]: `rows` values, null rows hold a placeholder.
#[derive(Clone, Debug)]
pub struct ColumnValues<'a> {
    /// The values.
    pub values: Values<'a>,
    /// Set bits are present values; `None` means that all are.
    pub validity: Option<Cow<'a, Bitmap>>,
}

impl<'a> ColumnValues<'a> {
    /// A column of a batch, looked at in place.
    pub fn of(column: &'a Column) -> ColumnValues<'a> {
        let texts = |column: &'a StrColumn| Texts::new(column.ends(), column.text().as_bytes());
        let values = match &column.data {
            ColumnData::Bool(v) => Values::Bool(v),
            ColumnData::Int8(v) => Values::Int8(v),
            ColumnData::Int16(v) => Values::Int16(v),
            ColumnData::Int32(v) => Values::Int32(v),
            ColumnData::Int64(v) => Values::Int64(v),
            ColumnData::Float(v) => Values::Float(v),
            ColumnData::Double(v) => Values::Double(v),
            ColumnData::VarChar(v) => Values::VarChar(texts(v)),
            ColumnData::Json(v) => Values::Json(texts(v)),
            ColumnData::FloatVector { dim, values } => Values::FloatVector { dim: *dim as usize, values },
            ColumnData::PackedVector { kind, dim, bytes } => {
                Values::PackedVector { kind: *kind, dim: *dim, bytes }
            }
        };
        ColumnValues { values, validity: column.validity.as_ref().map(Cow::Borrowed) }
    }

    /// True when the row's value is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.validity.as_ref().is_some_and(|valid| !valid.get(row))
    }

    /// The group of a row; `None` when the column's type cannot group.
    pub fn group_key(&self, row: usize) -> Option<GroupKey<'a>> {
        if self.is_null(row) {
            return Some(GroupKey::Null);
        }
        match self.values {
            Values::Bool(v) => v.get(row).map(|value| GroupKey::Bool(*value)),
            Values::Int8(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            Values::Int16(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            Values::Int32(v) => v.get(row).map(|value| GroupKey::Int((*value).into())),
            Values::Int64(v) => v.get(row).map(|value| GroupKey::Int(*value)),
            Values::VarChar(v) => (row < v.len()).then(|| GroupKey::Text(v.get(row))),
            _ => None,
        }
    }
}

/// Values of one type, in row order.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Booleans.
    Bool(&'a [bool]),
    /// 8-bit integers.
    Int8(&'a [i8]),
    /// 16-bit integers.
    Int16(&'a [i16]),
    /// 32-bit integers.
    Int32(&'a [i32]),
    /// 64-bit integers.
    Int64(&'a [i64]),
    /// 32-bit floats.
    Float(&'a [f32]),
    /// 64-bit floats.
    Double(&'a [f64]),
    /// UTF-8 text.
    VarChar(Texts<'a>),
    /// JSON text.
    Json(Texts<'a>),
    /// Dense vectors, row after row.
    FloatVector {
        /// Values a row.
        dim: usize,
        /// `rows * dim` values.
        values: &'a [f32],
    },
    /// Vectors of other elements, row after row.
    PackedVector {
        /// What the elements are.
        kind: Packed,
        /// Elements a row.
        dim: u32,
        /// `rows` times [`Packed::row_bytes`].
        bytes: &'a [u8],
    },
}

impl<'a> Values<'a> {
    /// The same as filters see it; `None` for vectors, which no filter reads.
    pub(crate) fn for_filters(&self) -> Option<vecraft_expr::ColumnValues<'a>> {
        use vecraft_expr::ColumnValues;
        Some(match *self {
            Values::Bool(v) => ColumnValues::Bool(v),
            Values::Int8(v) => ColumnValues::Int8(v),
            Values::Int16(v) => ColumnValues::Int16(v),
            Values::Int32(v) => ColumnValues::Int32(v),
            Values::Int64(v) => ColumnValues::Int64(v),
            Values::Float(v) => ColumnValues::Float(v),
            Values::Double(v) => ColumnValues::Double(v),
            Values::VarChar(v) => ColumnValues::VarChar(Box::new(v)),
            Values::Json(v) => ColumnValues::Json(Box::new(v)),
            Values::FloatVector { .. } | Values::PackedVector { .. } => return None,
        })
    }

    /// The key of a row, when the column can be a primary key and has that row.
    pub fn key(&self, row: usize) -> Option<PrimaryKey> {
        match self {
            Values::Int64(v) => v.get(row).map(|key| PrimaryKey::Int64(*key)),
            Values::VarChar(v) if row < v.len() => Some(PrimaryKey::VarChar(Arc::from(v.get(row)))),
            _ => None,
        }
    }

    /// True when the values are of this type (a varchar's limit is not looked at).
    pub fn is_of(&self, data_type: &DataType) -> bool {
        match (self, data_type) {
            (Values::FloatVector { dim, .. }, DataType::FloatVector { dim: wanted }) => {
                *dim == *wanted as usize
            }
            (Values::PackedVector { kind, dim, .. }, wanted) => wanted.packed() == Some((*kind, *dim)),
            (Values::Bool(_), DataType::Bool)
            | (Values::Int8(_), DataType::Int8)
            | (Values::Int16(_), DataType::Int16)
            | (Values::Int32(_), DataType::Int32)
            | (Values::Int64(_), DataType::Int64)
            | (Values::Float(_), DataType::Float)
            | (Values::Double(_), DataType::Double)
            | (Values::VarChar(_), DataType::VarChar { .. })
            | (Values::Json(_), DataType::Json) => true,
            _ => false,
        }
    }
}

/// Strings, one after another: `ends[i]` is where string `i` ends in `text`.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    ends: &'a [u32],
    text: &'a [u8],
}

impl<'a> Texts<'a> {
    /// Strings over these parts. Wrong ends or bytes read as empty strings, never as a panic.
    pub fn new(ends: &'a [u32], text: &'a [u8]) -> Texts<'a> {
        Texts { ends, text }
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
    pub fn get(&self, row: usize) -> &'a str {
        std::str::from_utf8(self.bytes(row)).unwrap_or("")
    }

    /// The bytes of a row's string; empty past the end.
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        let Some(&end) = self.ends.get(row) else { return &[] };
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.text.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// All strings in row order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Where each string ends.
    pub fn ends(&self) -> &'a [u32] {
        self.ends
    }

    /// The text up to the last string's end.
    pub fn text(&self) -> &'a [u8] {
        let end = self.ends.last().copied().unwrap_or(0) as usize;
        self.text.get(..end).unwrap_or(self.text)
    }
}
