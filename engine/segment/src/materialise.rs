//! Copying chosen rows out of blocks: late materialisation, the last step of every read.

use crate::{Block, ColumnValues, Error, Result, Values};
use vecraft_types::{
    Bitmap, CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, Packed, RowBatch,
    StrColumn, Value,
};

/// The chosen rows, in their order, with these fields, in their order. `rows` are pairs of a place in `blocks`
/// and a row of that block, both of which exist. A field newer than a block reads as its default, else null.
pub(crate) fn materialise(
    schema: &CollectionSchema,
    blocks: &[Block],
    rows: &[(usize, usize)],
    fields: &[FieldId],
) -> Result<RowBatch> {
    let mut columns = Vec::with_capacity(fields.len());
    for &id in fields {
        let field = schema.field_by_id(id).ok_or_else(|| unknown(id))?;
        columns.push(column(field, blocks, rows)?);
    }
    Ok(RowBatch { rows: rows.len(), columns })
}

/// Bytes of what [`materialise`] would make.
pub(crate) fn bytes(
    schema: &CollectionSchema,
    blocks: &[Block],
    rows: &[(usize, usize)],
    fields: &[FieldId],
) -> Result<u64> {
    let mut all = 0u64;
    for &id in fields {
        let field = schema.field_by_id(id).ok_or_else(|| unknown(id))?;
        let width = match field.data_type {
            DataType::Bool | DataType::Int8 => 1,
            DataType::Int16 => 2,
            DataType::Int32 | DataType::Float => 4,
            DataType::Int64 | DataType::Double => 8,
            DataType::FloatVector { dim } => 4 * u64::from(dim),
            DataType::BinaryVector { dim } => Packed::Bit.row_bytes(dim) as u64,
            DataType::Float16Vector { dim } => Packed::Float16.row_bytes(dim) as u64,
            DataType::BFloat16Vector { dim } => Packed::BFloat16.row_bytes(dim) as u64,
            DataType::Int8Vector { dim } => Packed::Int8.row_bytes(dim) as u64,
            DataType::VarChar { .. } | DataType::Json => {
                let from = picker(field, blocks, rows)?;
                all += from.each_text().map(|text| text.len() as u64).sum::<u64>();
                4
            }
        };
        all += width * rows.len() as u64;
    }
    Ok(all)
}

fn unknown(field: FieldId) -> Error {
    Error::Field { field, what: "is not in the schema".to_owned() }
}

/// The field's values in these rows.
fn picker<'a>(field: &'a FieldSchema, blocks: &'a [Block], rows: &'a [(usize, usize)]) -> Result<Picker<'a>> {
    let mut views = Vec::with_capacity(blocks.len());
    for block in blocks {
        let view = block.column(field.id)?.filter(|view| view.values.is_of(&field.data_type));
        views.push(view);
    }
    Ok(Picker { views, rows, default: field.default_value.as_ref() })
}

fn column(field: &FieldSchema, blocks: &[Block], rows: &[(usize, usize)]) -> Result<Column> {
    let from = picker(field, blocks, rows)?;
    let int = match field.default_value {
        Some(Value::Int(value)) => value,
        _ => 0,
    };
    let float = match field.default_value {
        Some(Value::Float(value)) => value,
        _ => 0.0,
    };
    let data = match field.data_type {
        DataType::Bool => {
            let default = matches!(field.default_value, Some(Value::Bool(true)));
            ColumnData::Bool(from.pick(default, |v| if let Values::Bool(v) = v { v } else { &[] }))
        }
        DataType::Int8 => {
            ColumnData::Int8(from.pick(int as i8, |v| if let Values::Int8(v) = v { v } else { &[] }))
        }
        DataType::Int16 => {
            ColumnData::Int16(from.pick(int as i16, |v| if let Values::Int16(v) = v { v } else { &[] }))
        }
        DataType::Int32 => {
            ColumnData::Int32(from.pick(int as i32, |v| if let Values::Int32(v) = v { v } else { &[] }))
        }
        DataType::Int64 => {
            ColumnData::Int64(from.pick(int, |v| if let Values::Int64(v) = v { v } else { &[] }))
        }
        DataType::Float => {
            ColumnData::Float(from.pick(float as f32, |v| if let Values::Float(v) = v { v } else { &[] }))
        }
        DataType::Double => {
            ColumnData::Double(from.pick(float, |v| if let Values::Double(v) = v { v } else { &[] }))
        }
        DataType::VarChar { .. } => ColumnData::VarChar(from.texts()),
        DataType::Json => ColumnData::Json(from.texts()),
        DataType::FloatVector { dim } => ColumnData::FloatVector { dim, values: from.vectors(dim as usize) },
        DataType::BinaryVector { dim } => from.packed(Packed::Bit, dim),
        DataType::Float16Vector { dim } => from.packed(Packed::Float16, dim),
        DataType::BFloat16Vector { dim } => from.packed(Packed::BFloat16, dim),
        DataType::Int8Vector { dim } => from.packed(Packed::Int8, dim),
    };
    Ok(Column { field: field.id, data, validity: from.validity() })
}

struct Picker<'a> {
    /// One a block; `None` where the block has no such column.
    views: Vec<Option<ColumnValues<'a>>>,
    rows: &'a [(usize, usize)],
    default: Option<&'a Value>,
}

impl<'a> Picker<'a> {
    fn pick<T: Copy + 'a>(&self, default: T, slice: impl Fn(Values<'a>) -> &'a [T]) -> Vec<T> {
        let slices: Vec<&[T]> =
            self.views.iter().map(|view| view.as_ref().map_or(&[][..], |view| slice(view.values))).collect();
        self.rows.iter().map(|&(block, row)| slices[block].get(row).copied().unwrap_or(default)).collect()
    }

    fn texts(&self) -> StrColumn {
        self.each_text().collect()
    }

    fn each_text(&self) -> impl Iterator<Item = &str> {
        let default = match self.default {
            Some(Value::Str(text) | Value::Json(text)) => text.as_str(),
            _ => "",
        };
        let text = move |&(block, row): &(usize, usize)| match &self.views[block] {
            Some(ColumnValues { values: Values::VarChar(texts) | Values::Json(texts), .. }) => texts.get(row),
            _ => default,
        };
        self.rows.iter().map(text)
    }

    fn vectors(&self, dim: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.rows.len() * dim);
        for &(block, row) in self.rows {
            match &self.views[block] {
                Some(ColumnValues { values: Values::FloatVector { values, .. }, .. }) => {
                    out.extend_from_slice(&values[row * dim..(row + 1) * dim]);
                }
                _ => out.resize(out.len() + dim, 0.0),
            }
        }
        out
    }

    fn packed(&self, kind: Packed, dim: u32) -> ColumnData {
        let width = kind.row_bytes(dim);
        let mut out = Vec::with_capacity(self.rows.len() * width);
        for &(block, row) in self.rows {
            match &self.views[block] {
                Some(ColumnValues { values: Values::PackedVector { bytes, .. }, .. }) => {
                    out.extend_from_slice(&bytes[row * width..(row + 1) * width]);
                }
                _ => out.resize(out.len() + width, 0),
            }
        }
        ColumnData::PackedVector { kind, dim, bytes: out }
    }

    /// `None` when nothing is null.
    fn validity(&self) -> Option<Bitmap> {
        let is_present = |&(block, row): &(usize, usize)| match &self.views[block] {
            Some(view) => !view.is_null(row),
            None => self.default.is_some_and(|value| *value != Value::Null),
        };
        let valid: Bitmap = self.rows.iter().map(is_present).collect();
        (!valid.all()).then_some(valid)
    }
}
