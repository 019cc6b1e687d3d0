//! What filters of JSON paths and dynamic keys find.

use super::check;

#[test]
fn numbers_strings_and_bools_of_a_path() {
    check("doc['a'] == 1", &[0]);
    check("doc['a'] == 1.0", &[0]);
    check("doc[\"a\"] > 0", &[0, 1, 5]);
    check("doc['a'] == '1'", &[2]);
    check("doc['a'] != 1", &[1, 4, 5]);
    check("not (doc['a'] == 1)", &[1, 4, 5]);
    check("doc['a'] == 9007199254740993", &[5]);
    check("doc['a'] == 9007199254740992.0", &[]);
    check("doc['big'] > 1e19", &[5]);
    check("doc['ok'] == true", &[0]);
    check("doc['ok'] != true", &[1]);
    check("1 <= doc['a'] < 3", &[0, 1]);
    check("3 < doc['a']", &[5]);
    check("doc == 3", &[6]);
    check("doc['a'] == id", &[]);
    check("doc['a'] - 1 == id", &[0]);
    check("doc['a'] * 2 == 5", &[1]);
    check("doc['a'] + 1 == doc['a'] + 1", &[0, 1, 4, 5]);
    check("-doc['a'] == 4", &[4]);
    check("doc['a'] == doc['a']", &[0, 1, 2, 4, 5]);
    check("doc['a'] == name", &[]);
}

#[test]
fn deeper_paths() {
    check("doc['b']['c'] == 'x'", &[0]);
    check("doc['b']['c'] in ['x', 'y', 7]", &[0, 1, 2]);
    check("doc['b'][0] == 10", &[3]);
    check("doc['b'][2]['c'] == 'deep'", &[3]);
    check("doc['b']['2'][\"c\"] like 'd%'", &[3]);
    check("doc['tags'][0] == 'red'", &[0, 1]);
    check("doc['b'] == 10", &[]);
    check("doc[r'a'] == 1", &[0]);
}

#[test]
fn membership_and_like_of_a_path() {
    check("doc['a'] in [1, 2.5]", &[0, 1]);
    check("doc['a'] not in [1, 2.5]", &[4, 5]);
    check("doc['a'] not in [1, 'x']", &[1, 2, 4, 5]);
    check("doc['a'] in []", &[]);
    check("doc['a'] not in []", &[0, 1, 2, 4, 5]);
    check("doc['a'] in ['1', true]", &[2]);
    check("doc['b']['c'] like '_'", &[0, 1]);
    check("not (doc['b']['c'] like 'x%')", &[1]);
}

#[test]
fn null_tests_and_exists() {
    check("doc['a'] is null", &[3, 6, 7]);
    check("doc['a'] is not null", &[0, 1, 2, 4, 5]);
    check("exists doc['a']", &[0, 1, 2, 4, 5]);
    check("not exists doc['a']", &[3, 6, 7]);
    check("EXISTS doc['b']['c'] and id > 0", &[1, 2]);
    check("doc['b'] is not null", &[0, 1, 2, 3]);
    check("color is null", &[4, 6, 7]);
    check("exists $meta['red apple']", &[5]);
}

#[test]
fn dynamic_keys() {
    check("color == 'red'", &[0]);
    check("color != 'red'", &[1, 2]);
    check("$meta['color'] in ['red', 'blue']", &[0, 2]);
    check("year > 2000", &[1, 4]);
    check("year == '2010'", &[2]);
    check("color == 5", &[3]);
    check("color[0] == 'red'", &[5]);
    check("meta['x'] == 1", &[4]);
    check("$meta['meta']['x'] == 1", &[4]);
    check("$meta['red apple'] == 1", &[5]);
    check("color like '%e%' and year < 2000", &[0]);
    check("nowhere == 1 or id == 2", &[2]);
    check("not (nowhere == 1)", &[]);
    check("$meta['id'] == 1", &[]);
    check("is == 1 or null == 2 or id == 1", &[1]);
}

#[test]
fn contains() {
    check("json_contains(doc['tags'], 'red')", &[0, 1]);
    check("JSON_CONTAINS(doc['tags'], 2)", &[2]);
    check("json_contains(doc['tags'], 2.0)", &[2]);
    check("json_contains_any(doc['tags'], ['blue', 3])", &[0, 2]);
    check("json_contains_all(doc['tags'], ['red', 'blue'])", &[0]);
    check("json_contains_all(doc['tags'], [])", &[0, 1, 2, 3]);
    check("json_contains_any(doc['tags'], [])", &[]);
    check("not json_contains(doc['tags'], 'red')", &[2, 3]);
    check("json_contains(color, 'red')", &[5]);
}

#[test]
fn text_that_is_no_json_is_like_a_missing_value() {
    use super::{schema, texts};
    use vecraft_types::{Column, ColumnData, FieldId, RowBatch};
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let column = texts(vec!["{\"a\": 1", "", deep.as_str(), "{\"a\": 1}", "{\"a\": 1} 2"]);
    let batch = RowBatch::new(vec![Column::new(FieldId(110), ColumnData::Json(column))]).unwrap();
    let find = |filter: &str| {
        let filter = crate::Filter::parse(filter, &schema()).unwrap();
        filter.evaluate(&batch, 5).unwrap().iter_ones().collect::<Vec<_>>()
    };
    assert_eq!(find("doc['a'] == 1"), [3]);
    assert_eq!(find("doc['a'] is null"), [0, 1, 2, 4]);
}

#[test]
fn paths_of_one_document_do_not_disturb_each_other() {
    use super::{schema, texts};
    use vecraft_types::{Column, ColumnData, FieldId, RowBatch};
    let column = texts(vec![
        r#"{"a": {"b": 1, "c": [5, {"d": 2}]}, "x": [1]}"#,
        r#"{"a": {"b": 1}, "a": 2}"#,
        r#"{"a": {"b": 1, "c": [5, 6], "b": 3}}"#,
        r#"{"a\u0062": 7, "a": {"1": 8}}"#,
    ]);
    let batch = RowBatch::new(vec![Column::new(FieldId(110), ColumnData::Json(column))]).unwrap();
    let find = |filter: &str| {
        let filter = crate::Filter::parse(filter, &schema()).unwrap();
        filter.evaluate(&batch, 4).unwrap().iter_ones().collect::<Vec<_>>()
    };
    assert_eq!(find("doc['a'] is not null and doc['a']['b'] == 1 and doc['x'][0] == 1"), [0]);
    assert_eq!(find("json_contains(doc['a']['c'], 5) and doc['a']['c'][1]['d'] == 2"), [0]);
    assert_eq!(find("json_contains(doc['a']['c'], 6) and doc['a']['c'][1] == 6"), [2]);
    // Of a key that stands twice the last one counts.
    assert_eq!(find("doc['a'] == 2 and doc['a']['b'] is null"), [1]);
    assert_eq!(find("doc['a']['b'] == 3"), [2]);
    assert_eq!(find("doc['ab'] == 7 and doc['a'][1] == 8"), [3]);
}
