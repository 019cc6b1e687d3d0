//! From the wire: the columns of an insert, checked for what can be checked without the schema.
//!
//! Whether the columns are those of the collection, with its types, limits and defaults, is the database's
//! question. Checked here: lengths, validity, ranges of narrow integers, finite numbers, JSON.

use crate::proto::schema as wire;
use crate::proto::schema::DataType as WireType;
use crate::proto::schema::{field_data::Field, scalar_field::Data as Scalar, vector_field::Data as Vector};
use crate::schema::type_name;
use crate::weigh;
use vecraft_types::api::NamedRows;
use vecraft_types::limits::{JSON_BYTES_MAX, META_FIELD};
use vecraft_types::{Bitmap, Column, ColumnData, Error, FieldId, Packed, Result, StrColumn};

/// The rows of an insert or upsert.
///
/// # Errors
/// Code 1100 naming the field, the row and the limit; nothing has been written then.
pub(crate) fn rows(fields: Vec<wire::FieldData>, num_rows: u32) -> Result<NamedRows> {
    let rows = num_rows as usize;
    if rows == 0 {
        return Err(Error::invalid("the request has no rows (num_rows is 0)"));
    }
    if fields.is_empty() {
        return Err(Error::invalid("the request has no columns"));
    }
    check_spread(&fields, rows)?;
    let mut columns: Vec<(String, Column)> = Vec::with_capacity(fields.len());
    for field in fields {
        let name = if field.is_dynamic { META_FIELD.to_owned() } else { field.field_name.clone() };
        if columns.iter().any(|(known, _)| *known == name) {
            return Err(Error::invalid("the column is given twice").with("field", name));
        }
        let column = column(field, rows).map_err(|error| error.with("field", &name))?;
        columns.push((name, column));
    }
    NamedRows::new(columns).ok_or_else(|| Error::internal("checked columns differ in length"))
}

/// Null rows come without a value, a byte each on the wire: what they take once each row has one is asked before (I21).
fn check_spread(fields: &[wire::FieldData], rows: usize) -> Result<()> {
    let missing = fields.iter().map(|field| {
        let given = match &field.field {
            Some(Field::Scalars(wire::ScalarField { data: Some(data), .. })) => values(data),
            Some(Field::Vectors(_) | Field::StructArrays(_)) => rows,
            _ => 0,
        };
        let width = match WireType::try_from(field.data_type) {
            Ok(WireType::VarChar) => size_of::<String>(),
            Ok(WireType::Json) => size_of::<bytes::Bytes>(),
            _ => size_of::<i64>(),
        };
        // With any value missing, all are laid out anew.
        if given < rows { rows.saturating_mul(width) } else { 0 }
    });
    let bytes = missing.fold(0usize, usize::saturating_add);
    if bytes <= weigh::EXTRA_BYTES_MAX { Ok(()) } else { Err(weigh::too_much_memory()) }
}

fn values(data: &Scalar) -> usize {
    match data {
        Scalar::BoolData(v) => v.data.len(),
        Scalar::IntData(v) => v.data.len(),
        Scalar::LongData(v) => v.data.len(),
        Scalar::FloatData(v) => v.data.len(),
        Scalar::DoubleData(v) => v.data.len(),
        Scalar::StringData(v) => v.data.len(),
        Scalar::JsonData(v) => v.data.len(),
        _ => 0,
    }
}

fn column(field: wire::FieldData, rows: usize) -> Result<Column> {
    let mut valid = field.valid_data;
    let data = match field.field {
        Some(Field::Scalars(scalars)) => {
            take_newer(&mut valid, scalars.valid_data);
            let valid = Validity::new(valid, rows)?;
            return Ok(valid.column(scalar(field.data_type, scalars.data, &valid, field.is_dynamic)?));
        }
        Some(Field::Vectors(vectors)) => {
            take_newer(&mut valid, vectors.valid_data);
            if !Validity::new(valid, rows)?.all() {
                return Err(Error::not_built("a null vector"));
            }
            vector(field.data_type, vectors.dim, vectors.data, rows)?
        }
        Some(Field::StructArrays(_)) => return Err(Error::not_built("an array of structs")),
        // A column of nulls only may come without any data.
        None => {
            let valid = Validity::new(valid, rows)?;
            return Ok(valid.column(scalar(field.data_type, None, &valid, field.is_dynamic)?));
        }
    };
    Ok(Column::new(FieldId(0), data))
}

/// Validity has moved from the column into its data; newer clients fill the new place.
fn take_newer(valid: &mut Vec<bool>, newer: Vec<bool>) {
    if !newer.is_empty() {
        *valid = newer;
    }
}

/// Which rows have a value. Empty `bits`: all of them.
struct Validity {
    rows: usize,
    bits: Vec<bool>,
    present: usize,
}

impl Validity {
    fn new(bits: Vec<bool>, rows: usize) -> Result<Validity> {
        if !bits.is_empty() && bits.len() != rows {
            let text = format!("valid_data has {} entries, the request has {rows} rows", bits.len());
            return Err(Error::invalid(text));
        }
        let present = if bits.is_empty() { rows } else { bits.iter().filter(|bit| **bit).count() };
        Ok(Validity { rows, bits, present })
    }

    fn all(&self) -> bool {
        self.present == self.rows
    }

    fn is_valid(&self, row: usize) -> bool {
        self.bits.get(row).copied().unwrap_or(true)
    }

    /// One value a row. Clients leave null rows out; some send a placeholder instead.
    fn spread<T: Default>(&self, values: Vec<T>) -> Result<Vec<T>> {
        if values.len() == self.rows {
            return Ok(values);
        }
        if values.len() != self.present {
            let nulls = self.rows - self.present;
            return Err(Error::invalid(format!(
                "the column has {} values, the request has {} rows ({nulls} of them null)",
                values.len(),
                self.rows
            )));
        }
        let mut values = values.into_iter();
        let mut next =
            |row| if self.is_valid(row) { values.next().unwrap_or_default() } else { T::default() };
        Ok((0..self.rows).map(&mut next).collect())
    }

    fn column(&self, data: ColumnData) -> Column {
        let validity = (!self.all()).then(|| self.bits.iter().copied().collect::<Bitmap>());
        Column { field: FieldId(0), data, validity }
    }
}

fn scalar(data_type: i32, data: Option<Scalar>, valid: &Validity, is_dynamic: bool) -> Result<ColumnData> {
    let wrong = |given: &str| {
        Err(Error::invalid(format!("the type is {}, but the values are {given}", type_name(data_type))))
    };
    let known = WireType::try_from(data_type).unwrap_or(WireType::None);
    Ok(match (known, data) {
        (WireType::Bool, Some(Scalar::BoolData(v))) => ColumnData::Bool(valid.spread(v.data)?),
        (WireType::Bool, None) => ColumnData::Bool(valid.spread(Vec::new())?),
        (WireType::Int8, Some(Scalar::IntData(v))) => ColumnData::Int8(narrow(valid.spread(v.data)?)?),
        (WireType::Int8, None) => ColumnData::Int8(valid.spread(Vec::new())?),
        (WireType::Int16, Some(Scalar::IntData(v))) => ColumnData::Int16(narrow(valid.spread(v.data)?)?),
        (WireType::Int16, None) => ColumnData::Int16(valid.spread(Vec::new())?),
        (WireType::Int32, Some(Scalar::IntData(v))) => ColumnData::Int32(valid.spread(v.data)?),
        (WireType::Int32, None) => ColumnData::Int32(valid.spread(Vec::new())?),
        (WireType::Int64, Some(Scalar::LongData(v))) => ColumnData::Int64(valid.spread(v.data)?),
        (WireType::Int64, None) => ColumnData::Int64(valid.spread(Vec::new())?),
        (WireType::Float, Some(Scalar::FloatData(v))) => {
            let values = valid.spread(v.data)?;
            finite("row", &values, 1, |x| x.is_finite())?;
            ColumnData::Float(values)
        }
        (WireType::Float, None) => ColumnData::Float(valid.spread(Vec::new())?),
        (WireType::Double, Some(Scalar::DoubleData(v))) => {
            let values = valid.spread(v.data)?;
            finite("row", &values, 1, |x| x.is_finite())?;
            ColumnData::Double(values)
        }
        (WireType::Double, None) => ColumnData::Double(valid.spread(Vec::new())?),
        (WireType::VarChar, Some(Scalar::StringData(v))) => ColumnData::VarChar(text(valid.spread(v.data)?)),
        (WireType::VarChar, None) => ColumnData::VarChar(text(valid.spread(Vec::new())?)),
        (WireType::Json, Some(Scalar::JsonData(v))) => {
            ColumnData::Json(json(&valid.spread(v.data)?, valid, is_dynamic)?)
        }
        (WireType::Json, None) => ColumnData::Json(json(&valid.spread(Vec::new())?, valid, is_dynamic)?),
        (
            WireType::Bool
            | WireType::Int8
            | WireType::Int16
            | WireType::Int32
            | WireType::Int64
            | WireType::Float
            | WireType::Double
            | WireType::VarChar
            | WireType::Json,
            Some(other),
        ) => return wrong(kind(&other)),
        (
            WireType::FloatVector
            | WireType::BinaryVector
            | WireType::Float16Vector
            | WireType::BFloat16Vector
            | WireType::Int8Vector,
            _,
        ) => return wrong("not vectors"),
        _ => return Err(Error::not_built(format!("data type {}", type_name(data_type)))),
    })
}

fn kind(data: &Scalar) -> &'static str {
    match data {
        Scalar::BoolData(_) => "Bool",
        Scalar::IntData(_) => "Int8, Int16 or Int32",
        Scalar::LongData(_) => "Int64",
        Scalar::FloatData(_) => "Float",
        Scalar::DoubleData(_) => "Double",
        Scalar::StringData(_) => "VarChar",
        Scalar::JsonData(_) => "JSON",
        _ => "of a type that is not supported",
    }
}

fn vector(data_type: i32, dim: i64, data: Option<Vector>, rows: usize) -> Result<ColumnData> {
    let dim = u32::try_from(dim).ok().filter(|dim| *dim > 0);
    let dim = dim.ok_or_else(|| Error::invalid("the vectors have no dimension"));
    let wrong = || {
        let name = type_name(data_type);
        Error::invalid(format!("the type is {name}, but the values are another kind of vector"))
    };
    let values = match (WireType::try_from(data_type), data) {
        (Ok(WireType::FloatVector), Some(Vector::FloatVector(v))) => v.data,
        (Ok(WireType::FloatVector), None) => Vec::new(),
        (Ok(WireType::BinaryVector), Some(Vector::BinaryVector(v))) => {
            return packed(Packed::Bit, dim?, v, rows);
        }
        (Ok(WireType::Float16Vector), Some(Vector::Float16Vector(v))) => {
            return packed(Packed::Float16, dim?, v, rows);
        }
        (Ok(WireType::BFloat16Vector), Some(Vector::Bfloat16Vector(v))) => {
            return packed(Packed::BFloat16, dim?, v, rows);
        }
        (Ok(WireType::Int8Vector), Some(Vector::Int8Vector(v))) => {
            return packed(Packed::Int8, dim?, v, rows);
        }
        (
            Ok(
                WireType::FloatVector
                | WireType::BinaryVector
                | WireType::Float16Vector
                | WireType::BFloat16Vector
                | WireType::Int8Vector,
            ),
            _,
        ) => return Err(wrong()),
        _ => return Err(Error::not_built(format!("data type {}", type_name(data_type)))),
    };
    let dim = dim?;
    if Some(values.len()) != rows.checked_mul(dim as usize) {
        return Err(Error::invalid(format!(
            "{} floats are not {rows} rows of dimension {dim}: a vector has a wrong dimension or is missing",
            values.len()
        )));
    }
    finite("row", &values, dim as usize, |x| x.is_finite())?;
    Ok(ColumnData::FloatVector { dim, values })
}

/// Whether the values are finite is asked where the schema is known.
fn packed(kind: Packed, dim: u32, bytes: Vec<u8>, rows: usize) -> Result<ColumnData> {
    let width = kind.row_bytes(dim);
    if kind == Packed::Bit && !dim.is_multiple_of(8) {
        let text = format!("the vectors have dimension {dim}, that of a binary vector is a multiple of 8");
        return Err(Error::invalid(text));
    }
    if Some(bytes.len()) != rows.checked_mul(width) {
        return Err(Error::invalid(format!(
            "{} bytes are not {rows} rows of {} of dimension {dim} ({width} bytes each): a vector has a wrong \
             dimension or is missing",
            bytes.len(),
            kind.type_name()
        )));
    }
    Ok(ColumnData::PackedVector { kind, dim, bytes })
}

/// Refuses NaN and infinity, naming the row (or what else `width` values make).
pub(crate) fn finite<T: Copy + std::fmt::Debug>(
    what: &str,
    values: &[T],
    width: usize,
    is_finite: fn(T) -> bool,
) -> Result<()> {
    // Whole blocks first: a loop without an early exit is vectorised.
    for (block, chunk) in values.chunks(1_024).enumerate() {
        if chunk.iter().fold(true, |all, value| all & is_finite(*value)) {
            continue;
        }
        let at = block * 1_024 + chunk.iter().position(|value| !is_finite(*value)).unwrap_or(0);
        let row = at / width.max(1);
        return Err(Error::invalid(format!(
            "{what} {row} has the value {:?}, a number is needed",
            values[at]
        )));
    }
    Ok(())
}

fn narrow<T: TryFrom<i32>>(values: Vec<i32>) -> Result<Vec<T>> {
    let convert = |(row, value): (usize, i32)| {
        T::try_from(value).map_err(|_| {
            Error::invalid(format!(
                "row {row} has the value {value}, out of range of {}",
                std::any::type_name::<T>()
            ))
        })
    };
    values.into_iter().enumerate().map(convert).collect()
}

fn text(values: Vec<String>) -> StrColumn {
    values.iter().collect()
}

fn json(values: &[bytes::Bytes], valid: &Validity, is_dynamic: bool) -> Result<StrColumn> {
    let mut column = StrColumn::default();
    for (row, value) in values.iter().enumerate() {
        if !valid.is_valid(row) {
            column.push("");
            continue;
        }
        if value.len() > JSON_BYTES_MAX {
            let text =
                format!("row {row} has {} bytes of JSON, at most {JSON_BYTES_MAX} are allowed", value.len());
            return Err(Error::invalid(text));
        }
        let text =
            std::str::from_utf8(value).map_err(|_| Error::invalid(format!("row {row} is not UTF-8 text")))?;
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| Error::invalid(format!("row {row} is not valid JSON: {error}")))?;
        if is_dynamic && !text.trim_start().starts_with('{') {
            return Err(Error::invalid(format!("row {row} of the dynamic field is not a JSON object")));
        }
        column.push(text);
    }
    Ok(column)
}
