//! The public face around evaluation: fields, keys, plans, bad columns.

use super::{ROWS, batch, schema};
use crate::{ColumnSource, ColumnValues, ColumnView, Filter};
use std::sync::Arc;
use vecraft_types::{Bitmap, Code, CollectionSchema, DataType, FieldId, FieldSchema, PrimaryKey, RowBatch};

fn parse(filter: &str) -> Filter {
    Filter::parse(filter, &schema()).unwrap()
}

#[test]
fn fields_are_listed_once() {
    assert_eq!(parse("").fields(), []);
    assert_eq!(parse("1 < age and size > age and 5 > size").fields(), [FieldId(102), FieldId(103)]);
    assert_eq!(parse("color == 1 and year == 2 and id == 3").fields(), [FieldId(112), FieldId(100)]);
}

#[test]
fn keys_are_found_only_where_the_filter_is_exactly_keys() {
    let keys = |filter: &str| parse(filter).primary_keys();
    let ints = |keys: &[i64]| Some(keys.iter().copied().map(PrimaryKey::Int64).collect::<Vec<_>>());
    assert_eq!(keys("id in [3, 1, 3]"), ints(&[1, 3]));
    assert_eq!(keys("((id in [3]))"), ints(&[3]));
    assert_eq!(keys("id == 7"), ints(&[7]));
    assert_eq!(keys("7 == id"), ints(&[7]));
    assert_eq!(keys("not (id != 7)"), ints(&[7]));
    assert_eq!(keys("id in []"), ints(&[]));
    assert_eq!(keys("id == 9 or (id in [3, 5] || 3 == id)"), ints(&[3, 5, 9]));
    assert_eq!(keys("id == 9 or id in [3] or age == 1"), None);
    for other in
        ["", "id != 7", "id not in [1]", "not (id in [1])", "id > 7", "age == 7", "id == 7 and age == 1"]
    {
        assert_eq!(keys(other), None, "{other}");
    }
}

#[test]
fn keys_can_be_strings() {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("key", DataType::VarChar { max_length: 10 }).primary(false),
        FieldSchema::new("vec", DataType::FloatVector { dim: 2 }),
    ]);
    let keys = |filter: &str| Filter::parse(filter, &schema).unwrap().primary_keys();
    let key = |text: &str| PrimaryKey::VarChar(Arc::from(text));
    assert_eq!(keys("key in ['b', 'a', 'b']"), Some(vec![key("a"), key("b")]));
    assert_eq!(keys("key == 'x'"), Some(vec![key("x")]));
    assert_eq!(keys("key > 'x'"), None);
    assert_eq!(keys("key != 'x'"), None);
}

#[test]
fn plans_are_short_lines() {
    let plan = |filter: &str| parse(filter).to_string();
    assert_eq!(plan(""), "all rows");
    assert_eq!(plan("id == 1 and 2 < 1"), "no rows");
    assert_eq!(plan("id > 5"), "id >= 6");
    assert_eq!(plan("age == 300.5"), "age in nothing");
    // Cheap tests come first, `not` has gone down to the tests.
    assert_eq!(
        plan("doc['a'] > 1 and name like 'x%' and not (id in [1,2,3,4] or flag)"),
        "and(not flag, not id in [1, 2, 3, ... (4 values)], name like \"x%\", doc[\"a\"] > 1)"
    );
    assert_eq!(plan("id + 1 == size"), "(id + 1) == size");
    // Single values of one column are one set.
    assert_eq!(plan("age == 1 or flag or age in [3, 2] or id == 1"), "or(flag, age in [1, 2, 3], id == 1)");
    assert_eq!(plan("age != 1 and age not in [2] and age > 0"), "and(age >= 1, not age in [1, 2])");
    assert_eq!(plan("age == 1 and age == 2"), "age in nothing");
    // Ranges of one column are one range.
    assert_eq!(plan("10 <= age and flag and age < 20"), "and(flag, 10 <= age <= 19)");
    assert_eq!(plan("not (10 <= age < 20)"), "not 10 <= age <= 19");
    assert_eq!(plan("name == 'b' or name == 'a'"), "name in [\"a\", \"b\"]");
}

#[test]
fn only_living_rows_are_looked_at() {
    let alive: Bitmap = (0..ROWS).map(|row| row % 2 == 0).collect();
    for (filter, expected) in [("id > 2", vec![4, 6]), ("not (id > 2)", vec![0, 2]), ("", vec![0, 2, 4, 6])] {
        let found = parse(filter).evaluate_within(&batch(), &alive).unwrap();
        assert_eq!(found.iter_ones().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn chunks_of_no_rows_and_of_many_words() {
    assert_eq!(parse("id == 1 and doc['a'] == 1").evaluate(&batch().take(&[]), 0).unwrap().len(), 0);
    for rows in [1usize, 63, 64, 65, 127, 128, 1_000] {
        let picked: Vec<usize> = (0..rows).map(|row| row % ROWS).collect();
        let many = batch().take(&picked);
        for (filter, hits) in
            [("age > 0", [2, 3, 4, 5].as_slice()), ("age is null", &[6, 7]), ("not flag", &[1, 4, 6])]
        {
            let found = parse(filter).evaluate(&many, rows).unwrap();
            let expected: Vec<usize> = (0..rows).filter(|row| hits.contains(&(row % ROWS))).collect();
            assert_eq!(found.iter_ones().collect::<Vec<_>>(), expected, "{filter} on {rows} rows");
        }
    }
}

#[test]
fn columns_that_do_not_fit_fail_the_evaluation() {
    struct Wrong;
    impl ColumnSource for Wrong {
        fn column(&self, _: FieldId) -> Option<ColumnView<'_>> {
            Some(ColumnView { values: ColumnValues::Bool(&[true]), validity: None })
        }
    }
    let code = |source: &dyn ColumnSource, filter: &str, rows: usize| {
        parse(filter).evaluate(source, rows).unwrap_err().code
    };
    assert_eq!(code(&RowBatch::default(), "id == 1", 0), Code::Internal);
    assert_eq!(code(&Wrong, "id == 1", 1), Code::Internal);
    assert_eq!(code(&Wrong, "flag", 2), Code::Internal);
    assert_eq!(parse("flag").evaluate(&Wrong, 1).unwrap().count_ones(), 1);
}
