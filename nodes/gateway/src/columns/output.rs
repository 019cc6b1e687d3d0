//! To the wire: columns of results, and keys.

use crate::proto::schema as wire;
use crate::proto::schema::{DataType as WireType, vector_field::Data as Vector};
use crate::proto::schema::{field_data::Field, ids::IdField, scalar_field::Data as Scalar};
use bytes::Bytes;
use vecraft_types::limits::META_FIELD;
use vecraft_types::{CollectionSchema, Column, ColumnData, Packed, PrimaryKey, StrColumn};

/// A column of a result. Null rows keep a placeholder, and `valid_data` says which they are.
pub(crate) fn field_data(name: &str, column: Column, schema: &CollectionSchema) -> wire::FieldData {
    let field = schema.field(name);
    let rows = column.data.rows();
    let valid_data = match &column.validity {
        Some(valid) => (0..rows).map(|row| valid.get(row)).collect(),
        None => Vec::new(),
    };
    let (data_type, field_data) = data(column.data);
    wire::FieldData {
        data_type: data_type.into(),
        field_name: name.to_owned(),
        field: Some(field_data),
        field_id: field.and_then(|field| i64::try_from(field.id.0).ok()).unwrap_or(0),
        is_dynamic: name == META_FIELD,
        valid_data,
    }
}

fn data(data: ColumnData) -> (WireType, Field) {
    let (data_type, scalar) = match data {
        ColumnData::Bool(data) => (WireType::Bool, Scalar::BoolData(wire::BoolArray { data })),
        ColumnData::Int8(data) => (WireType::Int8, Scalar::IntData(wide(data))),
        ColumnData::Int16(data) => (WireType::Int16, Scalar::IntData(wide(data))),
        ColumnData::Int32(data) => (WireType::Int32, Scalar::IntData(wire::IntArray { data })),
        ColumnData::Int64(data) => (WireType::Int64, Scalar::LongData(wire::LongArray { data })),
        ColumnData::Float(data) => (WireType::Float, Scalar::FloatData(wire::FloatArray { data })),
        ColumnData::Double(data) => (WireType::Double, Scalar::DoubleData(wire::DoubleArray { data })),
        ColumnData::VarChar(text) => (WireType::VarChar, Scalar::StringData(strings(&text))),
        ColumnData::Json(text) => {
            let data = text.iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
            (WireType::Json, Scalar::JsonData(wire::JsonArray { data }))
        }
        ColumnData::FloatVector { dim, values } => {
            let vectors = wire::VectorField {
                dim: dim.into(),
                data: Some(Vector::FloatVector(wire::FloatArray { data: values })),
                ..Default::default()
            };
            return (WireType::FloatVector, Field::Vectors(vectors));
        }
        ColumnData::PackedVector { kind, dim, bytes } => {
            let (data_type, data) = match kind {
                Packed::Bit => (WireType::BinaryVector, Vector::BinaryVector(bytes)),
                Packed::Float16 => (WireType::Float16Vector, Vector::Float16Vector(bytes)),
                Packed::BFloat16 => (WireType::BFloat16Vector, Vector::Bfloat16Vector(bytes)),
                Packed::Int8 => (WireType::Int8Vector, Vector::Int8Vector(bytes)),
            };
            let vectors = wire::VectorField { dim: dim.into(), data: Some(data), ..Default::default() };
            return (data_type, Field::Vectors(vectors));
        }
    };
    (data_type, Field::Scalars(wire::ScalarField { data: Some(scalar), ..Default::default() }))
}

fn wide<T: Into<i32>>(values: Vec<T>) -> wire::IntArray {
    wire::IntArray { data: values.into_iter().map(Into::into).collect() }
}

fn strings(text: &StrColumn) -> wire::StringArray {
    wire::StringArray { data: text.iter().map(str::to_owned).collect() }
}

/// The keys in a column; `None` when the column cannot be a key.
pub(crate) fn ids(column: &ColumnData) -> Option<wire::Ids> {
    let field = match column {
        ColumnData::Int64(keys) => IdField::IntId(wire::LongArray { data: keys.clone() }),
        ColumnData::VarChar(keys) => IdField::StrId(strings(keys)),
        _ => return None,
    };
    Some(wire::Ids { id_field: Some(field) })
}

/// Keys one by one, as a write returns them. An empty list is a list of integers: clients look for the kind.
pub(crate) fn ids_of(keys: Vec<PrimaryKey>) -> wire::Ids {
    let field = if matches!(keys.first(), Some(PrimaryKey::VarChar(_))) {
        let text = |key: PrimaryKey| match key {
            PrimaryKey::VarChar(text) => text.as_ref().to_owned(),
            PrimaryKey::Int64(number) => number.to_string(),
        };
        IdField::StrId(wire::StringArray { data: keys.into_iter().map(text).collect() })
    } else {
        let number = |key: PrimaryKey| match key {
            PrimaryKey::Int64(number) => Some(number),
            PrimaryKey::VarChar(_) => None,
        };
        IdField::IntId(wire::LongArray { data: keys.into_iter().filter_map(number).collect() })
    };
    wire::Ids { id_field: Some(field) }
}
