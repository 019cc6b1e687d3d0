//! Collection schemas between the wire and [`CollectionSchema`].

use crate::params::{Params, pair, refuse};
use crate::proto::common::KeyValuePair;
use crate::proto::schema as wire;
use crate::proto::schema::{DataType as WireType, value_field::Data as WireValue};
use vecraft_types::schema::MMAP_ENABLED;
use vecraft_types::{CollectionSchema, DataType, Error, FieldSchema, Result, Value};

/// Milvus's name of a type number, for messages.
pub(crate) fn type_name(number: i32) -> String {
    WireType::try_from(number).map_or_else(|_| format!("{number}"), |known| known.as_str_name().to_owned())
}

/// Milvus's number of a type.
pub(crate) fn wire_type(data_type: &DataType) -> i32 {
    let known = match data_type {
        DataType::Bool => WireType::Bool,
        DataType::Int8 => WireType::Int8,
        DataType::Int16 => WireType::Int16,
        DataType::Int32 => WireType::Int32,
        DataType::Int64 => WireType::Int64,
        DataType::Float => WireType::Float,
        DataType::Double => WireType::Double,
        DataType::VarChar { .. } => WireType::VarChar,
        DataType::Json => WireType::Json,
        DataType::FloatVector { .. } => WireType::FloatVector,
        DataType::BinaryVector { .. } => WireType::BinaryVector,
        DataType::Float16Vector { .. } => WireType::Float16Vector,
        DataType::BFloat16Vector { .. } => WireType::BFloat16Vector,
        DataType::Int8Vector { .. } => WireType::Int8Vector,
    };
    known.into()
}

/// A schema as a client sends it. Ids and version are left to the server; names, counts and limits are checked
/// by the server too ([`CollectionSchema::check`]).
///
/// # Errors
/// Code 1100 for anything known to Milvus but not built, naming it.
pub(crate) fn from_wire(schema: wire::CollectionSchema) -> Result<CollectionSchema> {
    refuse(&[
        ("schema.functions", !schema.functions.is_empty()),
        ("schema.struct_array_fields", !schema.struct_array_fields.is_empty()),
        ("schema.external_source", !schema.external_source.is_empty()),
        ("schema.external_spec", !schema.external_spec.is_empty()),
        ("schema.file_resource_ids", !schema.file_resource_ids.is_empty()),
        ("schema.enable_namespace", schema.enable_namespace),
    ])?;
    let fields = schema.fields.into_iter().map(field_from_wire).collect::<Result<Vec<_>>>()?;
    let mut ours = CollectionSchema::new(fields);
    ours.description = schema.description;
    // Older clients ask for generated keys at the schema instead of at the key.
    if schema.auto_id {
        ours.fields.iter_mut().filter(|field| field.is_primary).for_each(|field| field.auto_id = true);
    }
    Ok(if schema.enable_dynamic_field { ours.with_dynamic_field() } else { ours })
}

fn field_from_wire(field: wire::FieldSchema) -> Result<FieldSchema> {
    let in_field = |error: Error| error.with("field", &field.name);
    refuse(&[
        ("is_dynamic on a field (use enable_dynamic_field)", field.is_dynamic),
        ("is_partition_key", field.is_partition_key),
        ("is_clustering_key", field.is_clustering_key),
        ("is_function_output", field.is_function_output),
        ("external_field", !field.external_field.is_empty()),
        ("element_nullable", field.element_nullable),
        ("type_schema", field.type_schema.is_some()),
        ("index_params on a field (use create_index)", !field.index_params.is_empty()),
    ])
    .map_err(in_field)?;
    let data_type = data_type(field.data_type, field.type_params).map_err(in_field)?;
    refuse(&[("a nullable vector", field.nullable && data_type.is_vector())]).map_err(in_field)?;
    let default_value = field.default_value.and_then(|value| value.data).map(value_from_wire).transpose();
    Ok(FieldSchema {
        description: field.description,
        is_primary: field.is_primary_key,
        auto_id: field.auto_id,
        nullable: field.nullable,
        default_value: default_value.map_err(in_field)?,
        ..FieldSchema::new(field.name.clone(), data_type)
    })
}

fn data_type(number: i32, params: Vec<KeyValuePair>) -> Result<DataType> {
    let mut params = Params::new("type parameter", params)?;
    // Columns are mapped whatever this says.
    params.switch(MMAP_ENABLED)?;
    params.refuse_if_on(&["enable_match", "enable_analyzer"])?;
    let data_type = match WireType::try_from(number) {
        Ok(WireType::Bool) => DataType::Bool,
        Ok(WireType::Int8) => DataType::Int8,
        Ok(WireType::Int16) => DataType::Int16,
        Ok(WireType::Int32) => DataType::Int32,
        Ok(WireType::Int64) => DataType::Int64,
        Ok(WireType::Float) => DataType::Float,
        Ok(WireType::Double) => DataType::Double,
        Ok(WireType::VarChar) => DataType::VarChar { max_length: required(&mut params, "max_length")? },
        Ok(WireType::Json) => DataType::Json,
        Ok(WireType::FloatVector) => DataType::FloatVector { dim: required(&mut params, "dim")? },
        Ok(WireType::BinaryVector) => DataType::BinaryVector { dim: required(&mut params, "dim")? },
        Ok(WireType::Float16Vector) => DataType::Float16Vector { dim: required(&mut params, "dim")? },
        Ok(WireType::BFloat16Vector) => DataType::BFloat16Vector { dim: required(&mut params, "dim")? },
        Ok(WireType::Int8Vector) => DataType::Int8Vector { dim: required(&mut params, "dim")? },
        _ => return Err(Error::not_built(format!("data type {}", type_name(number)))),
    };
    params.finish()?;
    Ok(data_type)
}

fn required(params: &mut Params, key: &str) -> Result<u32> {
    let value =
        params.integer(key)?.ok_or_else(|| Error::invalid(format!("type parameter {key:?} is missing")))?;
    u32::try_from(value)
        .map_err(|_| Error::invalid(format!("type parameter {key:?} is {value}, out of range")))
}

fn value_from_wire(value: WireValue) -> Result<Value> {
    Ok(match value {
        WireValue::BoolData(v) => Value::Bool(v),
        WireValue::IntData(v) => Value::Int(v.into()),
        WireValue::LongData(v) => Value::Int(v),
        WireValue::FloatData(v) => Value::Float(v.into()),
        WireValue::DoubleData(v) => Value::Float(v),
        WireValue::StringData(v) => Value::Str(v),
        WireValue::BytesData(_) => return Err(Error::not_built("a default value of a JSON field")),
        WireValue::TimestamptzData(_) | WireValue::DateData(_) | WireValue::TimeData(_) => {
            return Err(Error::not_built("a default value of a date or time"));
        }
    })
}

/// A schema for the client. The dynamic field shows only as a flag, as in Milvus.
pub(crate) fn to_wire(name: &str, schema: &CollectionSchema) -> wire::CollectionSchema {
    let fields = schema.fields.iter().filter(|field| !field.is_dynamic).map(field_to_wire).collect();
    wire::CollectionSchema {
        name: name.to_owned(),
        description: schema.description.clone(),
        auto_id: schema.primary_field().is_some_and(|field| field.auto_id),
        fields,
        enable_dynamic_field: schema.dynamic_field().is_some(),
        version: i32::try_from(schema.version).unwrap_or(i32::MAX),
        ..Default::default()
    }
}

fn field_to_wire(field: &FieldSchema) -> wire::FieldSchema {
    let type_params = match field.data_type {
        DataType::VarChar { max_length } => vec![pair("max_length", max_length)],
        other => other.dim().map(|dim| pair("dim", dim)).into_iter().collect(),
    };
    wire::FieldSchema {
        field_id: i64::try_from(field.id.0).unwrap_or(0),
        name: field.name.clone(),
        is_primary_key: field.is_primary,
        description: field.description.clone(),
        data_type: wire_type(&field.data_type),
        type_params,
        auto_id: field.auto_id,
        nullable: field.nullable,
        default_value: field.default_value.as_ref().and_then(|value| value_to_wire(&field.data_type, value)),
        ..Default::default()
    }
}

/// The default as the type's own kind of value; the stored one always fits its type.
fn value_to_wire(data_type: &DataType, value: &Value) -> Option<wire::ValueField> {
    let data = match (data_type, value) {
        (_, Value::Bool(v)) => WireValue::BoolData(*v),
        (DataType::Int64, Value::Int(v)) => WireValue::LongData(*v),
        (_, Value::Int(v)) => WireValue::IntData(i32::try_from(*v).ok()?),
        (DataType::Float, Value::Float(v)) => WireValue::FloatData(*v as f32),
        (_, Value::Float(v)) => WireValue::DoubleData(*v),
        (_, Value::Str(v)) => WireValue::StringData(v.clone()),
        (_, Value::Json(v)) => WireValue::BytesData(v.clone().into_bytes()),
        (_, Value::Null) => return None,
    };
    Some(wire::ValueField { data: Some(data) })
}
