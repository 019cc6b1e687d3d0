//! What each kind answers, and at what price it says so.

use super::twin_rows::schema;
use super::{NGRAM, made, spec};
use crate::{Error, build, build_bytes};
use std::borrow::Cow;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vecraft_expr::{Ask, ColumnSource, ColumnView, Estimate, FieldIndex, Filter};
use vecraft_types::schema::{JsonCast, ScalarKind};
use vecraft_types::{Column, ColumnData, FieldId, RowBatch};

const ROWS: usize = 10_000;

fn batch() -> RowBatch {
    let texts = (0..ROWS).map(|row| format!("word {} żółw", row % 5_000));
    let docs = (0..ROWS).map(|row| match row % 4 {
        0 => format!(r#"{{"a": {}}}"#, row / 4),
        1 => format!(r#"{{"a": "{}"}}"#, row % 100),
        2 => format!(r#"{{"a": {}}}"#, (1i64 << 53) + 1 + row as i64),
        _ => "{}".to_owned(),
    });
    let column = |field: u64, data| Column::new(FieldId(100 + field), data);
    RowBatch::new(vec![
        column(5, ColumnData::Int64((0..ROWS as i64).rev().collect())),
        column(8, ColumnData::VarChar(texts.collect())),
        column(10, ColumnData::Json(docs.collect())),
    ])
    .unwrap()
}

fn index(
    batch: &RowBatch,
    place: &str,
    kind: ScalarKind,
    cast: Option<JsonCast>,
) -> std::sync::Arc<dyn FieldIndex> {
    let (field, spec) = spec(&schema(), place, kind, cast);
    made(batch, field, &spec)
}

/// Rows that are sure, and rows that are not.
fn ask(index: &dyn FieldIndex, ask: &Ask<'_>) -> (Vec<usize>, Vec<usize>) {
    let (mut sure, mut unsure) = (vec![0; ROWS.div_ceil(64)], vec![0; ROWS.div_ceil(64)]);
    index.mark(ask, &mut sure, &mut unsure);
    let rows = |words| vecraft_types::Bitmap::from_words(ROWS, words).iter_ones().collect();
    (rows(sure), rows(unsure))
}

#[test]
fn numbers_in_order_answer_ranges_and_lists() {
    let batch = batch();
    for kind in [ScalarKind::Inverted, ScalarKind::Sorted, ScalarKind::Bitmap] {
        let index = index(&batch, "big", kind, None);
        let range = Ask::IntRange(10, 12);
        assert_eq!(ask(&*index, &range), (vec![ROWS - 13, ROWS - 12, ROWS - 11], vec![]));
        assert_eq!(index.estimate(&range).unwrap().marks, 3);
        let some = Ask::Ints(Cow::Borrowed(&[-1, 0, ROWS as i64]));
        assert_eq!(ask(&*index, &some).0, [ROWS - 1]);
        assert!(index.estimate(&Ask::Texts(Cow::Borrowed(&[]))).is_none(), "another kind of values");
        assert!(index.estimate(&Ask::Bool(true)).is_none());
    }
}

#[test]
fn texts_in_order_answer_equality_ranges_and_prefixes() {
    let batch = batch();
    for kind in [ScalarKind::Inverted, ScalarKind::Trie] {
        let index = index(&batch, "name", kind, None);
        let one = ["word 7 żółw".to_owned()];
        assert_eq!(ask(&*index, &Ask::Texts(Cow::Borrowed(&one))).0, [7, 5_007]);
        let range = Ask::TextRange(Bound::Included("word 4998"), Bound::Excluded("word 5"));
        assert_eq!(ask(&*index, &range).0, [4_998, 4_999, 9_998, 9_999]);
        let filter = Filter::parse("name like 'word 499%'", &schema()).unwrap();
        assert_eq!(filter.evaluate(&batch, ROWS).unwrap().count_ones(), 22);
    }
}

#[test]
fn pieces_give_candidates_of_a_pattern() {
    let batch = batch();
    let index = index(&batch, "name", ScalarKind::Ngram { min: 2, max: 4 }, None);
    let filter = Filter::parse("name like '%1234%'", &schema()).unwrap();
    struct Any;
    impl vecraft_expr::TextTest for Any {
        fn matches(&self, _: &str) -> bool {
            true
        }
    }
    let like = |pieces| Ask::Like(vecraft_expr::Like { prefix: "", pieces, is_prefix: false, pattern: &Any });
    assert_eq!(ask(&*index, &like(vec!["1234"])), (vec![], vec![1_234, 6_234]));
    assert_eq!(index.estimate(&like(vec!["1234"])).unwrap().unsure, 2);
    assert_eq!(ask(&*index, &like(vec!["żół", "4999"])), (vec![], vec![4_999, 9_999]));
    assert_eq!(index.estimate(&like(vec!["nowhere"])).unwrap().unsure, 0);
    assert!(index.estimate(&like(vec!["7", ""])).is_none(), "shorter than any piece");
    assert_eq!(filter.evaluate(&batch, ROWS).unwrap().iter_ones().collect::<Vec<_>>(), [1_234, 6_234]);
}

#[test]
fn whole_numbers_that_no_float_equals_are_looked_at() {
    let batch = batch();
    let index = index(&batch, "doc['a']", ScalarKind::Inverted, Some(JsonCast::Double));
    let odd = |(_, unsure): (Vec<usize>, Vec<usize>)| unsure.len();
    let one = Ask::Floats(Cow::Borrowed(&[25.0]));
    assert_eq!(ask(&*index, &one).0, [100]);
    assert_eq!(odd(ask(&*index, &one)), ROWS / 4);
    assert_eq!(index.estimate(&one).unwrap().unsure, ROWS / 4);
    assert_eq!(index.steps(), Some(&["a".to_owned()][..]));
    let texts = self::index(&batch, "doc['a']", ScalarKind::Inverted, Some(JsonCast::VarChar));
    assert_eq!(ask(&*texts, &Ask::Texts(Cow::Borrowed(&["5".to_owned()]))).0.len(), ROWS / 100);
}

#[test]
fn a_build_ends_when_nobody_wants_it_and_refuses_other_columns() {
    let batch = batch();
    let (field, text) = spec(&schema(), "name", NGRAM, None);
    let column = ColumnSource::column(&batch, field).unwrap();
    assert!(matches!(build(&text, &column, ROWS, u64::MAX, &|| true), Err(Error::Cancelled)));
    let (_, json) = spec(&schema(), "doc['a']", ScalarKind::Inverted, Some(JsonCast::Bool));
    assert!(matches!(build(&json, &column, ROWS, u64::MAX, &|| false), Err(Error::OtherType)));
    assert!(matches!(build(&text, &column, ROWS + 1, u64::MAX, &|| false), Err(Error::OtherType)));
}

/// 32 random hexadecimal digits.
fn digits(row: u64) -> String {
    // The finaliser of splitmix64 makes digits of a number that counts.
    let half = |seed: u64| {
        let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    format!("{:016x}{:016x}", half(2 * row + 1), half(2 * row + 2))
}

#[test]
fn random_texts_with_more_pieces_than_there_is_room_for_end_the_build() {
    let texts: Vec<String> = (0..2_000).map(digits).collect();
    let bytes = texts.iter().map(String::len).sum();
    let batch =
        RowBatch::new(vec![Column::new(FieldId(108), ColumnData::VarChar(texts.into_iter().collect()))])
            .unwrap();
    let (field, spec) = spec(&schema(), "name", ScalarKind::Ngram { min: 3, max: 10 }, None);
    let column = ColumnSource::column(&batch, field).unwrap();
    let room = build_bytes(&spec, batch.rows, bytes);
    let error = build(&spec, &column, batch.rows, room, &|| false).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NoRoom { rows, .. } if rows < batch.rows), "{text}");
    assert!(text.contains(&format!("more than {room} bytes")) && text.contains("max_gram"), "{text}");
    // With enough it is what it always was.
    let made = build(&spec, &column, batch.rows, 32 * room, &|| false).unwrap();
    assert_eq!(made, build(&spec, &column, batch.rows, u64::MAX, &|| false).unwrap());
    // As many texts of a language fit into what is taken at first.
    let texts: Vec<String> = (0..2_000).map(|row| format!("word {} of a sentence here", row % 500)).collect();
    let batch =
        RowBatch::new(vec![Column::new(FieldId(108), ColumnData::VarChar(texts.into_iter().collect()))])
            .unwrap();
    let column = ColumnSource::column(&batch, field).unwrap();
    build(&spec, &column, batch.rows, room, &|| false).unwrap();
}

/// An index that counts how often it is asked for a price.
#[derive(Debug)]
struct Counted {
    index: std::sync::Arc<dyn FieldIndex>,
    estimates: AtomicUsize,
}

impl FieldIndex for Counted {
    fn steps(&self) -> Option<&[String]> {
        self.index.steps()
    }

    fn rows(&self) -> usize {
        self.index.rows()
    }

    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate> {
        self.estimates.fetch_add(1, Relaxed);
        self.index.estimate(ask)
    }

    fn mark(&self, ask: &Ask<'_>, sure: &mut [u64], unsure: &mut [u64]) {
        self.index.mark(ask, sure, unsure);
    }

    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]) {
        self.index.mark_known(sure, unsure);
    }

    fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
    }
}

#[derive(Debug)]
struct WithIndex<'a>(&'a RowBatch, FieldId, Counted);

impl ColumnSource for WithIndex<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        ColumnSource::column(self.0, field)
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        if field == self.1 { vec![&self.2] } else { Vec::new() }
    }
}

#[test]
fn of_a_long_list_no_value_is_looked_up_before_the_loop_is_taken() {
    let batch = batch();
    let counted =
        Counted { index: index(&batch, "big", ScalarKind::Sorted, None), estimates: AtomicUsize::new(0) };
    let source = WithIndex(&batch, spec(&schema(), "big", ScalarKind::Sorted, None).0, counted);
    let found = |values: usize, rest: &str| {
        let list: Vec<String> = (0..values).map(|value| (value * 7).to_string()).collect();
        let filter = Filter::parse(&format!("big in [{}]{rest}", list.join(", ")), &schema()).unwrap();
        let rows = filter.evaluate(&source, ROWS).unwrap().count_ones();
        (rows, source.2.estimates.swap(0, Relaxed))
    };
    assert_eq!(found(400, ""), (400, 0));
    assert_eq!(found(400, " and name != ''"), (400, 0));
    let (rows, estimates) = found(3, "");
    assert_eq!(rows, 3);
    assert!(estimates > 0, "a short one is worth it");
}
