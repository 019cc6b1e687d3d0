//! Calls: the three `json_contains` functions, and the names of those that are not built.

use super::{Parser, shown};
use crate::ast::{ContainsMode, Kind, Node};
use crate::fault::{Fault, Result};
use crate::lexer::Tok;
use crate::limits::CONTAINS_ITEMS_MAX;

/// Functions of Milvus's filters that this version does not have.
const NOT_BUILT: [&str; 22] = [
    "text_match",
    "phrase_match",
    "random_sample",
    "array_contains",
    "array_contains_all",
    "array_contains_any",
    "array_length",
    "element_filter",
    "match_all",
    "match_any",
    "match_least",
    "match_most",
    "match_exact",
    "st_equals",
    "st_touches",
    "st_overlaps",
    "st_crosses",
    "st_contains",
    "st_intersects",
    "st_within",
    "st_dwithin",
    "st_isvalid",
];

impl Parser<'_> {
    /// `name(...)`; the name is at hand and a parenthesis follows.
    pub(super) fn function(&mut self, name: &str, at: usize) -> Result<Node> {
        let mode = match name {
            "json_contains" | "JSON_CONTAINS" => ContainsMode::One,
            "json_contains_all" | "JSON_CONTAINS_ALL" => ContainsMode::All,
            "json_contains_any" | "JSON_CONTAINS_ANY" => ContainsMode::Any,
            _ => return Err(unknown(name, at)),
        };
        self.advance()?;
        self.expect_sign("(", "after the function")?;
        let value = self.path(mode.function())?;
        self.expect_sign(",", "between the arguments")?;
        let items = match mode {
            ContainsMode::One => vec![self.constant(mode.function())?],
            ContainsMode::All | ContainsMode::Any => self.list(mode.function())?,
        };
        if items.len() > CONTAINS_ITEMS_MAX {
            let message = format!(
                "{} looks for at most {CONTAINS_ITEMS_MAX} values, found {}",
                mode.function(),
                items.len()
            );
            return Err(Fault::new(at, message));
        }
        if self.token.tok == Tok::Sign(",") {
            let message = format!("{} has two arguments, found {}", mode.function(), shown(&self.token.tok));
            return Err(Fault::new(self.token.at, message));
        }
        self.expect_sign(")", "to close the function")?;
        self.node(at, value.height, Kind::Contains { mode, value: Box::new(value), items })
    }
}

fn unknown(name: &str, at: usize) -> Fault {
    let lower = name.to_ascii_lowercase();
    if NOT_BUILT.contains(&lower.as_str()) {
        return Fault::not_built(at, format!("the function {lower}"));
    }
    let known = "json_contains, json_contains_all and json_contains_any";
    Fault::new(at, format!("unknown function {name:?} (there are {known})"))
}
