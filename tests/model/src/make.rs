//! Random values. Few different ones, so that filters match and keys meet again; among them the extremes.

use crate::cell::Cell;
use crate::shape::{Shape, TEXT_BYTES};
use serde_json::{Map, Value, json};
use vecraft_test_sim::rng::Rng;
use vecraft_types::{DataType, FieldSchema, Packed, PrimaryKey};

/// Words of VarChar fields and JSON values; quotes, wild cards and bytes that are no ASCII among them.
pub const WORDS: [&str; 10] = ["", "a", "ab", "abab", "b", "żb", "it's", "a%b", "back\\slash", "quote\"d"];
/// Keys of JSON documents and of `$meta`.
pub const JSON_KEYS: [&str; 4] = ["color", "n", "list", "deep"];

/// A key out of the shape's.
pub fn key(rng: &mut Rng, shape: &Shape) -> PrimaryKey {
    numbered_key(shape, rng.below(shape.keys))
}

/// The key of a number; every number has another one.
pub fn numbered_key(shape: &Shape, number: u64) -> PrimaryKey {
    if shape.fields()[0].data_type == DataType::Int64 {
        return PrimaryKey::Int64(match number {
            0 => i64::MIN,
            1 => i64::MAX,
            n if n % 3 == 0 => -(n as i64),
            n => n as i64 * 1_000_003,
        });
    }
    PrimaryKey::VarChar(match number {
        0 => "".into(),
        1 => "it's \\ \"odd\"".into(),
        n if n % 3 == 0 => format!("ключ-{n}").into(),
        n => format!("key-{n}").into(),
    })
}

/// A value of a field: null now and then where that is allowed.
pub fn cell(rng: &mut Rng, shape: &Shape, field: &FieldSchema) -> Cell {
    if field.is_dynamic {
        return if rng.chance(15) { Cell::Json("{}".to_owned()) } else { Cell::Json(document(rng)) };
    }
    if (field.nullable || field.default_value.is_some()) && rng.chance(25) {
        return Cell::Null;
    }
    match field.data_type {
        DataType::Bool => Cell::Bool(rng.chance(50)),
        DataType::Int8 => Cell::Int(int(rng, i8::MIN.into(), i8::MAX.into())),
        DataType::Int16 => Cell::Int(int(rng, i16::MIN.into(), i16::MAX.into())),
        DataType::Int32 => Cell::Int(int(rng, i32::MIN.into(), i32::MAX.into())),
        DataType::Int64 => Cell::Int(int(rng, i64::MIN, i64::MAX)),
        DataType::Float => Cell::Float(float(rng) as f32),
        DataType::Double => Cell::Double(float(rng)),
        DataType::VarChar { .. } => Cell::Text(word(rng)),
        DataType::Json => Cell::Json(document(rng)),
        _ => vector(rng, shape, field.data_type),
    }
}

/// An integer from -8 to 8, sometimes one of the ends.
pub fn int(rng: &mut Rng, low: i64, high: i64) -> i64 {
    match rng.below(20) {
        0 => low,
        1 => high,
        _ => rng.below(17) as i64 - 8,
    }
}

/// One of few floats.
pub fn float(rng: &mut Rng) -> f64 {
    rng.pick(&[-1e30, -2.5, -0.0, 0.0, 0.1, 0.5, 1.0, 2.0, 2.5, 7.25]).copied().unwrap_or(0.0)
}

/// A word that fits a text field.
pub fn word(rng: &mut Rng) -> String {
    let word = rng.pick(&WORDS).copied().unwrap_or("");
    debug_assert!(word.len() <= TEXT_BYTES as usize);
    word.to_owned()
}

/// A vector of a type; the null vector now and then.
pub fn vector(rng: &mut Rng, shape: &Shape, data_type: DataType) -> Cell {
    match data_type.packed() {
        None => Cell::Vector(floats(rng, shape, data_type.dim().unwrap_or(0) as usize)),
        Some((kind, dim)) if rng.chance(2) => Cell::Packed(kind, vec![0; kind.row_bytes(dim)]),
        Some((kind, dim)) => Cell::Packed(kind, packed(rng, shape, kind, dim)),
    }
}

fn floats(rng: &mut Rng, shape: &Shape, dim: usize) -> Vec<f32> {
    if rng.chance(2) {
        return vec![0.0; dim];
    }
    let value = |rng: &mut Rng| {
        let step = rng.below(17) as f32 - 8.0;
        if shape.has_exact_vectors {
            step / 4.0
        } else {
            step + (rng.next() >> 40) as f32 / (1u64 << 24) as f32
        }
    };
    (0..dim).map(|_| value(rng)).collect()
}

/// Few different elements, so that scores are often equal; halves are small numbers that they hold exactly.
fn packed(rng: &mut Rng, shape: &Shape, kind: Packed, dim: u32) -> Vec<u8> {
    let bytes = 0..kind.row_bytes(dim);
    let quarters = |rng: &mut Rng| (rng.below(17) as f32 - 8.0) / 4.0;
    match kind {
        Packed::Bit if shape.has_exact_vectors => bytes.map(|_| 1u8 << rng.below(8)).collect(),
        Packed::Bit => bytes.map(|_| rng.next() as u8).collect(),
        Packed::Int8 => bytes.map(|_| int(rng, i8::MIN.into(), i8::MAX.into()) as u8).collect(),
        Packed::Float16 => (0..dim).flat_map(|_| ieee_half(quarters(rng)).to_le_bytes()).collect(),
        Packed::BFloat16 => {
            let upper_half = |value: f32| ((value.to_bits() >> 16) as u16).to_le_bytes();
            (0..dim).flat_map(|_| upper_half(quarters(rng))).collect()
        }
    }
}

/// The half of a number that is a normal half, or zero.
fn ieee_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    if value == 0.0 {
        return sign;
    }
    let exponent = (bits >> 23 & 0xff) + 15 - 127;
    sign | (exponent << 10) as u16 | (bits >> 13 & 0x3ff) as u16
}

/// A JSON object.
fn document(rng: &mut Rng) -> String {
    let mut object = Map::new();
    for key in JSON_KEYS {
        if rng.chance(35) {
            continue;
        }
        let value = match key {
            "color" => json_scalar(rng),
            "n" => json!(rng.below(9) as i64 - 4),
            "list" => Value::Array((0..rng.below(4)).map(|_| json_scalar(rng)).collect()),
            _ => json!({ "x": json_scalar(rng), "y": rng.below(3) }),
        };
        object.insert(key.to_owned(), value);
    }
    Value::Object(object).to_string()
}

fn json_scalar(rng: &mut Rng) -> Value {
    match rng.below(8) {
        0 => Value::Null,
        1 => json!(rng.chance(50)),
        2 => json!(rng.below(9) as f64 / 2.0 - 1.0),
        3 | 4 => json!(rng.below(5)),
        _ => json!(word(rng)),
    }
}
