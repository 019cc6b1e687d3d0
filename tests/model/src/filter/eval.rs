//! What a filter means, one row at a time, with three truths.

use super::{Cond, Lit, Operand};
use crate::cell::Cell;
use serde_json::Value;
use std::cmp::Ordering;
use vecraft_types::{CollectionSchema, DataType};

/// 2^63: the first float above every i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

impl Cond {
    /// True when the row is surely meant.
    pub fn holds(&self, schema: &CollectionSchema, row: &[Cell]) -> bool {
        self.truth(schema, row) == Some(true)
    }

    /// `None` is unknown: a value is null, missing or of another kind.
    fn truth(&self, schema: &CollectionSchema, row: &[Cell]) -> Option<bool> {
        match self {
            Cond::Compare(operand, op, value) => compare(schema, operand, op, value, row),
            Cond::Range(low, operand, high) => {
                let from = compare(schema, operand, ">=", low, row);
                all([from, compare(schema, operand, "<", high, row)])
            }
            Cond::In(operand, is_inverted, list) => {
                let found: Vec<Option<bool>> =
                    list.iter().map(|value| compare(schema, operand, "==", value, row)).collect();
                if found.iter().all(Option::is_none) {
                    return None;
                }
                Some(found.contains(&Some(true)) != *is_inverted)
            }
            Cond::Like(operand, pattern) => match operand.value(row)? {
                Lit::Text(text) => {
                    let pattern: Vec<char> = pattern.chars().collect();
                    Some(like(&pattern, &text.chars().collect::<Vec<char>>()))
                }
                _ => None,
            },
            Cond::Null(operand, is_inverted) => Some(operand.is_null(row) != *is_inverted),
            Cond::Exists(path) => Some(!path.is_null(row)),
            Cond::Contains(path, wanted) => match path.json(row) {
                Some(Value::Array(list)) => {
                    let equals = |value: &Value| order(&scalar(value)?, wanted);
                    Some(list.iter().any(|value| equals(value) == Some(Ordering::Equal)))
                }
                _ => None,
            },
            Cond::Not(inner) => inner.truth(schema, row).map(|truth| !truth),
            Cond::All(parts) => all(parts.iter().map(|part| part.truth(schema, row))),
            Cond::Any(parts) => {
                all(parts.iter().map(|part| part.truth(schema, row).map(|truth| !truth))).map(|none| !none)
            }
        }
    }
}

fn all(truths: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let truths: Vec<Option<bool>> = truths.into_iter().collect();
    match (truths.contains(&Some(false)), truths.contains(&None)) {
        (true, _) => Some(false),
        (false, is_unknown) => (!is_unknown).then_some(true),
    }
}

impl Operand {
    fn value(&self, row: &[Cell]) -> Option<Lit> {
        match self {
            Operand::Field(_, place) => match &row[*place] {
                Cell::Bool(value) => Some(Lit::Bool(*value)),
                Cell::Int(value) => Some(Lit::Int(*value)),
                Cell::Float(value) => Some(Lit::Float((*value).into())),
                Cell::Double(value) => Some(Lit::Float(*value)),
                Cell::Text(text) => Some(Lit::Text(text.clone())),
                Cell::Null | Cell::Json(_) | Cell::Vector(_) | Cell::Packed(..) => None,
            },
            Operand::Path(..) => scalar(&self.json(row)?),
            Operand::Arith(inner, op, by) => {
                let Lit::Int(value) = inner.value(row)? else { return None };
                let result = match op {
                    '+' => value.checked_add(*by),
                    '*' => value.checked_mul(*by),
                    _ => value.checked_rem(*by),
                };
                result.map(Lit::Int)
            }
        }
    }

    fn is_null(&self, row: &[Cell]) -> bool {
        match self {
            Operand::Path(..) => matches!(self.json(row), None | Some(Value::Null)),
            _ => self.value(row).is_none(),
        }
    }

    /// What a path leads to.
    fn json(&self, row: &[Cell]) -> Option<Value> {
        let Operand::Path(_, place, steps) = self else { return None };
        let Cell::Json(text) = &row[*place] else { return None };
        let document: Value = serde_json::from_str(text).ok()?;
        let step = |value: &Value, step: &String| match value {
            Value::Object(object) => object.get(step).cloned(),
            Value::Array(list) => list.get(step.parse::<usize>().ok()?).cloned(),
            _ => None,
        };
        steps.iter().try_fold(document, |value, name| step(&value, name))
    }
}

fn scalar(value: &Value) -> Option<Lit> {
    match value {
        Value::Bool(value) => Some(Lit::Bool(*value)),
        Value::String(text) => Some(Lit::Text(text.clone())),
        Value::Number(number) => number.as_i64().map(Lit::Int).or_else(|| number.as_f64().map(Lit::Float)),
        _ => None,
    }
}

fn compare(
    schema: &CollectionSchema,
    operand: &Operand,
    op: &str,
    value: &Lit,
    row: &[Cell],
) -> Option<bool> {
    let constant = match operand {
        Operand::Field(_, place) => rounded(schema.fields[*place].data_type, value),
        _ => value.clone(),
    };
    let order = order(&operand.value(row)?, &constant)?;
    Some(match op {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// A constant beside a Float or Double field is first rounded to that type, as the stored values were.
fn rounded(data_type: DataType, value: &Lit) -> Lit {
    match (data_type, value) {
        (DataType::Float, Lit::Float(value)) => Lit::Float((*value as f32).into()),
        (DataType::Float, Lit::Int(value)) => Lit::Float((*value as f32).into()),
        (DataType::Double, Lit::Int(value)) => Lit::Float(*value as f64),
        _ => value.clone(),
    }
}

/// Values of one kind have an order, integers and floats among themselves an exact one; others have none.
fn order(a: &Lit, b: &Lit) -> Option<Ordering> {
    match (a, b) {
        (Lit::Bool(a), Lit::Bool(b)) => Some(a.cmp(b)),
        (Lit::Text(a), Lit::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Lit::Int(a), Lit::Int(b)) => Some(a.cmp(b)),
        (Lit::Float(a), Lit::Float(b)) => a.partial_cmp(b),
        (Lit::Int(a), Lit::Float(b)) => Some(int_and_float(*a, *b)),
        (Lit::Float(a), Lit::Int(b)) => Some(int_and_float(*b, *a).reverse()),
        _ => None,
    }
}

fn int_and_float(int: i64, float: f64) -> Ordering {
    if float >= I64_END {
        return Ordering::Less;
    }
    if float < -I64_END {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    // Within the range the whole part converts exactly; what is cut off decides between equals.
    int.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal))
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|from| like(rest, &text[from..])),
        ['\\', wanted, rest @ ..] => {
            matches!(text, [found, after @ ..] if found == wanted && like(rest, after))
        }
        ['_', rest @ ..] => matches!(text, [_, after @ ..] if like(rest, after)),
        [wanted, rest @ ..] => matches!(text, [found, after @ ..] if found == wanted && like(rest, after)),
    }
}
