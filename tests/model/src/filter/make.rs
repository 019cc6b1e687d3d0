//! Drawing a filter that the schema allows.

use super::{Cond, Lit, Operand};
use crate::make;
use crate::shape::{KEY, Shape};
use vecraft_test_sim::rng::Rng;
use vecraft_types::{DataType, PrimaryKey};

const ORDERS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const EQUALITIES: [&str; 2] = ["==", "!="];

/// A filter of up to three levels.
pub fn draw(rng: &mut Rng, shape: &Shape) -> Cond {
    condition(rng, shape, 2)
}

/// `id in [..]`, or `id == ..` for a single key.
pub fn by_keys(keys: &[PrimaryKey]) -> Cond {
    let operand = Operand::Field(KEY.to_owned(), 0);
    match keys {
        [only] => Cond::Compare(operand, "==", literal(only)),
        keys => Cond::In(operand, false, keys.iter().map(literal).collect()),
    }
}

/// `id > ..`
pub fn behind(key: &PrimaryKey) -> Cond {
    Cond::Compare(Operand::Field(KEY.to_owned(), 0), ">", literal(key))
}

fn literal(key: &PrimaryKey) -> Lit {
    match key {
        PrimaryKey::Int64(key) => Lit::Int(*key),
        PrimaryKey::VarChar(key) => Lit::Text(key.to_string()),
    }
}

fn condition(rng: &mut Rng, shape: &Shape, depth: u32) -> Cond {
    if depth > 0 && rng.chance(35) {
        let count = rng.between(2, 3);
        let several = |rng: &mut Rng| (0..count).map(|_| condition(rng, shape, depth - 1)).collect();
        return match rng.below(5) {
            0 => Cond::Not(Box::new(condition(rng, shape, depth - 1))),
            1 | 2 => Cond::All(several(rng)),
            _ => Cond::Any(several(rng)),
        };
    }
    if rng.chance(20) {
        return key_condition(rng, shape);
    }
    let places: Vec<usize> = shape.scalars().skip(1).chain(shape.meta()).collect();
    match rng.pick(&places) {
        Some(place) => field_condition(rng, shape, *place),
        None => key_condition(rng, shape),
    }
}

fn key_condition(rng: &mut Rng, shape: &Shape) -> Cond {
    let operand = Operand::Field(KEY.to_owned(), 0);
    match rng.below(4) {
        0 => {
            let keys: Vec<PrimaryKey> = (0..rng.between(1, 8)).map(|_| make::key(rng, shape)).collect();
            by_keys(&keys)
        }
        1 => Cond::In(operand, true, (0..3).map(|_| literal(&make::key(rng, shape))).collect()),
        _ => {
            let op = rng.pick(&ORDERS).copied().unwrap_or("==");
            Cond::Compare(operand, op, literal(&make::key(rng, shape)))
        }
    }
}

fn field_condition(rng: &mut Rng, shape: &Shape, place: usize) -> Cond {
    let field = &shape.fields()[place];
    let operand = Operand::Field(field.name.clone(), place);
    if field.data_type == DataType::Json {
        let path = path(rng, &field.name, place, field.is_dynamic);
        return json_condition(rng, path);
    }
    if rng.chance(10) {
        return Cond::Null(operand, rng.chance(50));
    }
    let is_int =
        matches!(field.data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    match field.data_type {
        DataType::Bool => Cond::Compare(operand, pick(rng, &EQUALITIES), Lit::Bool(rng.chance(50))),
        DataType::VarChar { .. } => match rng.below(4) {
            0 => Cond::Like(operand, pattern(rng)),
            1 => Cond::In(operand, rng.chance(30), (0..3).map(|_| Lit::Text(make::word(rng))).collect()),
            _ => Cond::Compare(operand, pick(rng, &ORDERS), Lit::Text(make::word(rng))),
        },
        _ => match rng.below(6) {
            0 => {
                let low = rng.below(12) as i64 - 8;
                Cond::Range(Lit::Int(low), operand, Lit::Int(low + rng.between(1, 8) as i64))
            }
            1 => Cond::In(operand, rng.chance(30), (0..rng.between(1, 12)).map(|_| number(rng)).collect()),
            2 if is_int => {
                let op = rng.pick(&['+', '*', '%']).copied().unwrap_or('+');
                let by = rng.between(2, 5) as i64;
                let result = Lit::Int(rng.below(9) as i64 - 2);
                Cond::Compare(Operand::Arith(Box::new(operand), op, by), pick(rng, &ORDERS), result)
            }
            _ => Cond::Compare(operand, pick(rng, &ORDERS), number(rng)),
        },
    }
}

/// A path into a document; into `$meta` also by the bare key.
fn path(rng: &mut Rng, field: &str, place: usize, is_meta: bool) -> Operand {
    let key = pick(rng, &make::JSON_KEYS);
    let mut steps = vec![key.to_owned()];
    match key {
        "list" if rng.chance(60) => steps.push(rng.below(3).to_string()),
        "deep" => steps.push(pick(rng, &["x", "y", "nowhere"]).to_owned()),
        _ => {}
    }
    let (mut text, rest) = if is_meta && rng.chance(60) {
        (key.to_owned(), &steps[1..])
    } else {
        (field.to_owned(), &steps[..])
    };
    for step in rest {
        let is_index = step.parse::<u32>().is_ok();
        text += &if is_index { format!("[{step}]") } else { format!("[\"{step}\"]") };
    }
    Operand::Path(text, place, steps)
}

fn json_condition(rng: &mut Rng, path: Operand) -> Cond {
    match rng.below(9) {
        0 => Cond::Exists(path),
        1 => Cond::Null(path, rng.chance(50)),
        2 => Cond::Contains(path, any_literal(rng)),
        3 => Cond::In(path, rng.chance(30), (0..3).map(|_| any_literal(rng)).collect()),
        4 => Cond::Like(path, pattern(rng)),
        _ => match any_literal(rng) {
            Lit::Bool(value) => Cond::Compare(path, pick(rng, &EQUALITIES), Lit::Bool(value)),
            value => Cond::Compare(path, pick(rng, &ORDERS), value),
        },
    }
}

fn any_literal(rng: &mut Rng) -> Lit {
    match rng.below(5) {
        0 => Lit::Bool(rng.chance(50)),
        1 | 2 => number(rng),
        _ => Lit::Text(make::word(rng)),
    }
}

fn number(rng: &mut Rng) -> Lit {
    if rng.chance(30) { Lit::Float(make::float(rng)) } else { Lit::Int(make::int(rng, -129, 1 << 20)) }
}

fn pattern(rng: &mut Rng) -> String {
    (0..rng.below(5)).map(|_| pick(rng, &["a", "b", "%", "_", "ż", "\\%"])).collect()
}

fn pick(rng: &mut Rng, from: &[&'static str]) -> &'static str {
    rng.pick(from).copied().unwrap_or("==")
}
