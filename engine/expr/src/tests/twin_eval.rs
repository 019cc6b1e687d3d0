//! The naive twin: one row, one node at a time, no plan.

use super::schema;
use super::twin_conditions::{Cond, Expr, Val};
use serde_json::Value;
use std::cmp::Ordering;
use vecraft_types::{ColumnData, RowBatch};

impl Cond {
    /// `None` is unknown.
    pub(super) fn truth(&self, batch: &RowBatch, row: usize) -> Option<bool> {
        let value = |expr: &Expr| expr.value(batch, row);
        match self {
            Cond::Const(value) => Some(*value),
            Cond::Flag => match value(&Expr::Column("flag"))? {
                Val::Bool(flag) => Some(flag),
                _ => panic!("flag is a Bool"),
            },
            Cond::Compare(op, a, b) => compare(op, rounded(value(a)?, a, b), rounded(value(b)?, b, a)),
            Cond::Range(low, first, middle, second, high) => {
                let low = Cond::Compare(first, Expr::Lit(low.clone()), middle.clone()).truth(batch, row);
                let high = Cond::Compare(second, middle.clone(), Expr::Lit(high.clone())).truth(batch, row);
                all(&[low, high])
            }
            Cond::In(expr, inverted, list) => {
                let value = value(expr)?;
                let constant = |item: &Val| rounded(item.clone(), &Expr::Lit(item.clone()), expr);
                let found: Vec<Option<bool>> =
                    list.iter().map(|item| compare("==", value.clone(), constant(item))).collect();
                if !list.is_empty() && found.iter().all(Option::is_none) {
                    return None;
                }
                Some(found.contains(&Some(true)) != *inverted)
            }
            Cond::Like(expr, pattern) => match value(expr)? {
                Val::Str(text) => {
                    let pattern: Vec<char> = pattern.chars().collect();
                    Some(like(&pattern, &text.chars().collect::<Vec<_>>()))
                }
                _ => None,
            },
            Cond::IsNull(expr, inverted) => Some(is_null(expr, batch, row) != *inverted),
            Cond::Exists(Expr::Path(_, column, pointer)) => {
                Some(!matches!(json(column, pointer, batch, row), None | Some(Value::Null)))
            }
            Cond::Exists(_) => panic!("exists is for paths"),
            Cond::Contains(name, Expr::Path(_, column, pointer), list) => {
                let Some(Value::Array(elements)) = json(column, pointer, batch, row) else { return None };
                let has = |item: &Val| {
                    let equal = |element| compare("==", element, item.clone()) == Some(true);
                    elements.iter().filter_map(scalar).any(equal)
                };
                Some(if name.ends_with("all") { list.iter().all(has) } else { list.iter().any(has) })
            }
            Cond::Contains(..) => panic!("contains is for paths"),
            Cond::Not(inner) => inner.truth(batch, row).map(|truth| !truth),
            Cond::And(parts) => all(&parts.iter().map(|part| part.truth(batch, row)).collect::<Vec<_>>()),
            Cond::Or(parts) => {
                let truths = parts.iter().map(|part| part.truth(batch, row).map(|truth| !truth));
                all(&truths.collect::<Vec<_>>()).map(|truth| !truth)
            }
        }
    }
}

fn all(truths: &[Option<bool>]) -> Option<bool> {
    if truths.contains(&Some(false)) {
        Some(false)
    } else if truths.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// A constant beside a Float or Double field is rounded to that type.
fn rounded(value: Val, origin: &Expr, other: &Expr) -> Val {
    let single = |v: f64| Val::Float(f64::from(v as f32));
    match (value, origin, other) {
        (Val::Float(v), Expr::Lit(_), Expr::Column("score")) => single(v),
        (Val::Int(v), Expr::Lit(_), Expr::Column("score")) => single(v as f64),
        (Val::Int(v), Expr::Lit(_), Expr::Column("price")) => Val::Float(v as f64),
        (value, ..) => value,
    }
}

impl Expr {
    fn value(&self, batch: &RowBatch, row: usize) -> Option<Val> {
        match self {
            Expr::Lit(value) => Some(value.clone()),
            Expr::Path(_, column, pointer) => scalar(&json(column, pointer, batch, row)?),
            Expr::Neg(inner) => match inner.value(batch, row)? {
                Val::Int(v) => v.checked_neg().map(Val::Int),
                Val::Float(v) => Some(Val::Float(-v)),
                _ => None,
            },
            Expr::Arith(op, a, b) => arith(op, a.value(batch, row)?, b.value(batch, row)?),
            Expr::Column(name) => {
                let column = batch.column(schema().field(name).unwrap().id).unwrap();
                if column.is_null(row) {
                    return None;
                }
                Some(match &column.data {
                    ColumnData::Bool(v) => Val::Bool(v[row]),
                    ColumnData::Int8(v) => Val::Int(v[row].into()),
                    ColumnData::Int16(v) => Val::Int(v[row].into()),
                    ColumnData::Int32(v) => Val::Int(v[row].into()),
                    ColumnData::Int64(v) => Val::Int(v[row]),
                    ColumnData::Float(v) => Val::Float(v[row].into()),
                    ColumnData::Double(v) => Val::Float(v[row]),
                    ColumnData::VarChar(v) => Val::Str(v.get(row).to_owned()),
                    ColumnData::Json(_)
                    | ColumnData::FloatVector { .. }
                    | ColumnData::PackedVector { .. } => panic!("{name} is no scalar"),
                })
            }
        }
    }
}

fn is_null(expr: &Expr, batch: &RowBatch, row: usize) -> bool {
    match expr {
        Expr::Column(_) => expr.value(batch, row).is_none(),
        // The whole document: what the column says, whatever the text is.
        Expr::Path(_, column, "") => batch.column(schema().field(column).unwrap().id).unwrap().is_null(row),
        Expr::Path(_, column, pointer) => {
            matches!(json(column, pointer, batch, row), None | Some(Value::Null))
        }
        _ => panic!("null tests are for columns and paths"),
    }
}

fn json(column: &str, pointer: &str, batch: &RowBatch, row: usize) -> Option<Value> {
    let column = batch.column(schema().field(column).unwrap().id).unwrap();
    let ColumnData::Json(texts) = &column.data else { panic!("not a JSON column") };
    if column.is_null(row) {
        return None;
    }
    serde_json::from_str::<Value>(texts.get(row)).ok()?.pointer(pointer).cloned()
}

fn scalar(value: &Value) -> Option<Val> {
    match value {
        Value::Bool(v) => Some(Val::Bool(*v)),
        Value::String(v) => Some(Val::Str(v.clone())),
        Value::Number(v) => Some(v.as_i64().map_or_else(|| Val::Float(v.as_f64().unwrap()), Val::Int)),
        _ => None,
    }
}

fn arith(op: &str, a: Val, b: Val) -> Option<Val> {
    if let (Val::Int(a), Val::Int(b)) = (&a, &b)
        && (op != "**" || *b >= 0)
    {
        let (a, b) = (i128::from(*a), i128::from(*b));
        let result = match op {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" if b != 0 => a / b,
            // -2^63 % -1 is 0, but its division overflows, and so it has no result.
            "%" if b != 0 && i64::try_from(a / b).is_ok() => a % b,
            "**" => (0..b).try_fold(1i128, |power, _| {
                let next = power * a;
                i64::try_from(next).is_ok().then_some(next)
            })?,
            _ => return None,
        };
        return i64::try_from(result).ok().map(Val::Int);
    }
    let float = |value| match value {
        Val::Int(v) => Some(v as f64),
        Val::Float(v) => Some(v),
        _ => None,
    };
    let (a, b) = (float(a)?, float(b)?);
    let result = match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "**" => a.powf(b),
        _ => return None,
    };
    result.is_finite().then_some(Val::Float(result))
}

fn compare(op: &str, a: Val, b: Val) -> Option<bool> {
    let order = match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => a.cmp(&b),
        (Val::Str(a), Val::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Val::Int(a), Val::Int(b)) => a.cmp(&b),
        (Val::Float(a), Val::Float(b)) => a.partial_cmp(&b).unwrap(),
        (Val::Int(a), Val::Float(b)) => int_float(a, b),
        (Val::Float(a), Val::Int(b)) => int_float(b, a).reverse(),
        _ => return None,
    };
    Some(match op {
        "==" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        _ => panic!("{op}"),
    })
}

fn int_float(int: i64, float: f64) -> Ordering {
    if float.abs() > 1e25 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let floor = float.floor();
    let rest = if float > floor { Ordering::Less } else { Ordering::Equal };
    i128::from(int).cmp(&(floor as i128)).then(rest)
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['%', rest @ ..], _) => (0..=text.len()).any(|taken| like(rest, &text[taken..])),
        (['_', rest @ ..], [_, after @ ..]) => like(rest, after),
        (['\\', wanted, rest @ ..], [found, after @ ..]) => wanted == found && like(rest, after),
        (['_' | '\\', ..], []) => false,
        ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && like(rest, after),
        _ => false,
    }
}
