//! Columns of scalars: the values are those of the type, one a row.

use super::finite::finite;
use super::validity::Validity;
use crate::proto::schema::DataType as WireType;
use crate::proto::schema::scalar_field::Data as Scalar;
use crate::schema::type_name;
use vecraft_types::limits::JSON_BYTES_MAX;
use vecraft_types::{ColumnData, Error, Result, StrColumn};

/// The values of a column of this type; rows without one get the type's nothing.
pub(super) fn scalar(
    data_type: i32,
    data: Option<Scalar>,
    valid: &Validity,
    is_dynamic: bool,
) -> Result<ColumnData> {
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
