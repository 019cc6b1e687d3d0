//! Random filters on random rows: with every index that goes with a field, and without any.

use super::twin_rows::{random_batch, schema};
use super::{Eager, Indexed, NGRAM, made, spec, twin_make};
use proptest::prelude::*;
use vecraft_expr::Filter;
use vecraft_types::schema::{JsonCast, ScalarKind};
use vecraft_types::{Bitmap, ColumnData, FieldId, RowBatch};

/// What is indexed how; one of the kinds of each place is drawn.
const PLACES: [(&str, &[ScalarKind], &[JsonCast]); 17] = [
    ("id", &[ScalarKind::Inverted, ScalarKind::Sorted], &[]),
    ("flag", &[ScalarKind::Inverted, ScalarKind::Bitmap], &[]),
    ("age", &[ScalarKind::Inverted, ScalarKind::Bitmap, ScalarKind::Sorted], &[]),
    ("size", &[ScalarKind::Inverted, ScalarKind::Bitmap, ScalarKind::Sorted], &[]),
    ("count", &[ScalarKind::Inverted, ScalarKind::Bitmap, ScalarKind::Sorted], &[]),
    ("big", &[ScalarKind::Inverted, ScalarKind::Bitmap, ScalarKind::Sorted], &[]),
    ("score", &[ScalarKind::Inverted, ScalarKind::Sorted], &[]),
    ("price", &[ScalarKind::Inverted, ScalarKind::Sorted], &[]),
    ("name", &[ScalarKind::Inverted, ScalarKind::Bitmap, ScalarKind::Sorted, ScalarKind::Trie, NGRAM], &[]),
    ("city", &[NGRAM, ScalarKind::Ngram { min: 2, max: 2 }, ScalarKind::Trie], &[]),
    ("doc", &[ScalarKind::Inverted], &[JsonCast::Bool, JsonCast::Double, JsonCast::VarChar]),
    ("doc['a']", &[ScalarKind::Inverted], &[JsonCast::Bool, JsonCast::Double, JsonCast::VarChar]),
    ("doc['b'][0]", &[ScalarKind::Inverted], &[JsonCast::Double, JsonCast::VarChar]),
    ("doc['s']", &[ScalarKind::Inverted, NGRAM], &[JsonCast::VarChar]),
    ("a", &[ScalarKind::Inverted], &[JsonCast::Bool, JsonCast::Double, JsonCast::VarChar]),
    ("$meta['s']", &[ScalarKind::Inverted, NGRAM], &[JsonCast::VarChar]),
    ("nowhere", &[ScalarKind::Inverted], &[JsonCast::VarChar]),
];

/// NaN is not among the twin's floats: nobody can write one, but an index must not fall over it.
fn with_nan(mut batch: RowBatch) -> RowBatch {
    for column in &mut batch.columns {
        match &mut column.data {
            ColumnData::Float(values) => values.iter_mut().step_by(7).for_each(|value| *value = f32::NAN),
            ColumnData::Double(values) => values.iter_mut().step_by(5).for_each(|value| *value = f64::NAN),
            _ => {}
        }
    }
    batch
}

fn indexed(batch: &RowBatch, draw: usize) -> Indexed<'_> {
    let schema = schema();
    let mut indexes: Vec<(FieldId, Eager)> = Vec::new();
    for (place, kinds, casts) in PLACES {
        let kind = kinds[draw % kinds.len()];
        let cast = (!casts.is_empty()).then(|| casts[draw / 3 % casts.len()]);
        let (field, spec) = spec(&schema, place, kind, cast);
        indexes.push((field, Eager(made(batch, field, &spec))));
    }
    Indexed { batch, indexes }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_finds_the_same_rows_with_indexes_and_without(
        cond in twin_make::condition(),
        picks in proptest::collection::vec(any::<[u8; 12]>(), 60..300),
        dead in any::<u8>(),
        draw in any::<u16>(),
    ) {
        let text = cond.to_string();
        let batch = random_batch(&picks);
        let batch = if draw % 4 == 0 { with_nan(batch) } else { batch };
        let filter = Filter::parse(&text, &schema()).unwrap();
        let indexed = indexed(&batch, usize::from(draw));
        // Sometimes the chunk is one of an earlier moment, which has fewer rows than the index.
        let rows = if draw % 3 == 0 { batch.rows - usize::from(dead) % 59 } else { batch.rows };
        let alive: Bitmap = (0..rows).map(|row| row % 7 != dead as usize % 14).collect();
        let wanted: Vec<usize> = filter.evaluate_within(&batch, &alive).unwrap().iter_ones().collect();
        let found: Vec<usize> = filter.evaluate_within(&indexed, &alive).unwrap().iter_ones().collect();
        prop_assert_eq!(found, wanted, "{}\nplan {}\n{:?}", text, filter, indexed.indexes);
    }
}

/// Every kind with filters of every shape, and their negations: what chance may leave out.
#[test]
fn every_kind_answers_every_shape_and_its_negation() {
    const SHAPES: [&str; 26] = [
        "flag",
        "flag == false",
        "age == 7",
        "age != 7",
        "size in [1, 2, 300]",
        "1 < count <= 127",
        "big >= 9007199254740993",
        "big in []",
        "score == 0.1",
        "score != 0",
        "price < 0",
        "price in [0.5, 2.5, 7]",
        "name == 'ab'",
        "name != 'ab'",
        "name in ['', 'ba', 'zz']",
        "name >= 'b'",
        "name like 'a%'",
        "name like '%b'",
        "name like '%a%b%'",
        "city like '%ba%'",
        "city like 'a_%'",
        "doc['a'] != 1",
        "doc['a'] > 9223372036854775806",
        "doc['a'] in [1, 2.5, 9223372036854775807]",
        "doc['s'] like '%b%'",
        "a != 'ab'",
    ];
    let picks: Vec<[u8; 12]> = (0..400u32)
        .map(|row| std::array::from_fn(|column| (row.wrapping_mul(2_654_435_761) >> (column + 3)) as u8))
        .collect();
    let (schema, batch) = (schema(), random_batch(&picks));
    for draw in 0..30 {
        let indexed = indexed(&batch, draw);
        for shape in SHAPES {
            for text in [shape.to_owned(), format!("not ({shape})")] {
                let filter = Filter::parse(&text, &schema).unwrap();
                let wanted = filter.evaluate(&batch, batch.rows).unwrap();
                assert_eq!(filter.evaluate(&indexed, batch.rows).unwrap(), wanted, "{text}, draw {draw}");
            }
        }
    }
}
