//! Filters made to hurt: deep, long, or slow to match.

use super::{batch, check, message, schema};
use crate::limits::{DEPTH_MAX, FILTER_BYTES_MAX, LIST_ITEMS_MAX, NODES_MAX};
use crate::{ColumnSource, ColumnValues, ColumnView, Filter};
use vecraft_types::{FieldId, PrimaryKey, RowBatch};

fn nested(open: &str, times: usize, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn deep_nesting_is_refused_not_overflown() {
    for (open, inner, close) in [
        ("(", "id == 1", ")"),
        ("not ", "id == 1", ""),
        ("!", "flag", ""),
        ("!(", "flag", ")"),
        ("exists ", "doc", ""),
        ("-", "id == 1", ""),
        ("- ", "1 == 1", ""),
        ("json_contains(", "doc", ", 1)"),
        ("id in [", "1", "]"),
        ("id + (", "1", ") == 1"),
        ("1 + ", "id", " == 1"),
        ("id == ", "1", ""),
    ] {
        for times in [300, 10_000, 200_000] {
            let text = nested(open, times, inner, close);
            assert!(Filter::parse(&text, &schema()).is_err(), "{open}");
        }
    }
    assert!(
        message(&nested("(", 10_000, "id == 1", ")")).contains(&format!("deeper than {DEPTH_MAX} levels"))
    );
}

#[test]
fn nesting_below_the_limit_works() {
    check(&nested("(", DEPTH_MAX - 2, "id == 1", ")"), &[1]);
    check(&nested("not ", 120, "id == 1", ""), &[1]);
    check(&nested("not (flag or ", 40, "id == 1", ")"), &[1]);
    check(&format!("id{} == 100", " + 1".repeat(98)), &[2]);
}

#[test]
fn long_chains_are_flat_and_bounded() {
    let chain = |word: &str, times: usize| vec!["id == 1"; times].join(word);
    check(&chain(" or ", 10_000), &[1]);
    check(&chain(" and ", 10_000), &[1]);
    check(&vec!["id == 1 and id == 1"; 5_000].join(" or "), &[1]);
    assert!(message(&chain(" or ", NODES_MAX)).contains("operators and operands"));
    assert!(message(&format!("id == 1{}", " + 1".repeat(NODES_MAX))).contains("filter: "));
    assert!(message(&format!("doc{} == 1", "['a']".repeat(101))).contains("101 keys"));
    assert!(message(&format!("doc{} == 1", "['a']".repeat(NODES_MAX))).contains("filter: "));
}

#[test]
fn long_texts_and_lists_are_refused() {
    assert!(message(&" ".repeat(FILTER_BYTES_MAX + 1)).contains("at most"));
    let list = format!("id in [{}]", "1,".repeat(LIST_ITEMS_MAX + 1));
    assert!(message(&list).contains(&format!("more than {LIST_ITEMS_MAX} values")));
}

/// One column of ints, longer than a batch needs to be.
struct Ints(Vec<i64>);

impl ColumnSource for Ints {
    fn column(&self, _: FieldId) -> Option<ColumnView<'_>> {
        Some(ColumnView { values: ColumnValues::Int64(&self.0), validity: None })
    }
}

#[test]
fn a_list_of_a_million_keys() {
    // Far apart, so that the set is hashed; then close together, so that it is a table of bits.
    for step in [1_000_003i64, 3] {
        let keys: Vec<i64> = (0..1_000_000).map(|i| i * step).collect();
        let list = keys.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let filter = Filter::parse(&format!("id in [{list}]"), &schema()).unwrap();
        assert_eq!(filter.primary_keys().unwrap().len(), keys.len());
        let rows = Ints((0..200_000).map(|i| i * step / 2).collect());
        let found = filter.evaluate(&rows, rows.0.len()).unwrap();
        let expected = rows.0.iter().filter(|row| *row % step == 0).count();
        assert_eq!(found.count_ones(), expected);
    }
    let list = (0..200_000).map(|i| format!("'key{i}'")).collect::<Vec<_>>().join(",");
    check(&format!("name in [{list}, 'ann']"), &[0]);
}

#[test]
fn like_takes_linear_time() {
    use super::texts;
    use vecraft_types::{Column, ColumnData};
    let text = "a".repeat(65_000);
    let rows =
        RowBatch::new(vec![Column::new(FieldId(108), ColumnData::VarChar(texts(vec![&text; 4])))]).unwrap();
    for pattern in [
        "%a".repeat(2_000) + "%b%",
        "%a_".repeat(2_000) + "%b",
        "%".to_owned() + &"_a".repeat(30) + "b%",
        "a%".repeat(10_000) + "b",
    ] {
        let filter = Filter::parse(&format!("name like '{pattern}'"), &schema()).unwrap();
        assert_eq!(filter.evaluate(&rows, 4).unwrap().count_ones(), 0);
    }
    assert!(message(&format!("name like '%{}%'", "_a".repeat(33))).contains("at most 64"));
    check(&format!("name like '{}'", "_".repeat(60_000)), &[]);
}

#[test]
fn a_small_stack_is_enough() {
    // Arbiters and pool threads have small stacks; a filter at the limits must fit there.
    let run = || {
        for text in [
            nested("(", DEPTH_MAX - 2, "id == 1", ")"),
            nested("not (flag or ", 40, "id == 1", ")"),
            format!("id{} == 100", " + 1".repeat(DEPTH_MAX - 3)),
        ] {
            let filter = Filter::parse(&text, &schema()).unwrap();
            filter.evaluate(&batch(), super::ROWS).unwrap();
            let _ = format!("{filter} {:?}", filter.clone().primary_keys());
        }
        // The parser's largest frames; nothing that could be typed.
        assert!(Filter::parse(&nested("id < id + (", DEPTH_MAX / 3, "id", ")"), &schema()).is_err());
        Filter::parse("id == 1", &schema()).unwrap().primary_keys().unwrap()
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), [PrimaryKey::Int64(1)]);
}
