//! Random values. Few different ones, so that filters match and keys meet again; among them the extremes.

use crate::cell::Cell;
use crate::shape::{Shape, TEXT_BYTES};
use serde_json::{Map, Value, json};
use vecraft_test_sim::rng::Rng;
use vecraft_types::{DataType, FieldSchema, PrimaryKey};

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
        DataType::FloatVector { dim } => Cell::Vector(vector(rng, shape, dim as usize)),
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

/// A vector; the null vector now and then.
pub fn vector(rng: &mut Rng, shape: &Shape, dim: usize) -> Vec<f32> {
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
