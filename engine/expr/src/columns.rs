//! What evaluation needs from whoever keeps the columns: borrowed values of one contiguous chunk of rows.

use crate::{FieldIndex, Zones};
use std::fmt;
use vecraft_types::{ColumnData, DataType, FieldId, RowBatch, StrColumn};

/// Strings by row number within a chunk.
pub trait StrValues {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// The string of a row below [`StrValues::rows`]; anything for a null row.
    fn value(&self, row: usize) -> &str;
}

impl StrValues for StrColumn {
    fn rows(&self) -> usize {
        self.len()
    }

    fn value(&self, row: usize) -> &str {
        self.get(row)
    }
}

impl<T: StrValues + ?Sized> StrValues for &T {
    fn rows(&self) -> usize {
        (**self).rows()
    }

    fn value(&self, row: usize) -> &str {
        (**self).value(row)
    }
}

/// The values of a column. Null rows hold a placeholder.
pub enum ColumnValues<'a> {
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
    /// Text. Boxed, so that a view of a part of a column can be made on the spot.
    VarChar(Box<dyn StrValues + 'a>),
    /// JSON text.
    Json(Box<dyn StrValues + 'a>),
}

/// The chunk of one column.
#[derive(Debug)]
pub struct ColumnView<'a> {
    /// At least as many values as the chunk has rows.
    pub values: ColumnValues<'a>,
    /// Bit `row % 64` of word `row / 64` is set when the row has a value ([`vecraft_types::Bitmap::words`], or a
    /// part of it when chunks begin at multiples of 64). Rows past the end are null. `None`: no row is null.
    pub validity: Option<&'a [u64]>,
}

/// Gives the columns of one chunk of rows.
pub trait ColumnSource {
    /// The chunk of a field; `None` when it is not at hand, which fails the evaluation.
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>>;

    /// The zone map of a field over the same rows, from the first on, or over more.
    fn zones(&self, _field: FieldId) -> Option<&Zones> {
        None
    }

    /// The indexes of a field over the same rows.
    fn indexes(&self, _field: FieldId) -> Vec<&dyn FieldIndex> {
        Vec::new()
    }
}

impl ColumnSource for RowBatch {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        let column = RowBatch::column(self, field)?;
        let values = ColumnValues::of(&column.data)?;
        Some(ColumnView { values, validity: column.validity.as_ref().map(|valid| valid.words()) })
    }
}

impl<'a> ColumnValues<'a> {
    /// Borrows a whole column; `None` for vectors, which no filter reads.
    pub fn of(data: &'a ColumnData) -> Option<ColumnValues<'a>> {
        Some(match data {
            ColumnData::Bool(v) => ColumnValues::Bool(v),
            ColumnData::Int8(v) => ColumnValues::Int8(v),
            ColumnData::Int16(v) => ColumnValues::Int16(v),
            ColumnData::Int32(v) => ColumnValues::Int32(v),
            ColumnData::Int64(v) => ColumnValues::Int64(v),
            ColumnData::Float(v) => ColumnValues::Float(v),
            ColumnData::Double(v) => ColumnValues::Double(v),
            ColumnData::VarChar(v) => ColumnValues::VarChar(Box::new(v)),
            ColumnData::Json(v) => ColumnValues::Json(Box::new(v)),
            ColumnData::FloatVector { .. } | ColumnData::PackedVector { .. } => return None,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            ColumnValues::Bool(v) => v.len(),
            ColumnValues::Int8(v) => v.len(),
            ColumnValues::Int16(v) => v.len(),
            ColumnValues::Int32(v) => v.len(),
            ColumnValues::Int64(v) => v.len(),
            ColumnValues::Float(v) => v.len(),
            ColumnValues::Double(v) => v.len(),
            ColumnValues::VarChar(v) | ColumnValues::Json(v) => v.rows(),
        }
    }

    /// True when these are values of the type.
    pub fn is_of(&self, data_type: &DataType) -> bool {
        matches!(
            (self, data_type),
            (ColumnValues::Bool(_), DataType::Bool)
                | (ColumnValues::Int8(_), DataType::Int8)
                | (ColumnValues::Int16(_), DataType::Int16)
                | (ColumnValues::Int32(_), DataType::Int32)
                | (ColumnValues::Int64(_), DataType::Int64)
                | (ColumnValues::Float(_), DataType::Float)
                | (ColumnValues::Double(_), DataType::Double)
                | (ColumnValues::VarChar(_), DataType::VarChar { .. })
                | (ColumnValues::Json(_), DataType::Json)
        )
    }
}

impl fmt::Debug for ColumnValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColumnValues({} rows)", self.rows())
    }
}
