//! Times filters over one chunk of rows, without and with zone maps.
//!
//! `cargo run --release -p vecraft-expr --example filter_speed -- [rows]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};
use vecraft_expr::{ColumnSource, ColumnView, Filter, Zones};
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
    let start = Instant::now();
    let zones = |column: &Column| {
        Some((column.field, Zones::of(&ColumnSource::column(&batch, column.field)?.values)?))
    };
    let with_zones = Zoned { batch: &batch, zones: batch.columns.iter().filter_map(zones).collect() };
    println!("{} zone maps made in {:.3} ms", with_zones.zones.len(), start.elapsed().as_secs_f64() * 1e3);
    let keys = |step: usize| (0..1_000_000).map(|i| (i * step).to_string()).collect::<Vec<_>>().join(",");
    let filters = [
        "id < 1000".to_owned(),
        "id >= 900000".to_owned(),
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
        let (found, took) = best(&filter, &batch, rows);
        let (again, zoned) = best(&filter, &with_zones, rows);
        assert_eq!(found, again, "{text}");
        let shown: String = text.chars().take(40).collect();
        println!(
            "{shown:<40} parse {:>9.3} ms, evaluate {:>9.3} ms = {:>7.2} ns a row, with zone maps {:>9.3} ms, {found} rows",
            parsed.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e9 / rows as f64,
            zoned.as_secs_f64() * 1e3,
        );
    }
}

/// Rows found, and the least time of five.
fn best(filter: &Filter, source: &dyn ColumnSource, rows: usize) -> (usize, Duration) {
    let once = |_| {
        let start = Instant::now();
        let found = filter.evaluate(source, rows).unwrap().count_ones();
        (found, start.elapsed())
    };
    (0..5).map(once).min_by_key(|(_, took)| *took).unwrap()
}

struct Zoned<'a> {
    batch: &'a RowBatch,
    zones: Vec<(FieldId, Zones)>,
}

impl ColumnSource for Zoned<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        ColumnSource::column(self.batch, field)
    }

    fn zones(&self, field: FieldId) -> Option<&Zones> {
        self.zones.iter().find(|(own, _)| *own == field).map(|(_, zones)| zones)
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
