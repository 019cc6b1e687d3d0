//! Patterns of `like`: `%` is any number of characters, `_` exactly one, a backslash takes the next character as
//! it is.
//!
//! The common shapes (equal, prefix, suffix, infix) are plain string searches. The rest is a chain of gaps: the
//! first stands at the front, the last at the end, those between are found from left to right, each as early as
//! possible. A gap without `_` is searched by the standard library, one with `_` by bits (shift-and): both take
//! time linear in the text.

mod gap;

use crate::limits::LIKE_GAP_CHARS_MAX;
use crate::{Like, TextTest};
use gap::Gap;
use std::fmt;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    source: String,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Infix(String),
    /// No `%`: the whole text, character by character.
    Whole(Gap),
    /// `first % middle % ... % last`
    Gaps {
        first: Gap,
        middle: Vec<Gap>,
        last: Gap,
    },
}

impl Pattern {
    /// Compiles; the error says what is wrong.
    pub(crate) fn new(source: &str) -> Result<Pattern, String> {
        let mut gaps = vec![Vec::new()];
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            let piece = match c {
                '%' => {
                    gaps.push(Vec::new());
                    continue;
                }
                '_' => None,
                '\\' => match chars.next() {
                    Some(taken) => Some(taken),
                    None => return Err("the pattern ends with a lone backslash".to_owned()),
                },
                c => Some(c),
            };
            if let Some(gap) = gaps.last_mut() {
                gap.push(piece);
            }
        }
        Ok(Pattern { source: source.to_owned(), shape: shape(gaps)? })
    }

    /// True when the whole text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Equal(literal) => text == literal,
            Shape::Prefix(literal) => text.starts_with(literal),
            Shape::Suffix(literal) => text.ends_with(literal),
            Shape::Infix(literal) => text.contains(literal),
            Shape::Whole(gap) => gap.at_front(text) == Some(text.len()),
            Shape::Gaps { first, middle, last } => {
                let Some(front) = first.at_front(text) else { return false };
                let Some(tail) = last.at_end(&text[front..]) else { return false };
                let mut rest = &text[front..front + tail];
                middle.iter().all(|gap| match gap.find(rest) {
                    Some(end) => {
                        rest = &rest[end..];
                        true
                    }
                    None => false,
                })
            }
        }
    }
}

/// What an index may be asked about a pattern.
pub(crate) enum Asked<'a> {
    /// Only this text matches.
    Equal(&'a str),
    /// The rest.
    Like(Like<'a>),
}

impl Pattern {
    /// What all texts that match have in common.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let (prefix, pieces, is_prefix) = match &self.shape {
            Shape::Equal(literal) => return Asked::Equal(literal),
            Shape::Prefix(literal) => (literal.as_str(), vec![literal.as_str()], true),
            Shape::Suffix(literal) | Shape::Infix(literal) => ("", vec![literal.as_str()], false),
            Shape::Whole(_) => ("", Vec::new(), false),
            Shape::Gaps { first, middle, last } => {
                let gaps = std::iter::once(first).chain(middle).chain(std::iter::once(last));
                (first.literal().unwrap_or(""), gaps.filter_map(Gap::literal).collect(), false)
            }
        };
        Asked::Like(Like { prefix, pieces, is_prefix, pattern: self })
    }
}

impl TextTest for Pattern {
    fn matches(&self, text: &str) -> bool {
        Pattern::matches(self, text)
    }
}

fn shape(pieces: Vec<Vec<Option<char>>>) -> Result<Shape, String> {
    let ends = pieces.len() - 1;
    let mut gaps = pieces
        .into_iter()
        .enumerate()
        // Between two percent signs without anything between them there is nothing to find.
        .filter(|(i, pieces)| *i == 0 || *i == ends || !pieces.is_empty())
        .map(|(_, pieces)| Gap::new(pieces))
        .collect::<Vec<_>>();
    let Some(last) = gaps.pop() else { return Ok(Shape::Equal(String::new())) };
    if ends == 0 {
        return Ok(match last.literal() {
            Some(literal) => Shape::Equal(literal.to_owned()),
            None => Shape::Whole(last),
        });
    }
    let middle = gaps.split_off(1);
    let Some(first) = gaps.pop() else { return Ok(Shape::Equal(String::new())) };
    let simple = match (first.literal(), middle.as_slice(), last.literal()) {
        (Some(prefix), [], Some("")) => Some(Shape::Prefix(prefix.to_owned())),
        (Some(""), [], Some(suffix)) => Some(Shape::Suffix(suffix.to_owned())),
        (Some(""), [gap], Some("")) => gap.literal().map(|infix| Shape::Infix(infix.to_owned())),
        _ => None,
    };
    if let Some(shape) = simple {
        return Ok(shape);
    }
    if let Some(long) = middle.iter().find(|gap| gap.literal().is_none() && gap.chars() > LIKE_GAP_CHARS_MAX)
    {
        let chars = long.chars();
        return Err(format!(
            "the pattern has {chars} characters with _ between two %, at most {LIKE_GAP_CHARS_MAX} are allowed"
        ));
    }
    Ok(Shape::Gaps { first, middle, last })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}
