//! Taking rows out of batches and joining batches.

use super::{Column, ColumnData, RowBatch, StrColumn};
use crate::Bitmap;

impl ColumnData {
    /// The values of these rows, in this order. Rows must exist.
    pub fn take(&self, rows: &[usize]) -> ColumnData {
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row]).collect()
        }
        let texts = |v: &StrColumn| rows.iter().map(|&row| v.get(row)).collect::<StrColumn>();
        match self {
            ColumnData::Bool(v) => ColumnData::Bool(pick(v, rows)),
            ColumnData::Int8(v) => ColumnData::Int8(pick(v, rows)),
            ColumnData::Int16(v) => ColumnData::Int16(pick(v, rows)),
            ColumnData::Int32(v) => ColumnData::Int32(pick(v, rows)),
            ColumnData::Int64(v) => ColumnData::Int64(pick(v, rows)),
            ColumnData::Float(v) => ColumnData::Float(pick(v, rows)),
            ColumnData::Double(v) => ColumnData::Double(pick(v, rows)),
            ColumnData::VarChar(v) => ColumnData::VarChar(texts(v)),
            ColumnData::Json(v) => ColumnData::Json(texts(v)),
            ColumnData::FloatVector { dim, values } => {
                let d = *dim as usize;
                let picked = rows.iter().flat_map(|&row| values[row * d..(row + 1) * d].iter().copied());
                ColumnData::FloatVector { dim: *dim, values: picked.collect() }
            }
            ColumnData::PackedVector { kind, dim, bytes } => {
                let width = kind.row_bytes(*dim);
                let picked = rows.iter().map(|&row| &bytes[row * width..(row + 1) * width]);
                ColumnData::PackedVector {
                    kind: *kind,
                    dim: *dim,
                    bytes: picked.collect::<Vec<_>>().concat(),
                }
            }
        }
    }

    /// Appends another column's values; false (and nothing done) when the types differ.
    pub fn extend(&mut self, other: &ColumnData) -> bool {
        match (self, other) {
            (ColumnData::Bool(a), ColumnData::Bool(b)) => a.extend_from_slice(b),
            (ColumnData::Int8(a), ColumnData::Int8(b)) => a.extend_from_slice(b),
            (ColumnData::Int16(a), ColumnData::Int16(b)) => a.extend_from_slice(b),
            (ColumnData::Int32(a), ColumnData::Int32(b)) => a.extend_from_slice(b),
            (ColumnData::Int64(a), ColumnData::Int64(b)) => a.extend_from_slice(b),
            (ColumnData::Float(a), ColumnData::Float(b)) => a.extend_from_slice(b),
            (ColumnData::Double(a), ColumnData::Double(b)) => a.extend_from_slice(b),
            (ColumnData::VarChar(a), ColumnData::VarChar(b)) | (ColumnData::Json(a), ColumnData::Json(b)) => {
                b.iter().for_each(|value| a.push(value));
            }
            (ColumnData::FloatVector { dim: d, values: a }, ColumnData::FloatVector { dim, values: b })
                if d == dim =>
            {
                a.extend_from_slice(b);
            }
            (
                ColumnData::PackedVector { kind: k, dim: d, bytes: a },
                ColumnData::PackedVector { kind, dim, bytes: b },
            ) if (*k, *d) == (*kind, *dim) => a.extend_from_slice(b),
            _ => return false,
        }
        true
    }
}

impl Column {
    /// The values of these rows, in this order. Rows must exist.
    pub fn take(&self, rows: &[usize]) -> Column {
        let validity = self.validity.as_ref().map(|valid| rows.iter().map(|&row| valid.get(row)).collect());
        Column { field: self.field, data: self.data.take(rows), validity }
    }

    /// Appends another column of the same field and type; false when they differ.
    pub fn extend(&mut self, other: &Column) -> bool {
        let before = self.data.rows();
        if self.field != other.field || !self.data.extend(&other.data) {
            return false;
        }
        if self.validity.is_some() || other.validity.is_some() {
            let valid = self.validity.get_or_insert_with(|| Bitmap::new(before, true));
            (0..other.data.rows()).for_each(|row| valid.push(!other.is_null(row)));
        }
        true
    }
}

impl RowBatch {
    /// The given rows, in this order. Rows must exist.
    pub fn take(&self, rows: &[usize]) -> RowBatch {
        RowBatch { rows: rows.len(), columns: self.columns.iter().map(|column| column.take(rows)).collect() }
    }

    /// Appends another batch with the same columns; false (and nothing usable left) when they differ.
    pub fn extend(&mut self, other: &RowBatch) -> bool {
        if self.columns.is_empty() && self.rows == 0 {
            *self = other.clone();
            return true;
        }
        self.rows += other.rows;
        self.columns.len() == other.columns.len()
            && self.columns.iter_mut().zip(&other.columns).all(|(mine, theirs)| mine.extend(theirs))
    }
}
