//! Which index goes with which field, by message.

use super::*;
use crate::Code;

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// `Ok` names the kind, `Err` a part of the message.
#[track_caller]
fn check(field: FieldSchema, name: &str, pairs: &[(&str, &str)], expected: std::result::Result<&str, &str>) {
    match (check_scalar_index(&field, name, &params(pairs)), expected) {
        (Ok(index), Ok(kind)) => assert_eq!(index.kind.name(), kind),
        (Err(error), Err(part)) => {
            assert_eq!(error.code, Code::InvalidParameter);
            assert!(error.detail.contains(part), "{error}");
            assert_eq!(error.context, [("field".to_owned(), "f".to_owned())]);
        }
        (found, expected) => panic!("{name} {pairs:?}: {found:?}, expected {expected:?}"),
    }
}

fn field(data_type: DataType) -> FieldSchema {
    FieldSchema::new("f", data_type)
}

const TEXT: DataType = DataType::VarChar { max_length: 10 };

#[test]
fn each_type_has_its_indexes_and_a_choice_of_its_own() {
    check(field(DataType::Bool), "", &[], Ok("BITMAP"));
    check(field(DataType::Int8), "autoindex", &[], Ok("INVERTED"));
    check(field(DataType::Double), "AUTOINDEX", &[], Ok("INVERTED"));
    check(field(TEXT), "", &[], Ok("INVERTED"));
    check(field(DataType::Int64), "bitmap", &[], Ok("BITMAP"));
    check(field(DataType::Float), "STL_SORT", &[], Ok("STL_SORT"));
    check(field(TEXT), "Trie", &[], Ok("TRIE"));
    check(field(DataType::Int32), "TRIE", &[], Err("type Int32, supported are INVERTED, BITMAP, STL_SORT"));
    check(field(DataType::Double), "BITMAP", &[], Err("BITMAP is not supported on a field of type Double"));
    check(field(DataType::Json), "BITMAP", &[], Err("supported are INVERTED, NGRAM"));
    check(field(DataType::Bool), "STL_SORT", &[], Err("supported are INVERTED, BITMAP"));
    check(field(DataType::Json), "STL_SORT", &[], Err("type JSON"));
    check(field(DataType::Int64), "NGRAM", &[], Err("NGRAM is not supported"));
    check(field(TEXT), "HNSW", &[], Err("index type \"HNSW\" is not supported on a field of type VarChar"));
    let key = || field(DataType::Int64).primary(false);
    check(key(), "BITMAP", &[], Err("which is the primary key, supported are INVERTED, STL_SORT"));
    check(key(), "INVERTED", &[], Ok("INVERTED"));
}

#[test]
fn parameters_are_checked_by_name_and_value() {
    check(
        field(TEXT),
        "INVERTED",
        &[("nlist", "8")],
        Err("\"nlist\" is not supported by index type INVERTED"),
    );
    check(field(TEXT), "TRIE", &[("json_path", "f")], Err("which takes none"));
    check(field(TEXT), "TRIE", &[("mmap.enabled", "false")], Ok("TRIE"));
    check(field(TEXT), "TRIE", &[("mmap.enabled", "no")], Err("mmap.enabled is \"no\""));
    let grams = |min: &'static str, max: &'static str| [("min_gram", min), ("max_gram", max)];
    check(field(TEXT), "NGRAM", &grams("2", "3"), Ok("NGRAM"));
    check(field(TEXT), "NGRAM", &grams("2", "2"), Ok("NGRAM"));
    check(field(TEXT), "NGRAM", &[("min_gram", "2")], Err("needs the parameters min_gram and max_gram"));
    check(field(TEXT), "NGRAM", &grams("3", "2"), Err("min_gram is 3 and max_gram is 2"));
    check(field(TEXT), "NGRAM", &grams("0", "2"), Err("min_gram is \"0\", allowed are whole numbers from 1"));
    check(field(TEXT), "NGRAM", &grams("two", "2"), Err("\"two\""));
    check(field(TEXT), "NGRAM", &[("size", "2")], Err("which takes min_gram, max_gram"));
}

#[test]
fn a_json_index_needs_the_kind_of_its_values() {
    let json = || field(DataType::Json);
    check(json(), "INVERTED", &[("json_path", "f['a']")], Err("needs the parameter json_cast_type"));
    check(
        json(),
        "INVERTED",
        &[("json_cast_type", "int")],
        Err("allowed with index type INVERTED are bool, double"),
    );
    check(json(), "", &[("json_cast_type", "DOUBLE"), ("json_path", "f['a']")], Ok("INVERTED"));
    let grams = [("min_gram", "2"), ("max_gram", "3"), ("json_cast_type", "double")];
    check(json(), "NGRAM", &grams, Err("allowed with index type NGRAM are varchar"));
    let index = check_scalar_index(&json(), "INVERTED", &params(&[("json_cast_type", "varchar")]));
    assert_eq!(index.map(|index| index.json), Ok(Some(("f".to_owned(), JsonCast::VarChar))));
}
