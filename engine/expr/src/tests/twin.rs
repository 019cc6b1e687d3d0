//! Random filters on random rows: the evaluator and a naive twin, which goes row by row through the tree as it was
//! written with `Option<bool>` for the three truths, must find the same rows. `VECRAFT_FILTERS=n` tries n filters.

use super::{schema, texts, twin_make};
use crate::Filter;
use proptest::prelude::*;
use std::fmt::{self, Display, Formatter};
use vecraft_types::{Bitmap, Column, ColumnData, FieldId, RowBatch};

/// A value as the twin knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
}

/// A value's origin.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Lit(Val),
    Column(&'static str),
    /// As written, the JSON column, and the pointer in RFC 6901's form.
    Path(&'static str, &'static str, &'static str),
    Neg(Box<Expr>),
    Arith(&'static str, Box<Expr>, Box<Expr>),
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Cond {
    Const(bool),
    Flag,
    Compare(&'static str, Expr, Expr),
    Range(Val, &'static str, Expr, &'static str, Val),
    In(Expr, bool, Vec<Val>),
    Like(Expr, String),
    IsNull(Expr, bool),
    Exists(Expr),
    Contains(&'static str, Expr, Vec<Val>),
    Not(Box<Cond>),
    And(Vec<Cond>),
    Or(Vec<Cond>),
}

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Val::Bool(v) => write!(f, "{v}"),
            Val::Int(v) => write!(f, "{v}"),
            Val::Float(v) => write!(f, "{v:?}"),
            Val::Str(v) => write!(f, "'{}'", v.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Lit(v) => write!(f, "{v}"),
            Expr::Column(name) | Expr::Path(name, ..) => f.write_str(name),
            Expr::Neg(inner) => write!(f, "(-{inner})"),
            Expr::Arith(op, a, b) => write!(f, "({a} {op} {b})"),
        }
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Cond::Const(v) => write!(f, "{v}"),
            Cond::Flag => f.write_str("flag"),
            Cond::Compare(op, a, b) => write!(f, "{a} {op} {b}"),
            Cond::Range(low, first, middle, second, high) => {
                write!(f, "{low} {first} {middle} {second} {high}")
            }
            Cond::In(value, inverted, list) => {
                write!(f, "{value} {}in {}", if *inverted { "not " } else { "" }, Listed(list, ""))
            }
            Cond::Like(value, pattern) => write!(f, "{value} like {}", Val::Str(pattern.clone())),
            Cond::IsNull(value, inverted) => {
                write!(f, "{value} is {}null", if *inverted { "not " } else { "" })
            }
            Cond::Exists(value) => write!(f, "exists {value}"),
            Cond::Contains("json_contains", value, list) => write!(f, "json_contains({value}, {})", list[0]),
            Cond::Contains(name, value, list) => write!(f, "{name}({value}, {})", Listed(list, "")),
            Cond::Not(inner) => write!(f, "not ({inner})"),
            Cond::And(parts) => write!(f, "{}", Listed(parts, " and ")),
            Cond::Or(parts) => write!(f, "{}", Listed(parts, " or ")),
        }
    }
}

/// `[a, b]`, or `(a) and (b)` with a word between.
struct Listed<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Listed(parts, word) = self;
        if word.is_empty() {
            let parts = parts.iter().map(T::to_string).collect::<Vec<_>>();
            return write!(f, "[{}]", parts.join(", "));
        }
        let parts = parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>();
        f.write_str(&parts.join(word))
    }
}

/// Rows of edge values, nulls among them, picked by random numbers.
pub(super) fn random_batch(picks: &[[u8; 12]]) -> RowBatch {
    const DOCS: [&str; 12] = [
        r#"{"a": 1, "b": [1, "x", true, null, 2.5], "s": "ab"}"#,
        r#"{"a": 2.5, "b": [], "s": "żb"}"#,
        r#"{"a": "ab", "b": [[1], 1.0], "s": 7}"#,
        r#"{"a": true, "b": {"0": 1}, "s": null}"#,
        r#"{"a": null}"#,
        r#"{"a": -9223372036854775808, "b": ["ab", "x"]}"#,
        r#"{"a": 9223372036854775807, "s": ""}"#,
        r#"{"a": 18446744073709551615, "b": [1]}"#,
        r#"{"a": [1], "b": 1}"#,
        "{}",
        "2",
        "{broken",
    ];
    let ints = [i64::MIN, -(1 << 53) - 1, -128, -1, 0, 1, 2, 3, 7, 127, (1 << 53) + 1, i64::MAX];
    let floats = [-1e300, -1.5, -0.0, 0.0, 0.1, 0.5, 1.0, 2.0, 2.5, 9_007_199_254_740_992.0, 1e19, 1e300];
    let words = ["", "a", "ab", "abab", "b", "ba", "żb", "x", "a%b", "a_b", "a\\b", "bab"];
    let pick = |column: usize| picks.iter().map(move |row| row[column] as usize).collect::<Vec<_>>();
    let make = |field: u64, column: usize, nullable: bool, data: &dyn Fn(Vec<usize>) -> ColumnData| {
        let rows = pick(column);
        let valid: Bitmap = rows.iter().map(|pick| !nullable || pick % 5 != 0).collect();
        let data = data(rows.into_iter().map(|pick| pick / 5 % 12).collect());
        Column { field: FieldId(100 + field), data, validity: (!valid.all()).then_some(valid) }
    };
    let text =
        |all: [&'static str; 12]| move |rows: Vec<usize>| texts(rows.iter().map(|i| all[*i]).collect());
    RowBatch::new(vec![
        make(0, 0, false, &|rows| ColumnData::Int64(rows.iter().map(|i| ints[*i]).collect())),
        make(1, 1, true, &|rows| ColumnData::Bool(rows.iter().map(|i| i % 2 == 0).collect())),
        make(2, 2, true, &|rows| ColumnData::Int8(rows.iter().map(|i| ints[*i] as i8).collect())),
        make(3, 3, true, &|rows| ColumnData::Int16(rows.iter().map(|i| ints[*i] as i16).collect())),
        make(4, 4, true, &|rows| ColumnData::Int32(rows.iter().map(|i| ints[*i] as i32).collect())),
        make(5, 5, true, &|rows| ColumnData::Int64(rows.iter().map(|i| ints[*i]).collect())),
        make(6, 6, true, &|rows| {
            ColumnData::Float(rows.iter().map(|i| (floats[*i] as f32).clamp(-9e30, 9e30)).collect())
        }),
        make(7, 7, true, &|rows| ColumnData::Double(rows.iter().map(|i| floats[*i]).collect())),
        make(8, 8, true, &|rows| ColumnData::VarChar(text(words)(rows))),
        make(9, 9, true, &|rows| ColumnData::VarChar(text(words)(rows))),
        make(10, 10, true, &|rows| ColumnData::Json(text(DOCS)(rows))),
        make(12, 11, false, &|rows| ColumnData::Json(text(DOCS)(rows))),
    ])
    .unwrap()
}

proptest! {
    #![proptest_config(super::random())]

    #[test]
    fn the_twin_finds_the_same_rows(
        cond in twin_make::condition(),
        picks in proptest::collection::vec(any::<[u8; 12]>(), 1..100),
        dead in any::<u8>(),
    ) {
        let (text, batch) = (cond.to_string(), random_batch(&picks));
        let filter = match Filter::parse(&text, &schema()) {
            Ok(filter) => filter,
            Err(error) => return Err(TestCaseError::fail(format!("{text}\n{error}"))),
        };
        let alive: Bitmap = (0..batch.rows).map(|row| row % 7 != dead as usize % 14).collect();
        let found: Vec<usize> = filter.evaluate_within(&batch, &alive).unwrap().iter_ones().collect();
        let wanted: Vec<usize> =
            (0..batch.rows).filter(|row| alive.get(*row) && cond.truth(&batch, *row) == Some(true)).collect();
        prop_assert_eq!(found, wanted, "{}\nplan {}", text, filter);
    }
}
