//! Zone maps: filters find the same rows with them, and do not look at the values of zones that are decided.

use super::twin_rows::{random_batch, schema};
use super::{texts, twin_make};
use crate::zones::Zones;
use crate::{ColumnSource, ColumnValues, ColumnView, Filter, StrValues};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use vecraft_types::{Bitmap, FieldId, RowBatch};

/// A source whose columns have zone maps of 64 rows.
struct Zoned<'a> {
    source: &'a dyn ColumnSource,
    zones: BTreeMap<FieldId, Zones>,
}

impl<'a> Zoned<'a> {
    fn new(source: &'a dyn ColumnSource, fields: impl IntoIterator<Item = FieldId>) -> Zoned<'a> {
        let zones = |field| Some((field, Zones::of_size(&source.column(field)?.values, 64)?));
        Zoned { source, zones: fields.into_iter().filter_map(zones).collect() }
    }
}

impl ColumnSource for Zoned<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        self.source.column(field)
    }

    fn zones(&self, field: FieldId) -> Option<&Zones> {
        self.zones.get(&field)
    }
}

/// Rows whose values mostly ascend, so that many zones are decided: each pick is taken for a run of rows.
fn in_runs(picks: &[[u8; 12]]) -> RowBatch {
    let rows: Vec<[u8; 12]> = picks.iter().flat_map(|pick| std::iter::repeat_n(*pick, 50)).collect();
    random_batch(&rows)
}

proptest! {
    #![proptest_config(super::random())]

    #[test]
    fn the_same_rows_are_found_with_and_without(
        cond in twin_make::condition(),
        mut picks in proptest::collection::vec(any::<[u8; 12]>(), 1..10),
        dead in any::<u8>(),
    ) {
        picks.sort_unstable();
        let (text, batch) = (cond.to_string(), in_runs(&picks));
        let filter = Filter::parse(&text, &schema()).unwrap();
        let alive: Bitmap = (0..batch.rows).map(|row| row % 7 != dead as usize % 14).collect();
        let zoned = Zoned::new(&batch, batch.columns.iter().map(|column| column.field));
        let (found, wanted) = (filter.evaluate_within(&zoned, &alive), filter.evaluate_within(&batch, &alive));
        prop_assert_eq!(found.unwrap(), wanted.unwrap(), "{}\nplan {}", text, filter);
        // A chunk that shows fewer rows than the map was made over.
        let fewer = Bitmap::new(batch.rows - batch.rows / 3, true);
        let (found, wanted) = (filter.evaluate_within(&zoned, &fewer), filter.evaluate_within(&batch, &fewer));
        prop_assert_eq!(found.unwrap(), wanted.unwrap(), "fewer rows: {}\nplan {}", text, filter);
    }
}

/// One column of doubles.
struct Doubles(Vec<f64>);

impl ColumnSource for Doubles {
    fn column(&self, _: FieldId) -> Option<ColumnView<'_>> {
        Some(ColumnView { values: ColumnValues::Double(&self.0), validity: None })
    }
}

#[test]
fn a_number_that_is_none_is_unequal_to_all_and_in_no_order() {
    // Zones of only NaN, of 1.0 with a NaN, of 1.0, of 2.0, and a shorter one of 3.0.
    let mut values = vec![f64::NAN; 64];
    values.extend([1.0; 128]);
    values[70] = f64::NAN;
    values.extend([2.0; 64]);
    values.extend([3.0; 5]);
    let plain = Doubles(values);
    let zoned = Zoned::new(&plain, [FieldId(107)]);
    for op in ["==", "!=", "<", "<=", ">", ">="] {
        for wanted in ["0.5", "1.0", "1.5", "2.0", "3.0", "4.0"] {
            for not in ["", "not "] {
                let text = format!("{not}(price {op} {wanted})");
                let filter = Filter::parse(&text, &schema()).unwrap();
                let rows = plain.0.len();
                assert_eq!(
                    filter.evaluate(&zoned, rows).unwrap(),
                    filter.evaluate(&plain, rows).unwrap(),
                    "{text}"
                );
            }
        }
    }
}

/// A zone map of other rows than those of the column: what a filter finds tells which values it looked at.
struct Misled {
    values: Vec<i64>,
    zones: Zones,
}

impl ColumnSource for Misled {
    fn column(&self, _: FieldId) -> Option<ColumnView<'_>> {
        Some(ColumnView { values: ColumnValues::Int64(&self.values), validity: None })
    }

    fn zones(&self, _: FieldId) -> Option<&Zones> {
        Some(&self.zones)
    }
}

#[test]
fn values_of_decided_zones_are_not_looked_at() {
    let ascending: Vec<i64> = (0..256).collect();
    let misled = Misled {
        values: vec![100; 256],
        zones: Zones::of_size(&ColumnValues::Int64(&ascending), 64).unwrap(),
    };
    let found = |text: &str| {
        let filter = Filter::parse(text, &schema()).unwrap();
        filter.evaluate(&misled, 256).unwrap().iter_ones().collect::<Vec<_>>()
    };
    // Only the second zone is mixed for a bound of 100: its 64 values are compared, the others are not.
    assert_eq!(found("id >= 100"), (64..256).collect::<Vec<_>>());
    assert_eq!(found("id < 100"), (0..64).collect::<Vec<_>>());
    assert_eq!(found("id == 100"), (64..128).collect::<Vec<_>>());
    assert_eq!(found("id in [100, 300]"), (64..128).collect::<Vec<_>>());
    assert_eq!(found("id in [300, 400]"), Vec::<usize>::new());
    assert_eq!(found("0 <= id < 256"), (0..256).collect::<Vec<_>>());
}

#[test]
fn only_numbers_in_more_than_one_zone_have_a_map() {
    let names = texts(vec!["a"; 5000]);
    assert!(Zones::of(&ColumnValues::VarChar(Box::new(&names))).is_none());
    assert!(Zones::of(&ColumnValues::Bool(&[true; 5000])).is_none());
    assert!(Zones::of(&ColumnValues::Int8(&[1; 4096])).is_none());
    assert_eq!(Zones::of(&ColumnValues::Int8(&[1; 4097])).map(|zones| zones.bytes()), Some(32));
}

/// Texts that count how often one is looked at.
struct Watched<'a> {
    looks: &'a AtomicUsize,
    rows: usize,
}

impl StrValues for Watched<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn value(&self, _: usize) -> &str {
        self.looks.fetch_add(1, Ordering::Relaxed);
        "a"
    }
}

/// `id` counts up and has a zone map, `name` is watched.
struct Ordered {
    ids: Vec<i64>,
    zones: Zones,
    looks: AtomicUsize,
}

impl ColumnSource for Ordered {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        let values = match field {
            FieldId(100) => ColumnValues::Int64(&self.ids),
            _ => ColumnValues::VarChar(Box::new(Watched { looks: &self.looks, rows: self.ids.len() })),
        };
        Some(ColumnView { values, validity: None })
    }

    fn zones(&self, field: FieldId) -> Option<&Zones> {
        (field == FieldId(100)).then_some(&self.zones)
    }
}

#[test]
fn a_bound_that_a_zone_map_decides_goes_before_other_tests() {
    let ids: Vec<i64> = (0..6_400).collect();
    let zones = Zones::of_size(&ColumnValues::Int64(&ids), 64).unwrap();
    let source = Ordered { ids, zones, looks: AtomicUsize::new(0) };
    for text in [
        "name in ['a', 'b'] and id < 100",
        "id < 100 and name in ['a', 'b']",
        "(name == 'a' or name == 'b') and id < 100",
    ] {
        source.looks.store(0, Ordering::Relaxed);
        let found = Filter::parse(text, &schema()).unwrap().evaluate(&source, 6_400).unwrap();
        assert_eq!(found.count_ones(), 100, "{text}");
        let looks = source.looks.load(Ordering::Relaxed);
        assert!(looks <= 200, "{text}: {looks} texts looked at");
    }
}
