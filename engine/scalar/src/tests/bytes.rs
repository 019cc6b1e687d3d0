//! Bytes that are no index. (That an index file is whole is told by the sums around it; here nothing but the shape is.)

use super::twin_rows::{random_batch, schema};
use super::{Indexed, NGRAM, spec};
use crate::tests::Eager;
use crate::{build, open};
use ::bytes::Bytes;
use proptest::prelude::*;
use vecraft_expr::{ColumnSource, Filter};
use vecraft_types::schema::{JsonCast, ScalarKind};

const FILTERS: [&str; 9] = [
    "big > 3",
    "big in [1, 2, 3]",
    "not (big == 1)",
    "name like '%ab%'",
    "name like 'a%' and name != 'x'",
    "name < 'b'",
    "doc['a'] != 1",
    "doc['a'] < 2.5",
    "flag",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_are_refused_or_read_without_a_panic(
        picks in proptest::collection::vec(any::<[u8; 12]>(), 70..150),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (schema, batch) = (schema(), random_batch(&picks));
        let specs = [
            spec(&schema, "big", ScalarKind::Inverted, None),
            spec(&schema, "name", ScalarKind::Trie, None),
            spec(&schema, "name", NGRAM, None),
            spec(&schema, "doc['a']", ScalarKind::Inverted, Some(JsonCast::Double)),
            spec(&schema, "flag", ScalarKind::Bitmap, None),
        ];
        let mut indexes = Vec::new();
        for (field, spec) in &specs {
            let column = ColumnSource::column(&batch, *field).unwrap();
            let mut bytes = build(spec, &column, batch.rows, u64::MAX, &|| false).unwrap();
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(index) = open(spec, Bytes::from(bytes)) {
                indexes.push((*field, Eager(index)));
            }
        }
        let indexed = Indexed { batch: &batch, indexes };
        for text in FILTERS {
            // The sums of the file tell that it is damaged; whatever is read here must end.
            let _ = Filter::parse(text, &schema).unwrap().evaluate(&indexed, batch.rows).unwrap();
        }
    }
}

#[test]
fn an_index_of_another_spec_is_refused() {
    let (schema, batch) = (schema(), random_batch(&[[3; 12], [9; 12]]));
    let (field, text) = spec(&schema, "name", ScalarKind::Trie, None);
    let bytes = build(&text, &ColumnSource::column(&batch, field).unwrap(), 2, u64::MAX, &|| false).unwrap();
    let (_, grams) = spec(&schema, "name", NGRAM, None);
    let (_, path) = spec(&schema, "doc['a']", ScalarKind::Inverted, Some(JsonCast::VarChar));
    for other in [&grams, &path] {
        assert!(open(other, Bytes::from(bytes.clone())).is_err(), "{other:?}");
    }
    assert!(open(&text, Bytes::new()).is_err());
    assert!(open(&text, Bytes::from(bytes)).is_ok());
}
