//! Random rows of every scalar type.
//! (Tests of indexes include this file, too.)

use vecraft_types::{
    Bitmap, CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, RowBatch, StrColumn,
};

/// Every scalar type, most of them nullable, and a dynamic field.
pub(crate) fn schema() -> CollectionSchema {
    let mut fields = vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("flag", DataType::Bool),
        FieldSchema::new("age", DataType::Int8),
        FieldSchema::new("size", DataType::Int16),
        FieldSchema::new("count", DataType::Int32),
        FieldSchema::new("big", DataType::Int64),
        FieldSchema::new("score", DataType::Float),
        FieldSchema::new("price", DataType::Double),
        FieldSchema::new("name", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("city", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("doc", DataType::Json),
        FieldSchema::new("vec", DataType::FloatVector { dim: 2 }),
    ];
    fields[1..11].iter_mut().for_each(|field| field.nullable = true);
    CollectionSchema::new(fields).with_dynamic_field()
}

pub(super) fn texts(values: Vec<&str>) -> StrColumn {
    values.into_iter().collect()
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
