//! Random texts: an error or a filter, never a panic. `VECRAFT_FILTERS=n` tries n of each kind.

use super::{ROWS, batch, schema, strict_schema, twin_make};
use crate::Filter;
use proptest::prelude::*;

fn survives(text: &str) {
    for schema in [schema(), strict_schema()] {
        match Filter::parse(text, &schema) {
            Ok(filter) => {
                let found = filter.evaluate(&batch(), ROWS).unwrap();
                assert_eq!(found.len(), ROWS);
                let _ = (filter.to_string(), filter.primary_keys());
            }
            Err(error) => assert!(error.is_input_error(), "{text:?}: {error}"),
        }
    }
}

/// Pieces of the language, so that more than the lexer is tried.
const PIECES: [&str; 62] = [
    "id",
    "age",
    "big",
    "price",
    "score",
    "name",
    "flag",
    "doc",
    "$meta",
    "vec",
    "color",
    "['a']",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    ",",
    "and",
    "OR",
    "not",
    "!",
    "in",
    "not in",
    "like",
    "'a%'",
    "\"x\"",
    "r'\\'",
    "is null",
    "is not null",
    "exists",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "&&",
    "||",
    "1",
    "0",
    "2.5",
    "0x1F",
    "07",
    "1e300",
    "9223372036854775807",
    "9223372036854775808",
    "true",
    "false",
    "json_contains(",
    "text_match(",
    "{",
    "}",
    "=",
    "$",
    "=~",
];

proptest! {
    #![proptest_config(super::random())]

    #[test]
    fn random_characters(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn random_characters_of_the_language(text in "[a-z0-9$_'\"\\\\ \\[\\](){}<>=!&|+*/%~^.,żxXpeE-]{0,60}") {
        survives(&text);
    }

    #[test]
    fn random_words_of_the_language(words in proptest::collection::vec(0..PIECES.len(), 0..25)) {
        let words: Vec<&str> = words.into_iter().map(|i| PIECES[i]).collect();
        survives(&words.join(" "));
    }

    #[test]
    fn damaged_filters(at in 0usize..100, with in any::<char>(), cut in any::<bool>()) {
        let text = r#"not (1 < id <= 5 or name like "a%_") and doc["a"][0] in [1, 2.5, -3, 'x'] && price ** 2 > 0x1.8p1"#;
        let mut chars: Vec<char> = text.chars().collect();
        let at = at % chars.len();
        if cut { chars.truncate(at) } else { chars[at] = with }
        survives(&chars.into_iter().collect::<String>());
    }

    /// Whole conditions of the twin, of several levels, with pieces lost, doubled, swapped or put in between.
    #[test]
    fn damaged_conditions(
        cond in twin_make::condition(),
        damages in proptest::collection::vec((0u8..4, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        piece in 0..PIECES.len(),
    ) {
        let mut chars: Vec<char> = cond.to_string().chars().collect();
        for (kind, first, second) in damages {
            let (a, b) = (first.index(chars.len()), second.index(chars.len()));
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 12));
            match kind {
                0 => drop(chars.drain(from..to)),
                1 => drop(chars.splice(to..to, chars[from..to].to_vec())),
                2 => chars.swap(a, b),
                _ => drop(chars.splice(from..from, format!(" {} ", PIECES[piece]).chars())),
            }
            if chars.is_empty() {
                chars.push('(');
            }
        }
        survives(&chars.into_iter().collect::<String>());
    }
}
