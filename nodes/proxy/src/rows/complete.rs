//! One column for each field of the schema: given, default, null, `{}` or made.

use super::Purpose;
use super::values::check_values;
use crate::names::{field_not_found, primary_field};
use vecraft_types::api::NamedRows;
use vecraft_types::limits::META_FIELD;
use vecraft_types::{
    Bitmap, CollectionSchema, Column, ColumnData, DataType, Error, FieldSchema, Packed, Result, RowBatch,
    StrColumn, Value,
};

/// Checks the rows and gives them all columns of the schema, in its order. The column of a key that the server
/// makes is left out; [`add_made_keys`] adds it.
///
/// # Errors
/// The first thing that is wrong: which field, which row, the value's size and the limit.
pub(crate) fn complete(schema: &CollectionSchema, rows: NamedRows, purpose: Purpose) -> Result<RowBatch> {
    check_shape(&rows)?;
    let count = rows.batch.rows;
    let mut given: Vec<Option<Column>> = vec![None; schema.fields.len()];
    for (name, column) in rows.names.into_iter().zip(rows.batch.columns) {
        let at = schema.fields.iter().position(|field| field.name == name);
        let Some(at) = at else {
            return Err(if name == META_FIELD {
                Error::invalid("the collection has no dynamic field, it takes only the fields of its schema")
                    .with("field", META_FIELD)
            } else {
                field_not_found(schema, &name)
            });
        };
        if given[at].replace(column).is_some() {
            return Err(Error::invalid("the field is given twice").with("field", name));
        }
    }
    let mut columns = Vec::with_capacity(schema.fields.len());
    for (field, column) in schema.fields.iter().zip(given) {
        match column {
            Some(_) if field.auto_id && purpose == Purpose::Insert => {
                let text = "the server makes this key (auto_id), an insert must not give it";
                return Err(Error::invalid(text).with("field", &field.name));
            }
            Some(mut column) => {
                column.field = field.id;
                check_type(field, &column.data)?;
                fill_nulls(field, &mut column)?;
                check_values(schema, field, &column)?;
                columns.push(column);
            }
            None if field.auto_id && purpose == Purpose::Insert => {}
            None => columns.push(absent(field, count)?),
        }
    }
    batch(columns, count)
}

/// True when the server makes the keys of these rows. An upsert names the rows it replaces, so it gives them
/// even with `auto_id`, and they stay.
pub(crate) fn needs_made_keys(schema: &CollectionSchema, purpose: Purpose) -> Result<bool> {
    Ok(primary_field(schema)?.auto_id && purpose == Purpose::Insert)
}

/// Adds the column of made keys, one a row. A varchar key is the number's decimal text ([`crate::ids::made_key`]).
pub(crate) fn add_made_keys(schema: &CollectionSchema, mut rows: RowBatch, ids: &[i64]) -> Result<RowBatch> {
    let primary = primary_field(schema)?;
    let data = match primary.data_type {
        DataType::VarChar { .. } => ColumnData::VarChar(ids.iter().map(i64::to_string).collect()),
        _ => ColumnData::Int64(ids.to_vec()),
    };
    let column = Column::new(primary.id, data);
    check_values(schema, primary, &column)?;
    let at = schema.fields.iter().position(|field| field.id == primary.id).unwrap_or(0);
    rows.columns.insert(at.min(rows.columns.len()), column);
    let count = rows.rows;
    batch(rows.columns, count)
}

/// The same rows under a newer schema: what it no longer has is left out, what it has in addition is filled in
/// (I11: apply refused the old version).
pub(crate) fn adapt(schema: &CollectionSchema, rows: RowBatch) -> Result<RowBatch> {
    let count = rows.rows;
    let mut old = rows.columns;
    let mut columns = Vec::with_capacity(schema.fields.len());
    for field in &schema.fields {
        match old.iter().position(|column| column.field == field.id) {
            Some(at) => {
                let column = old.swap_remove(at);
                check_type(field, &column.data)?;
                check_values(schema, field, &column)?;
                columns.push(column);
            }
            None => columns.push(absent(field, count)?),
        }
    }
    batch(columns, count)
}

fn batch(columns: Vec<Column>, rows: usize) -> Result<RowBatch> {
    if columns.is_empty() {
        return Ok(RowBatch { rows, columns });
    }
    RowBatch::new(columns).ok_or_else(|| Error::internal("completed columns differ in length"))
}

/// The rows came from outside: their public parts need not fit together.
fn check_shape(rows: &NamedRows) -> Result<()> {
    let batch = &rows.batch;
    if rows.names.len() != batch.columns.len() {
        let text = format!("{} names for {} columns", rows.names.len(), batch.columns.len());
        return Err(Error::invalid(text));
    }
    let count = batch.rows;
    for (name, column) in rows.names.iter().zip(&batch.columns) {
        let found = column.data.rows();
        let is_whole = match &column.data {
            ColumnData::FloatVector { dim, values } => *dim > 0 && values.len() == found * *dim as usize,
            ColumnData::PackedVector { kind, dim, bytes } => {
                let width = kind.row_bytes(*dim);
                width > 0 && bytes.len() == found * width
            }
            _ => true,
        };
        let fits = column.validity.as_ref().is_none_or(|valid| valid.len() == count);
        if found != count || !is_whole || !fits {
            let text = format!("the field has {found} rows where the request has {count}");
            return Err(Error::invalid(text).with("field", name));
        }
    }
    if count == 0 { Err(Error::invalid("the request has no rows")) } else { Ok(()) }
}

fn check_type(field: &FieldSchema, data: &ColumnData) -> Result<()> {
    if data.is_of(&field.data_type) {
        return Ok(());
    }
    let text = match (data, field.data_type.dim()) {
        (ColumnData::FloatVector { dim, .. }, Some(wanted)) if field.data_type.packed().is_none() => {
            format!("the vectors have {dim} dimensions, the field has {wanted}")
        }
        (ColumnData::PackedVector { kind, dim, .. }, Some(wanted))
            if field.data_type.packed().is_some_and(|(of_field, _)| of_field == *kind) =>
        {
            format!("the vectors have {dim} dimensions, the field has {wanted}")
        }
        _ => format!("the field is {}, the values are {}", field.data_type.name(), type_name(data)),
    };
    Err(Error::invalid(text).with("field", &field.name))
}

fn type_name(data: &ColumnData) -> &'static str {
    match data {
        ColumnData::Bool(_) => DataType::Bool.name(),
        ColumnData::Int8(_) => DataType::Int8.name(),
        ColumnData::Int16(_) => DataType::Int16.name(),
        ColumnData::Int32(_) => DataType::Int32.name(),
        ColumnData::Int64(_) => DataType::Int64.name(),
        ColumnData::Float(_) => DataType::Float.name(),
        ColumnData::Double(_) => DataType::Double.name(),
        ColumnData::VarChar(_) => DataType::VarChar { max_length: 0 }.name(),
        ColumnData::Json(_) => DataType::Json.name(),
        ColumnData::FloatVector { .. } => DataType::FloatVector { dim: 0 }.name(),
        ColumnData::PackedVector { kind, .. } => kind.type_name(),
    }
}

/// The column of a field that no row gives.
fn absent(field: &FieldSchema, rows: usize) -> Result<Column> {
    let placeholder = if field.is_dynamic { Value::Json("{}".into()) } else { Value::Null };
    if let Some(value) = &field.default_value {
        return Ok(Column::new(field.id, constant(&field.data_type, value, rows)));
    }
    let data = constant(&field.data_type, &placeholder, rows);
    if field.is_dynamic {
        return Ok(Column::new(field.id, data));
    }
    if field.nullable {
        return Ok(Column { field: field.id, data, validity: Some(Bitmap::new(rows, false)) });
    }
    let text = "the field is missing; it has no default and is not nullable";
    Err(Error::invalid(text).with("field", &field.name))
}

/// Null values: the default takes their place; without one the field must be nullable.
fn fill_nulls(field: &FieldSchema, column: &mut Column) -> Result<()> {
    let Some(valid) = column.validity.as_ref().filter(|valid| !valid.all()) else {
        column.validity = None;
        return Ok(());
    };
    let value = match &field.default_value {
        Some(value) => value.clone(),
        None if field.is_dynamic => Value::Json("{}".into()),
        None if field.nullable => return Ok(()),
        None => {
            let row = (0..valid.len()).find(|row| !valid.get(*row)).unwrap_or(0);
            let text = "the value is null, the field is neither nullable nor has a default";
            return Err(Error::invalid(text).with("field", &field.name).with("row", row));
        }
    };
    // The values followed by one default, and each null row takes that last one.
    let rows = valid.len();
    let picked: Vec<usize> = (0..rows).map(|row| if valid.get(row) { row } else { rows }).collect();
    let mut with_default = std::mem::replace(&mut column.data, ColumnData::Bool(Vec::new()));
    if !with_default.extend(&constant(&field.data_type, &value, 1)) {
        return Err(Error::internal("the default value is of another type").with("field", &field.name));
    }
    column.data = with_default.take(&picked);
    column.validity = None;
    Ok(())
}

/// The same value in every row; a value that does not fit the type is that type's placeholder, which a checked
/// schema rules out for defaults.
fn constant(data_type: &DataType, value: &Value, rows: usize) -> ColumnData {
    let int = if let Value::Int(v) = value { *v } else { 0 };
    let float = if let Value::Float(v) = value { *v } else { 0.0 };
    let text = match value {
        Value::Str(text) | Value::Json(text) => text.as_str(),
        _ => "",
    };
    let texts = || std::iter::repeat_n(text, rows).collect::<StrColumn>();
    match *data_type {
        DataType::Bool => ColumnData::Bool(vec![matches!(value, Value::Bool(true)); rows]),
        DataType::Int8 => ColumnData::Int8(vec![i8::try_from(int).unwrap_or(0); rows]),
        DataType::Int16 => ColumnData::Int16(vec![i16::try_from(int).unwrap_or(0); rows]),
        DataType::Int32 => ColumnData::Int32(vec![i32::try_from(int).unwrap_or(0); rows]),
        DataType::Int64 => ColumnData::Int64(vec![int; rows]),
        DataType::Float => ColumnData::Float(vec![float as f32; rows]),
        DataType::Double => ColumnData::Double(vec![float; rows]),
        DataType::VarChar { .. } => ColumnData::VarChar(texts()),
        DataType::Json => ColumnData::Json(texts()),
        DataType::FloatVector { dim } => {
            ColumnData::FloatVector { dim, values: vec![0.0; dim as usize * rows] }
        }
        DataType::BinaryVector { dim } => zeros(Packed::Bit, dim, rows),
        DataType::Float16Vector { dim } => zeros(Packed::Float16, dim, rows),
        DataType::BFloat16Vector { dim } => zeros(Packed::BFloat16, dim, rows),
        DataType::Int8Vector { dim } => zeros(Packed::Int8, dim, rows),
    }
}

fn zeros(kind: Packed, dim: u32, rows: usize) -> ColumnData {
    ColumnData::PackedVector { kind, dim, bytes: vec![0; kind.row_bytes(dim) * rows] }
}
