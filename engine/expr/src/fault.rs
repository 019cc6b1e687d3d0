//! What is wrong with a filter, and where.

use vecraft_types::Error;

/// Characters shown on each side of the fault.
const EXCERPT_CHARS: usize = 30;

/// A fault at a byte of the filter's text. Becomes a public error once the text is at hand.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    message: String,
    is_not_built: bool,
    field: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// The filter is wrong at byte `at`.
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into(), is_not_built: false, field: None }
    }

    /// Milvus knows `what`, we do not (yet).
    pub(crate) fn not_built(at: usize, what: impl Into<String>) -> Fault {
        Fault { at, message: what.into(), is_not_built: true, field: None }
    }

    /// Names the field at fault.
    pub(crate) fn with_field(mut self, field: &str) -> Fault {
        self.field = Some(field.to_owned());
        self
    }

    /// The public error: what, the character (from 1), and the place with a caret below it.
    pub(crate) fn into_error(self, text: &str) -> Error {
        let before = text.get(..self.at).unwrap_or(text);
        let after = text.get(self.at..).unwrap_or("");
        let position = before.chars().count() + 1;
        let error = if self.is_not_built {
            Error::not_built(format!("filter: {} at character {position}", self.message))
        } else {
            let (excerpt, caret) = excerpt(before, after);
            let message = &self.message;
            Error::invalid(format!("filter: {message} at character {position}\n    {excerpt}\n    {caret}"))
        };
        match self.field {
            Some(field) => error.with("field", field),
            None => error,
        }
    }
}

/// One line around the fault, and a line with a caret under it.
fn excerpt(before: &str, after: &str) -> (String, String) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let start = before.char_indices().rev().nth(EXCERPT_CHARS - 1).map_or(0, |(at, _)| at);
    let left: String = before.get(start..).unwrap_or("").chars().map(plain).collect();
    let right: String = after.chars().take(EXCERPT_CHARS).map(plain).collect();
    let (head, tail) =
        (if start > 0 { "..." } else { "" }, if after.len() > right.len() { "..." } else { "" });
    let indent = head.len() + left.chars().count();
    (format!("{head}{left}{right}{tail}"), format!("{}^", " ".repeat(indent)))
}
