//! Columns of vectors: each row has one, of the column's dimension.

use super::finite::finite;
use crate::proto::schema::DataType as WireType;
use crate::proto::schema::vector_field::Data as Vector;
use crate::schema::type_name;
use vecraft_types::{ColumnData, Error, Packed, Result};

/// The vectors of a column of this type.
pub(super) fn vector(data_type: i32, dim: i64, data: Option<Vector>, rows: usize) -> Result<ColumnData> {
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
