//! Tests of the whole way from text to rows.
#![allow(clippy::unwrap_used)]

mod cases;
mod errors;
mod extremes;
mod fuzz;
mod json_cases;
mod public;
mod twin;
mod twin_conditions;
mod twin_eval;
mod twin_make;
mod twin_rows;
mod zones;

use crate::Filter;
pub(crate) use twin_rows::schema;
use twin_rows::texts;
use vecraft_types::{CollectionSchema, Column, ColumnData, FieldId, RowBatch};

pub(crate) const ROWS: usize = 8;

/// Cases of each random test: `VECRAFT_FILTERS=n`, or a few thousand.
// Tests read their own switches.
#[allow(clippy::disallowed_methods)]
fn random() -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("VECRAFT_FILTERS").ok();
    let cases = asked.map_or(2_000, |text| text.parse().unwrap());
    proptest::prelude::ProptestConfig { failure_persistence: None, cases, ..Default::default() }
}

/// Without a dynamic field, so that unknown names are errors.
pub(crate) fn strict_schema() -> CollectionSchema {
    let mut schema = schema();
    schema.fields.pop();
    schema
}

fn column<T: Clone + Default>(
    field: u64,
    values: [Option<T>; ROWS],
    data: fn(Vec<T>) -> ColumnData,
) -> Column {
    let has_nulls = values.iter().any(Option::is_none);
    let validity = has_nulls.then(|| values.iter().map(Option::is_some).collect());
    let values = values.map(Option::unwrap_or_default).to_vec();
    Column { field: FieldId(FieldId::FIRST.0 + field), data: data(values), validity }
}

/// Eight rows; row 7 is null wherever it can be.
pub(crate) fn batch() -> RowBatch {
    let all = |values: [i64; ROWS]| values.map(Some);
    let docs = [
        Some(r#"{"a": 1, "b": {"c": "x"}, "tags": ["red", "blue"], "ok": true}"#),
        Some(r#"{"a": 2.5, "b": {"c": "y"}, "tags": ["red"], "ok": false}"#),
        Some(r#"{"a": "1", "b": {"c": 7}, "tags": [1, 2, 3], "ok": null}"#),
        Some(r#"{"a": null, "b": [10, 20, {"c": "deep"}], "tags": []}"#),
        Some(r#"{"a": -4, "tags": "red"}"#),
        Some(r#"{"a": 9007199254740993, "big": 18446744073709551615}"#),
        Some("3"),
        None,
    ];
    let meta = [
        r#"{"color": "red", "year": 1999}"#,
        r#"{"color": "green", "year": 2005.5}"#,
        r#"{"color": "blue", "year": "2010"}"#,
        r#"{"color": 5}"#,
        r#"{"year": 2020, "meta": {"x": 1}}"#,
        r#"{"color": ["red"], "red apple": 1}"#,
        r#"{}"#,
        r#"{"color": null}"#,
    ];
    let max = i64::MAX;
    RowBatch::new(vec![
        column(0, all([0, 1, 2, 3, 4, 5, 6, 7]), ColumnData::Int64),
        column(
            1,
            [Some(true), Some(false), Some(true), None, Some(false), Some(true), Some(false), None],
            ColumnData::Bool,
        ),
        column(
            2,
            [Some(-128), Some(0), Some(18), Some(30), Some(65), Some(127), None, None],
            ColumnData::Int8,
        ),
        column(
            3,
            [Some(-3), Some(0), Some(3), Some(5), Some(300), Some(32_767), Some(7), None],
            ColumnData::Int16,
        ),
        column(
            4,
            [Some(-10), Some(0), Some(10), Some(7), Some(70_000), Some(2_147_483_647), Some(6), None],
            ColumnData::Int32,
        ),
        column(
            5,
            [Some(i64::MIN), Some(-1), Some(0), Some(1), Some((1 << 53) + 1), Some(max), Some(max - 1), None],
            ColumnData::Int64,
        ),
        column(
            6,
            [Some(0.1), Some(0.0), Some(-1.5), Some(2.5), Some(1e30), Some(3.0), None, None],
            ColumnData::Float,
        ),
        column(
            7,
            [
                Some(0.1),
                Some(9.99),
                Some(-0.0),
                Some(1e300),
                Some(9_007_199_254_740_992.0),
                Some(3.0),
                Some(2.5),
                None,
            ],
            ColumnData::Double,
        ),
        column(
            8,
            [
                Some("ann"),
                Some("bob"),
                Some("Ann"),
                Some(""),
                Some("żółw"),
                Some("a%b_c"),
                Some("annabel"),
                None,
            ],
            |v| ColumnData::VarChar(texts(v)),
        ),
        column(
            9,
            [
                Some("ann"),
                Some("Paris"),
                Some("Rome"),
                Some("Oslo"),
                None,
                Some("a\"b"),
                Some("back\\slash"),
                None,
            ],
            |v| ColumnData::VarChar(texts(v)),
        ),
        column(10, docs, |v| ColumnData::Json(texts(v))),
        column(12, meta.map(Some), |v| ColumnData::Json(texts(v))),
    ])
    .unwrap()
}

/// The rows that a filter finds in [`batch`].
pub(crate) fn rows(filter: &str) -> Vec<usize> {
    let parsed = Filter::parse(filter, &schema()).unwrap_or_else(|error| panic!("{filter}\n{error}"));
    parsed.evaluate(&batch(), ROWS).unwrap().iter_ones().collect()
}

/// The filter finds these rows and no others.
#[track_caller]
pub(crate) fn check(filter: &str, expected: &[usize]) {
    assert_eq!(rows(filter), expected, "{filter}");
}

/// The message of a filter that is wrong.
#[track_caller]
pub(crate) fn message(filter: &str) -> String {
    match Filter::parse(filter, &strict_schema()) {
        Ok(parsed) => panic!("{filter} was accepted: {parsed}"),
        Err(error) => error.to_string(),
    }
}
