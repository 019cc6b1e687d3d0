//! From the wire: the columns of an insert, checked for what can be checked without the schema.
//!
//! Whether the columns are those of the collection, with its types, limits and defaults, is the database's
//! question. Checked here: lengths, validity, ranges of narrow integers, finite numbers, JSON. The columns are taken apart
//! by kind: `scalars`, `vectors`; `validity` says which rows have a value, `finite` which numbers are none.

use crate::proto::schema as wire;
use crate::proto::schema::DataType as WireType;
use crate::proto::schema::{field_data::Field, scalar_field::Data as Scalar};
use crate::weigh;
use scalars::scalar;
use validity::Validity;
use vecraft_types::api::NamedRows;
use vecraft_types::limits::META_FIELD;
use vecraft_types::{Column, Error, FieldId, Result};
use vectors::vector;

mod finite;
mod scalars;
mod validity;
mod vectors;

pub(crate) use finite::finite;

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
