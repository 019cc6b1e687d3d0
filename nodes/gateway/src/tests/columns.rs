//! Columns of inserts: what is accepted, what is refused before anything is written.

use super::refused;
use crate::columns::{field_data, rows};
use crate::proto::schema as wire;
use crate::proto::schema::{DataType as Type, field_data::Field, scalar_field::Data as Scalar};
use crate::proto::schema::{vector_field, vector_field::Data as Vector};
use vecraft_types::api::NamedRows;
use vecraft_types::{ColumnData, Packed, Result};

pub fn scalars(name: &str, data_type: Type, data: Scalar, valid: &[bool]) -> wire::FieldData {
    let scalars = wire::ScalarField { data: Some(data), ..Default::default() };
    wire::FieldData {
        data_type: data_type.into(),
        field_name: name.to_owned(),
        field: Some(Field::Scalars(scalars)),
        valid_data: valid.to_vec(),
        ..Default::default()
    }
}

pub fn vectors(name: &str, dim: i64, values: &[f32]) -> wire::FieldData {
    let data = Some(vector_field::Data::FloatVector(wire::FloatArray { data: values.to_vec() }));
    let vectors = wire::VectorField { dim, data, ..Default::default() };
    wire::FieldData {
        data_type: Type::FloatVector.into(),
        field_name: name.to_owned(),
        field: Some(Field::Vectors(vectors)),
        ..Default::default()
    }
}

fn longs(data: &[i64]) -> Scalar {
    Scalar::LongData(wire::LongArray { data: data.to_vec() })
}

fn ints(data: &[i32]) -> Scalar {
    Scalar::IntData(wire::IntArray { data: data.to_vec() })
}

fn documents(data: &[&str]) -> Scalar {
    Scalar::JsonData(wire::JsonArray { data: data.iter().map(|text| text.to_string().into()).collect() })
}

fn one(field: wire::FieldData, num_rows: u32) -> Result<NamedRows> {
    rows(vec![field], num_rows)
}

#[test]
fn vectors_and_scalars_become_columns() {
    let fields =
        vec![scalars("id", Type::Int64, longs(&[5, 6]), &[]), vectors("v", 2, &[1.0, 2.0, 3.0, 4.0])];
    let rows = rows(fields, 2).unwrap();
    assert_eq!(rows.column("id").unwrap().data, ColumnData::Int64(vec![5, 6]));
    let wanted = ColumnData::FloatVector { dim: 2, values: vec![1.0, 2.0, 3.0, 4.0] };
    assert_eq!(rows.column("v").unwrap().data, wanted);
}

pub fn bytes(name: &str, data_type: Type, dim: i64, data: Vector) -> wire::FieldData {
    let vectors = wire::VectorField { dim, data: Some(data), ..Default::default() };
    wire::FieldData {
        data_type: data_type.into(),
        field_name: name.to_owned(),
        field: Some(Field::Vectors(vectors)),
        ..Default::default()
    }
}

#[test]
fn vectors_of_bytes_come_and_go_as_they_are() {
    let sent: [(Type, Packed, i64, Vector); 4] = [
        (Type::BinaryVector, Packed::Bit, 16, Vector::BinaryVector(vec![1, 2, 3, 4])),
        (Type::Float16Vector, Packed::Float16, 1, Vector::Float16Vector(vec![1, 2, 3, 4])),
        (Type::BFloat16Vector, Packed::BFloat16, 1, Vector::Bfloat16Vector(vec![1, 2, 3, 4])),
        (Type::Int8Vector, Packed::Int8, 2, Vector::Int8Vector(vec![1, 2, 3, 4])),
    ];
    for (data_type, kind, dim, data) in sent {
        let field = bytes("v", data_type, dim, data);
        let rows = one(field.clone(), 2).unwrap();
        let column = rows.column("v").unwrap().clone();
        assert_eq!(column.data, ColumnData::PackedVector { kind, dim: dim as u32, bytes: vec![1, 2, 3, 4] });
        assert_eq!(field_data("v", column, &Default::default()), field);
    }
}

#[test]
fn vectors_of_bytes_have_a_length_and_a_kind() {
    let bits = |dim, length| bytes("v", Type::BinaryVector, dim, Vector::BinaryVector(vec![0; length]));
    refused(
        one(bits(16, 5), 2),
        1100,
        &["v", "5 bytes", "2 rows", "BinaryVector", "dimension 16", "2 bytes each"],
    );
    refused(one(bits(12, 2), 1), 1100, &["v", "12", "multiple of 8"]);
    refused(one(bits(0, 0), 1), 1100, &["no dimension"]);
    refused(one(bits(-8, 1), 1), 1100, &["no dimension"]);
    let halves = bytes("v", Type::Float16Vector, 2, Vector::Float16Vector(vec![0; 7]));
    refused(one(halves, 2), 1100, &["7 bytes", "Float16Vector", "4 bytes each"]);
    let other = bytes("v", Type::Int8Vector, 4, Vector::BinaryVector(vec![0; 4]));
    refused(one(other, 1), 1100, &["Int8Vector", "another kind of vector"]);
    let longs = scalars("v", Type::BinaryVector, longs(&[1]), &[]);
    refused(one(longs, 1), 1100, &["BinaryVector", "not vectors"]);
}

#[test]
fn nulls_may_be_left_out_or_kept_as_placeholders() {
    for data in [&[7, 9][..], &[7, 0, 9][..]] {
        let rows = one(scalars("n", Type::Int16, ints(data), &[true, false, true]), 3).unwrap();
        let column = rows.column("n").unwrap();
        assert_eq!(column.data, ColumnData::Int16(vec![7, 0, 9]));
        assert!(!column.is_null(0) && column.is_null(1) && !column.is_null(2));
    }
    // All rows null, and no data at all.
    let mut field = scalars("n", Type::VarChar, longs(&[]), &[false, false]);
    field.field = None;
    let rows = one(field, 2).unwrap();
    assert!(rows.column("n").unwrap().is_null(1));
    refused(
        one(scalars("n", Type::Int16, ints(&[7]), &[true, false, true]), 3),
        1100,
        &["n", "1 values", "3 rows"],
    );
    refused(
        one(scalars("n", Type::Int16, ints(&[7]), &[true, false]), 1),
        1100,
        &["valid_data", "2 entries"],
    );
}

#[test]
fn the_dynamic_field_has_its_own_name() {
    let mut field = scalars("", Type::Json, documents(&["{\"a\": 1}"]), &[]);
    field.is_dynamic = true;
    assert_eq!(one(field, 1).unwrap().names, ["$meta"]);
    let mut field = scalars("", Type::Json, documents(&["[1]"]), &[]);
    field.is_dynamic = true;
    refused(one(field, 1), 1100, &["$meta", "row 0", "not a JSON object"]);
}

#[test]
fn wrong_values_are_refused_by_field_and_row() {
    refused(one(scalars("n", Type::Int8, ints(&[1, 200]), &[]), 2), 1100, &["n", "row 1", "200", "i8"]);
    refused(
        one(scalars("j", Type::Json, documents(&["{}", "{"]), &[]), 2),
        1100,
        &["j", "row 1", "not valid JSON"],
    );
    let doubles = Scalar::DoubleData(wire::DoubleArray { data: vec![1.0, f64::INFINITY] });
    refused(one(scalars("d", Type::Double, doubles, &[]), 2), 1100, &["d", "row 1", "inf"]);
    refused(one(vectors("v", 2, &[1.0, 2.0, 3.0, f32::NAN]), 2), 1100, &["v", "row 1", "NaN"]);
    let mut late = vec![0.5; 4_000];
    late[3_333] = f32::NEG_INFINITY;
    refused(one(vectors("v", 2, &late), 2_000), 1100, &["row 1666", "-inf"]);
}

#[test]
fn wrong_shapes_are_refused() {
    refused(
        one(vectors("v", 4, &[1.0, 2.0, 3.0, 4.0]), 2),
        1100,
        &["v", "4 floats", "2 rows", "dimension 4"],
    );
    refused(one(vectors("v", 0, &[]), 1), 1100, &["no dimension"]);
    refused(one(scalars("n", Type::Int64, longs(&[1, 2]), &[]), 3), 1100, &["2 values", "3 rows"]);
    refused(one(scalars("n", Type::VarChar, longs(&[1]), &[]), 1), 1100, &["VarChar", "Int64"]);
    refused(one(scalars("n", Type::Int64, longs(&[]), &[]), 0), 1100, &["no rows"]);
    refused(rows(Vec::new(), 1), 1100, &["no columns"]);
    let twice = || scalars("n", Type::Int64, longs(&[1]), &[]);
    refused(rows(vec![twice(), twice()], 1), 1100, &["twice", "n"]);
}

#[test]
fn types_that_are_not_built_are_named() {
    for (data_type, data) in [
        (Type::Array, Scalar::ArrayData(wire::Opaque {})),
        (Type::Geometry, Scalar::GeometryWktData(wire::Opaque {})),
        (Type::Timestamptz, Scalar::TimestamptzData(wire::Opaque {})),
    ] {
        refused(
            one(scalars("x", data_type, data, &[]), 1),
            1100,
            &["x", data_type.as_str_name(), "not supported"],
        );
    }
    let sparse = bytes("x", Type::SparseFloatVector, 8, Vector::SparseFloatVector(wire::Opaque {}));
    refused(one(sparse, 1), 1100, &["x", "SparseFloatVector", "not supported"]);
    let mut field = vectors("x", 2, &[1.0, 2.0]);
    field.valid_data = vec![true, false];
    refused(one(field, 2), 1100, &["null vector"]);
}
