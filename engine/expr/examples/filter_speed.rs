//! Times filters over one chunk of rows.
//!
//! `cargo run --release -p vecraft-expr --example filter_speed -- [rows]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;
use vecraft_expr::Filter;
use vecraft_types::{CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, RowBatch};

fn main() {
    let rows = std::env::args().nth(1).map_or(1_000_000, |text| text.parse::<usize>().unwrap());
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("age", DataType::Int32),
        FieldSchema::new("price", DataType::Double),
        FieldSchema::new("name", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("vec", DataType::FloatVector { dim: 2 }),
    ])
    .with_dynamic_field();
    let batch = batch(rows);
    let keys = |step: usize| (0..1_000_000).map(|i| (i * step).to_string()).collect::<Vec<_>>().join(",");
    let filters = [
        "id < 1000".to_owned(),
        "20 <= age < 65".to_owned(),
        "price > 0.5 and age != 7".to_owned(),
        "id % 10 == 3".to_owned(),
        "id in [1, 5, 9, 100, 7000]".to_owned(),
        format!("id in [{}]", keys(2)),
        format!("id in [{}]", keys(1_000_003)),
        "name == 'name 77'".to_owned(),
        "name like 'name 7%'".to_owned(),
        "name like '%me_7_7%'".to_owned(),
        "color == 'red'".to_owned(),
        "color == 'red' and year > 2000".to_owned(),
        "age < 10 and color == 'red'".to_owned(),
        (0..1_000).map(|i| format!("id == {i}")).collect::<Vec<_>>().join(" or "),
    ];
    println!("{rows} rows");
    for text in filters {
        let start = Instant::now();
        let filter = Filter::parse(&text, &schema).unwrap();
        let parsed = start.elapsed();
        let start = Instant::now();
        let found = filter.evaluate(&batch, rows).unwrap().count_ones();
        let took = start.elapsed();
        let shown: String = text.chars().take(40).collect();
        println!(
            "{shown:<40} parse {:>9.3} ms, evaluate {:>9.3} ms = {:>7.2} ns a row, {found} rows",
            parsed.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e9 / rows as f64,
        );
    }
}

fn batch(rows: usize) -> RowBatch {
    let colors = ["red", "green", "blue", "a longer word"];
    let column = |field: u64, data| Column::new(FieldId(FieldId::FIRST.0 + field), data);
    let mix = |row: usize| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let meta = (0..rows).map(|row| {
        let (color, year) = (colors[mix(row) as usize % 4], 1990 + mix(row + 1) % 40);
        format!(r#"{{"color": "{color}", "year": {year}, "tags": ["x", "y"], "note": "row {row}"}}"#)
    });
    RowBatch::new(vec![
        column(0, ColumnData::Int64((0..rows as i64).collect())),
        column(1, ColumnData::Int32((0..rows).map(|row| (mix(row) % 100) as i32).collect())),
        column(2, ColumnData::Double((0..rows).map(|row| (mix(row) % 1000) as f64 / 1000.0).collect())),
        column(3, ColumnData::VarChar((0..rows).map(|row| format!("name {}", mix(row) % 1000)).collect())),
        column(5, ColumnData::Json(meta.collect())),
    ])
    .unwrap()
}
