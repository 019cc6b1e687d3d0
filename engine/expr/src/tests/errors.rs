//! What wrong filters are told.

use super::{message, schema};
use crate::Filter;
use vecraft_types::Code;

/// The message contains these parts.
#[track_caller]
fn refused(filter: &str, parts: &[&str]) {
    let message = message(filter);
    parts.iter().for_each(|part| assert!(message.contains(part), "{filter}\n{message}\nlacks {part:?}"));
}

#[test]
fn the_message_shows_the_place() {
    let expected = "invalid parameter: filter: expected a value, found \"and\" at character 8\n    age == and b\n           ^";
    assert_eq!(message("age == and b"), expected);
}

#[test]
fn the_place_is_counted_in_characters_and_long_filters_are_cut() {
    refused("city == 'żółw' ) ", &["at character 16", "\n    city == 'żółw' ) \n                   ^"]);
    let long = format!("id in [{}] !", "1, ".repeat(100));
    refused(&long, &["at character 310", "...", "] !\n"]);
    let caret = message(&long);
    let lines: Vec<&str> = caret.lines().collect();
    assert_eq!(lines[1].chars().nth(lines[2].chars().count() - 1), Some('!'));
}

#[test]
fn syntax() {
    refused("id ==", &["expected a value, found the end", "at character 6"]);
    refused("(id == 1", &["expected \")\" to close the parenthesis, found the end"]);
    refused("id == 1)", &["expected an operator or the end of the filter, found \")\""]);
    refused("id = 1", &["found \"=\" (equality is written ==)", "at character 4"]);
    refused("id == 1 And id == 2", &["found \"And\" (keywords are written in lower or in upper case)"]);
    refused("id Is null", &["keywords are written"]);
    refused("id is nil", &["expected null after is, found \"nil\""]);
    refused("id not 1", &["expected in after not, found 1"]);
    refused("id in 1", &["expected \"[\" and a list for in, found 1"]);
    refused("id in [1 2]", &["expected \"]\" or \",\" in the list, found 2"]);
    refused("id in [1, age]", &["expected a constant in the list", "at character 11"]);
    refused("id == [1]", &["a list, which stands only after in"]);
    refused("name like name", &["the pattern of like"]);
    refused("name like '\\\\'", &["ends with a lone backslash", "at character 11"]);
    refused("1 < id > 0", &["a range points one way", "at character 8"]);
    refused("1 < id < 5 < 9", &["one too many", "at character 12"]);
    refused("doc[age] == 1", &["sub-field"]);
    refused("doc['a' == 1", &["expected \"]\" to close the key"]);
    refused("id == §", &["the character '§' has no meaning"]);
    refused("f(x) == 1", &["unknown function \"f\""]);
    refused("id == 1;", &["';'"]);
}

#[test]
fn literals() {
    refused("name == 'abc", &["the string has no closing '", "at character 9"]);
    refused("name == 'a\nb'", &["the string has no closing '"]);
    refused("name == '\\xff'", &["not UTF-8"]);
    refused("name == '\\u12'", &["needs 4 hexadecimal digits"]);
    refused("name == '\\ud800'", &["needs 4 hexadecimal digits of a character"]);
    refused("name == '\\400'", &["up to \\377"]);
    refused("id == 9223372036854775808", &["9223372036854775808 does not fit int64"]);
    refused("id == -9223372036854775809", &["does not fit int64"]);
    refused("id == 99999999999999999999999", &["does not fit int64"]);
    refused("id == 089", &["octal"]);
    refused("id == 0x", &["no digits"]);
    refused("id == 12ab", &["\"12ab\" is not a number"]);
    refused("price == 1e999", &["does not fit a double"]);
    refused("id == 1 / 0", &["1 / 0 has no result", "at character 9"]);
    refused("id == 9223372036854775807 + 1", &["has no result"]);
    refused("id == 7.5 % 2", &["has no result"]);
}

#[test]
fn fields_and_types() {
    refused("nme == 'x'", &["there is no field \"nme\", did you mean \"name\"?", "[field=nme]"]);
    refused("zzzzz == 1", &["there is no field \"zzzzz\" at character 1"]);
    refused("$meta['a'] == 1", &["no dynamic field"]);
    refused("vec == 1", &["vec is a FloatVector, and vectors cannot be filtered", "[field=vec]"]);
    refused("id['a'] == 1", &["only JSON fields have keys, id is Int64"]);
    refused("id == 'x'", &["cannot compare the Int64 field id with the string \"x\"", "at character 4"]);
    refused("name == 1", &["cannot compare the VarChar field name with the integer 1"]);
    refused("flag == 1", &["cannot compare the Bool field flag with the integer 1"]);
    refused("flag > true", &["Bool knows only"]);
    refused("doc['a'] < true", &["Bool knows only"]);
    refused("id == name", &["cannot compare the Int64 field id with the VarChar field name"]);
    refused("1 == 'a'", &["cannot compare the integer 1 with the string \"a\""]);
    refused("id in [1, 'x']", &["cannot look for the string \"x\" in the Int64 field id", "at character 11"]);
    refused("name in ['x', 1.5]", &["cannot look for the float 1.5 in the VarChar field name"]);
    refused("1 in [1]", &["expected a field before in"]);
    refused("id like 'x'", &["like needs a VarChar field or a JSON value, found the Int64 field id"]);
    refused("name + 1 == 2", &["\"+\" needs numbers, found the VarChar field name"]);
    refused("-name == 2", &["\"-\" needs numbers"]);
    refused("+name == 2", &["needs numbers"]);
    refused("price % 2 == 0", &["\"%\" needs integers, found the Double field price"]);
    refused("id", &["expected a condition such as a comparison, found the Int64 field id"]);
    refused("doc['a']", &["expected a condition"]);
    refused("5", &["expected a condition such as a comparison, found the integer 5"]);
    refused("id + 1", &["found a calculated number"]);
    refused("not id", &["expected a condition"]);
    refused("(id > 1) == (id > 2)", &["expected a value, found a condition"]);
    refused("id + (id > 1) == 2", &["expected a value, found a condition"]);
    refused("exists id", &["exists needs a JSON path"]);
    refused("exists 5", &["expected a JSON path for exists, found 5"]);
    refused("exists (doc['a'])", &["expected a JSON path for exists, found \"(\""]);
    refused("json_contains(name, 'a')", &["json_contains needs a JSON path, found the VarChar field name"]);
    refused("json_contains(doc['a'], 1, 2)", &["has two arguments"]);
    refused("json_contains(doc['a'])", &["expected \",\" between the arguments"]);
    refused("json_contains(doc['a'],)", &["expected a constant for json_contains"]);
}

#[test]
fn a_bare_meta_needs_a_key() {
    let error = Filter::parse("$meta == 1", &schema()).unwrap_err();
    assert!(error.detail.contains("$meta needs a key"), "{error}");
}

#[test]
fn parts_of_the_language_that_are_not_built_are_named() {
    let cases = [
        ("text_match(name, 'a b')", "the function text_match"),
        ("PHRASE_MATCH(name, 'a b', 1)", "the function phrase_match"),
        ("random_sample(0.01)", "the function random_sample"),
        ("array_contains(doc['a'], 1)", "the function array_contains"),
        ("array_length(doc['a']) == 1", "the function array_length"),
        ("st_within(doc, 'POINT (1 1)')", "the function st_within"),
        ("element_filter(doc, $[a] > 1)", "the function element_filter"),
        ("match_any(doc, $[a] > 1)", "the function match_any"),
        ("$[a] > 1", "struct array"),
        ("doc[0][a] > 1", "struct array"),
        ("name =~ 'a.*'", "the regular expression operator =~"),
        ("name !~ 'a.*'", "the regular expression operator !~"),
        ("id & 1 == 1", "the bit operator &"),
        ("id | 1 == 1", "the bit operator |"),
        ("id ^ 1 == 1", "the bit operator ^"),
        ("~id == 1", "the bit operator ~"),
        ("id << 1 == 2", "the bit operator <<"),
        ("id == {value}", "a template variable"),
        ("id in {values}", "a template variable"),
        ("json_contains(doc['a'], [1])", "a list within a list"),
        ("id > ISO '2025-01-01T00:00:00Z'", "timestamptz"),
        ("id + INTERVAL 'P1D' > 5", "timestamptz"),
    ];
    for (filter, what) in cases {
        let error = Filter::parse(filter, &schema()).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter, "{filter}");
        assert!(error.detail.contains(what) && error.detail.contains("not supported"), "{filter}: {error}");
    }
}
