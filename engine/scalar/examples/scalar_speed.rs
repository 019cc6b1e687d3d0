//! Times filters over one chunk of rows by their loops and by indexes, and says what indexes cost.
//!
//! `cargo run --release -p vecraft-scalar --example scalar_speed -- [rows]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use vecraft_expr::{ColumnSource, ColumnView, FieldIndex, Filter, JsonPath};
use vecraft_scalar::{Spec, build, open};
use vecraft_types::schema::{JsonCast, ScalarKind};
use vecraft_types::{CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, RowBatch};

/// A place, an index of it, and filters.
type Case = (&'static str, ScalarKind, Option<JsonCast>, &'static [&'static str]);

const NGRAM: ScalarKind = ScalarKind::Ngram { min: 2, max: 3 };
const CASES: &[Case] = &[
    (
        "number",
        ScalarKind::Sorted,
        None,
        &[
            "number == 77777",
            "1000 <= number < 2000",
            "100000 <= number < 110000",
            "100000 <= number < 150000",
            "100000 <= number < 250000",
            "100000 <= number < 600000",
            "number in [1, 5, 9, 100, 7000]",
        ],
    ),
    ("number", ScalarKind::Inverted, None, &["number == 77777", "100000 <= number < 110000"]),
    ("age", ScalarKind::Bitmap, None, &["age == 7", "20 <= age < 21", "20 <= age < 65", "age != 7"]),
    ("flag", ScalarKind::Bitmap, None, &["flag"]),
    ("price", ScalarKind::Inverted, None, &["price > 0.99", "price > 0.5"]),
    (
        "city",
        ScalarKind::Inverted,
        None,
        &[
            "city == 'city 77'",
            "city in ['city 1', 'city 22', 'city 333']",
            "city != 'city 77'",
            "city like 'city 7%'",
            "city like '%ty 7_7%'",
        ],
    ),
    (
        "title",
        ScalarKind::Trie,
        None,
        &["title == 'kayo rupi sola temi 77'", "title like 'kayo ru%'", "title like '%yo 77%'"],
    ),
    (
        "title",
        NGRAM,
        None,
        &["title like '%soladi%'", "title like '%yo rupi so%'", "title like '%77%'", "title like '%a%'"],
    ),
    (
        "color",
        ScalarKind::Inverted,
        Some(JsonCast::VarChar),
        &["color == 'red'", "color == 'rare'", "color != 'red'"],
    ),
    ("year", ScalarKind::Inverted, Some(JsonCast::Double), &["year == 2001", "year > 2000"]),
    ("note", NGRAM, Some(JsonCast::VarChar), &["note like '%row 7777%'"]),
];

struct Indexed<'a> {
    batch: &'a RowBatch,
    index: Option<(FieldId, Arc<dyn FieldIndex>)>,
}

impl ColumnSource for Indexed<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        ColumnSource::column(self.batch, field)
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        self.index.iter().filter(|(own, _)| *own == field).map(|(_, index)| index.as_ref()).collect()
    }
}

fn main() {
    let rows = std::env::args().nth(1).map_or(1_000_000, |text| text.parse::<usize>().unwrap());
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("number", DataType::Int64),
        FieldSchema::new("age", DataType::Int32),
        FieldSchema::new("flag", DataType::Bool),
        FieldSchema::new("price", DataType::Double),
        FieldSchema::new("city", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("title", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("vec", DataType::FloatVector { dim: 2 }),
    ])
    .with_dynamic_field();
    let batch = batch(rows);
    println!("{rows} rows");
    for (place, kind, cast, filters) in CASES {
        let (field, path) = match cast {
            None => (schema.field(place).unwrap().id, None),
            Some(cast) => {
                let path = JsonPath::parse(place, &schema).unwrap();
                (path.field, Some((path.steps, *cast)))
            }
        };
        let spec = Spec { kind: *kind, path };
        let start = Instant::now();
        let column = ColumnSource::column(&batch, field).unwrap();
        let bytes = build(&spec, &column, rows, u64::MAX, &|| false).unwrap();
        let built = start.elapsed();
        let per_row = bytes.len() as f64 / rows as f64;
        let bytes = Bytes::from(bytes);
        let start = Instant::now();
        let index = open(&spec, bytes).unwrap();
        let opened = start.elapsed();
        println!(
            "{} on {place}: built in {:.2} s, {per_row:.1} bytes a row, opened in {:.1} ms",
            kind.name(),
            built.as_secs_f64(),
            opened.as_secs_f64() * 1e3
        );
        let (plain, indexed) =
            (Indexed { batch: &batch, index: None }, Indexed { batch: &batch, index: Some((field, index)) });
        for text in *filters {
            let filter = Filter::parse(text, &schema).unwrap();
            let (by_loop, wanted) = best(&filter, &plain, rows);
            let (by_index, found) = best(&filter, &indexed, rows);
            assert_eq!(found, wanted, "{text}");
            println!(
                "    {text:<45} {found:>8} rows, loop {by_loop:>9.3} ms, index {by_index:>8.3} ms, {:>7.1} times",
                by_loop / by_index
            );
        }
    }
}

/// The best of several, in milliseconds.
fn best(filter: &Filter, source: &Indexed<'_>, rows: usize) -> (f64, usize) {
    let once = |_| {
        let start = Instant::now();
        let found = filter.evaluate(source, rows).unwrap().count_ones();
        (start.elapsed().as_secs_f64() * 1e3, found)
    };
    (0..5).map(once).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

fn batch(rows: usize) -> RowBatch {
    let column = |field: u64, data| Column::new(FieldId(FieldId::FIRST.0 + field), data);
    let mix = |row: usize| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    let word = |number: u64| {
        let parts = ["ka", "yo", "ru", "pi", "so", "la", "te", "mi", "no", "di", "ve", "ha"];
        format!("{}{}", parts[number as usize % 12], parts[number as usize / 12 % 12])
    };
    let title = |row: usize| {
        let some = mix(row);
        format!(
            "{} {} {} {} {}",
            word(some),
            word(some >> 8),
            word(some >> 16),
            word(some >> 24),
            some % 1_000
        )
    };
    let meta = (0..rows).map(|row| {
        let color = if row % 10_000 == 3 {
            "rare"
        } else {
            ["red", "green", "blue", "a longer word"][mix(row) as usize % 4]
        };
        let year = 1990 + mix(row + 1) % 40;
        format!(r#"{{"color": "{color}", "year": {year}, "tags": ["x", "y"], "note": "row {row}"}}"#)
    });
    RowBatch::new(vec![
        column(0, ColumnData::Int64((0..rows as i64).collect())),
        column(1, ColumnData::Int64((0..rows).map(|row| (mix(row) % rows as u64) as i64).collect())),
        column(2, ColumnData::Int32((0..rows).map(|row| (mix(row) % 100) as i32).collect())),
        column(3, ColumnData::Bool((0..rows).map(|row| mix(row) % 50 == 0).collect())),
        column(4, ColumnData::Double((0..rows).map(|row| (mix(row) % 1_000) as f64 / 1_000.0).collect())),
        column(5, ColumnData::VarChar((0..rows).map(|row| format!("city {}", mix(row) % 1_000)).collect())),
        column(6, ColumnData::VarChar((0..rows).map(title).collect())),
        column(8, ColumnData::Json(meta.collect())),
    ])
    .unwrap()
}
