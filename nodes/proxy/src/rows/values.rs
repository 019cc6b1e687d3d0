//! What single values must be like: finite, short enough, well formed.

use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use vecraft_types::limits::JSON_BYTES_MAX;
use vecraft_types::{
    Code, CollectionSchema, Column, ColumnData, DataType, Error, FieldSchema, Result, StrColumn,
};

/// Checks every value of a column whose type is right already. Null rows hold placeholders and are not looked at.
pub(crate) fn check_values(schema: &CollectionSchema, field: &FieldSchema, column: &Column) -> Result<()> {
    let bad = match (&column.data, &field.data_type) {
        (ColumnData::Float(values), _) => values
            .iter()
            .enumerate()
            .find(|(row, v)| !v.is_finite() && !column.is_null(*row))
            .map(|(row, v)| (row, Error::invalid(format!("the value is {v}, it must be finite")))),
        (ColumnData::Double(values), _) => values
            .iter()
            .enumerate()
            .find(|(row, v)| !v.is_finite() && !column.is_null(*row))
            .map(|(row, v)| (row, Error::invalid(format!("the value is {v}, it must be finite")))),
        (ColumnData::FloatVector { dim, values }, _) => first_not_finite(values).map(|at| {
            let (row, element) = (at / *dim as usize, at % *dim as usize);
            (
                row,
                Error::invalid(format!(
                    "element {element} of the vector is {}, it must be finite",
                    values[at]
                )),
            )
        }),
        (ColumnData::PackedVector { kind, dim, bytes }, _) => kind.first_not_finite(bytes).map(|at| {
            let (row, element) = (at / *dim as usize, at % *dim as usize);
            let text = format!("element {element} of the vector is NaN or infinite, it must be finite");
            (row, Error::invalid(text))
        }),
        (ColumnData::VarChar(texts), DataType::VarChar { max_length }) => {
            let max = *max_length as usize;
            first_bad(column, texts, |text| {
                if text.len() <= max {
                    return Ok(());
                }
                let text = format!("the value has {} bytes, max_length is {max}", text.len());
                Err(Error::new(Code::ParameterTooLarge, text))
            })
        }
        (ColumnData::Json(texts), _) if field.is_dynamic => {
            first_bad(column, texts, |text| check_meta(schema, text))
        }
        (ColumnData::Json(texts), _) => first_bad(column, texts, check_json),
        _ => None,
    };
    match bad {
        None => Ok(()),
        Some((row, error)) => Err(error.with("field", &field.name).with("row", row)),
    }
}

/// The position of the first NaN or infinity.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Whole chunks first: adding up `0 * x` is NaN exactly when some x is not finite, and has no branch inside.
    const CHUNK: usize = 1024;
    values.chunks(CHUNK).enumerate().find_map(|(nth, chunk)| {
        let sum: f32 = chunk.iter().map(|x| x * 0.0).sum();
        let at = if sum == 0.0 { None } else { chunk.iter().position(|x| !x.is_finite()) };
        at.map(|at| nth * CHUNK + at)
    })
}

fn first_bad(
    column: &Column,
    texts: &StrColumn,
    check: impl Fn(&str) -> Result<()>,
) -> Option<(usize, Error)> {
    let rows = texts.iter().enumerate().filter(|(row, _)| !column.is_null(*row));
    rows.into_iter().find_map(|(row, text)| check(text).err().map(|error| (row, error)))
}

fn check_json_size(text: &str) -> Result<()> {
    if text.len() <= JSON_BYTES_MAX {
        return Ok(());
    }
    let text = format!("the JSON value has {} bytes, at most {JSON_BYTES_MAX} are allowed", text.len());
    Err(Error::new(Code::ParameterTooLarge, text))
}

fn check_json(text: &str) -> Result<()> {
    check_json_size(text)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::invalid(format!("the value is not JSON: {error}"))),
    }
}

/// A dynamic value is an object, and its keys are not those of the schema: nobody could tell them apart.
fn check_meta(schema: &CollectionSchema, text: &str) -> Result<()> {
    if text == "{}" {
        return Ok(());
    }
    check_json_size(text)?;
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("the dynamic values are not a JSON object: {error}")))?;
    match keys.keys().find(|key| schema.field(key).is_some()) {
        None => Ok(()),
        Some(key) => {
            let text = format!("the dynamic key {key:?} is the name of a field of the schema");
            Err(Error::invalid(text).with("key", key))
        }
    }
}
