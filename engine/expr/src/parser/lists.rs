//! Lists of constants: `[1, 2, 3]`. They can be a million long, so each element is read straight into its value.

use super::{Parser, level, shown};
use crate::ast::{Item, Kind};
use crate::fault::{Fault, Result};
use crate::lexer::Tok;
use crate::limits::LIST_ITEMS_MAX;

impl Parser<'_> {
    /// The list at hand; `owner` is what wants it, for messages.
    pub(super) fn list(&mut self, owner: &str) -> Result<Vec<Item>> {
        if self.token.tok == Tok::Sign("{") {
            return Err(Fault::not_built(self.token.at, "a template variable {...}"));
        }
        self.expect_sign("[", &format!("and a list for {owner}"))?;
        let mut items = Vec::new();
        while self.token.tok != Tok::Sign("]") {
            if items.len() == LIST_ITEMS_MAX {
                let message = format!("the list has more than {LIST_ITEMS_MAX} values");
                return Err(Fault::new(self.token.at, message));
            }
            items.push(self.item()?);
            if self.token.tok != Tok::Sign(",") {
                break;
            }
            self.advance()?;
        }
        self.expect_sign("]", "or \",\" in the list")?;
        Ok(items)
    }

    fn item(&mut self) -> Result<Item> {
        let at = self.token.at;
        // Byte offsets fit: a filter is at most 64 MiB long.
        let item = |value| Item { at: at as u32, value };
        match &self.token.tok {
            Tok::Int(_) | Tok::Float(_) | Tok::Str(_) if self.ends_item()? => {
                return self.literal().map(item);
            }
            Tok::Sign("[") => return Err(Fault::not_built(at, "a list within a list")),
            _ => {}
        }
        let before = self.nodes;
        let node = self.expression(level::OR)?;
        match node.kind {
            Kind::Literal(value) => {
                // A constant in a list costs nothing per row.
                self.nodes = before;
                Ok(item(value))
            }
            _ => Err(Fault::new(at, "expected a constant in the list, found an expression")),
        }
    }

    fn ends_item(&self) -> Result<bool> {
        Ok(matches!(self.peek_second()?.tok, Tok::Sign("," | "]")))
    }

    /// One constant, as the functions want it.
    pub(super) fn constant(&mut self, owner: &str) -> Result<Item> {
        let at = self.token.at;
        if self.token.tok == Tok::Sign("{") {
            return Err(Fault::not_built(at, "a template variable {...}"));
        }
        if matches!(self.token.tok, Tok::End | Tok::Sign(")")) {
            let found = shown(&self.token.tok);
            return Err(Fault::new(at, format!("expected a constant for {owner}, found {found}")));
        }
        self.item()
    }
}
