//! Operands: literals, fields and JSON paths with their null tests, parentheses, `exists`.

use super::{Parser, level, shown};
use crate::ast::{Kind, Literal, Name, Node};
use crate::fault::{Fault, Result};
use crate::lexer::Tok;
use crate::number::Number;

impl Parser<'_> {
    /// An operand. Part of the recursion: what needs much stack is done by others.
    pub(super) fn primary(&mut self) -> Result<Node> {
        match &self.token.tok {
            Tok::Sign("(") => {
                self.advance()?;
                let inner = self.expression(level::OR)?;
                self.expect_sign(")", "to close the parenthesis")?;
                Ok(inner)
            }
            Tok::Word(word) => self.word(word),
            _ => self.literal_node(),
        }
    }

    fn literal_node(&mut self) -> Result<Node> {
        let at = self.token.at;
        match &self.token.tok {
            Tok::Int(_) | Tok::Float(_) | Tok::Str(_) => {
                let literal = self.literal()?;
                self.node(at, 0, Kind::Literal(literal))
            }
            Tok::Sign("{") => Err(Fault::not_built(at, "a template variable {...}")),
            Tok::Sign("$") => Err(Fault::not_built(at, "the element $ of a struct array")),
            Tok::Sign("[") => {
                Err(Fault::new(at, "expected a value, found a list, which stands only after in,"))
            }
            other => Err(Fault::new(at, format!("expected a value, found {}", shown(other)))),
        }
    }

    /// The literal at hand; the caller has seen that there is one.
    pub(super) fn literal(&mut self) -> Result<Literal> {
        let at = self.token.at;
        match self.advance()? {
            Tok::Int(value) => i64::try_from(value)
                .map(|value| Literal::Number(Number::Int(value)))
                .map_err(|_| Fault::new(at, format!("the number {value} does not fit int64"))),
            Tok::Float(value) => Ok(Literal::Number(Number::Float(value))),
            Tok::Str(text) => Ok(Literal::Str(text)),
            other => Err(Fault::new(at, format!("expected a literal, found {}", shown(&other)))),
        }
    }

    pub(super) fn number(&mut self, at: usize, value: i64) -> Result<Node> {
        self.node(at, 0, Kind::Literal(Literal::Number(Number::Int(value))))
    }

    fn word(&mut self, word: &str) -> Result<Node> {
        let at = self.token.at;
        match word {
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => {
                self.advance()?;
                let value = word.eq_ignore_ascii_case("true");
                return self.node(at, 0, Kind::Literal(Literal::Bool(value)));
            }
            "exists" | "EXISTS" => {
                self.advance()?;
                let operand = self.path("exists")?;
                return self.node(at, operand.height, Kind::Exists(Box::new(operand)));
            }
            "and" | "AND" | "or" | "OR" | "in" | "IN" | "like" | "LIKE" => {
                return Err(Fault::new(at, format!("expected a value, found {word:?}")));
            }
            _ => {}
        }
        let second = self.peek_second()?;
        match (word, second.tok) {
            (_, Tok::Sign("(")) => return self.function(word, at),
            ("iso" | "ISO" | "interval" | "INTERVAL", Tok::Str(_)) => {
                return Err(Fault::not_built(at, format!("{word} (timestamptz)")));
            }
            _ => {}
        }
        let name = self.name(word, at)?;
        self.null_test(name)
    }

    fn name(&mut self, word: &str, at: usize) -> Result<Node> {
        self.advance()?;
        let steps = self.path_steps(word)?;
        self.node(at, 0, Kind::Name(Name { name: word.to_owned(), steps }))
    }

    /// A path where nothing else may stand.
    pub(super) fn path(&mut self, owner: &str) -> Result<Node> {
        let at = self.token.at;
        match self.token.tok {
            Tok::Word(word) => self.name(word, at),
            ref other => {
                Err(Fault::new(at, format!("expected a JSON path for {owner}, found {}", shown(other))))
            }
        }
    }

    /// `["key"][0]...` behind a name.
    fn path_steps(&mut self, name: &str) -> Result<Vec<String>> {
        let mut steps = Vec::new();
        while self.token.tok == Tok::Sign("[") {
            self.advance()?;
            let at = self.token.at;
            match self.advance()? {
                Tok::Str(key) => steps.push(key),
                Tok::Int(index) => steps.push(index.to_string()),
                Tok::Word(_) => {
                    return Err(Fault::not_built(at, format!("a sub-field of a struct array {name}[...]")));
                }
                other => {
                    let found = shown(&other);
                    return Err(Fault::new(
                        at,
                        format!("expected a key in quotes or an index, found {found}"),
                    ));
                }
            }
            self.expect_sign("]", "to close the key")?;
            // A path costs like the operators it stands for.
            self.nodes += 1;
        }
        Ok(steps)
    }

    /// `is null` and `is not null` behind a name. Not keywords elsewhere, as in Milvus.
    fn null_test(&mut self, name: Node) -> Result<Node> {
        if !matches!(self.token.tok, Tok::Word("is" | "IS")) {
            return Ok(name);
        }
        let at = self.token.at;
        self.advance()?;
        let is_inverted = matches!(self.token.tok, Tok::Word("not" | "NOT"));
        if is_inverted {
            self.advance()?;
        }
        if !matches!(self.token.tok, Tok::Word("null" | "NULL")) {
            let found = shown(&self.token.tok);
            return Err(Fault::new(self.token.at, format!("expected null after is, found {found}")));
        }
        self.advance()?;
        self.node(at, name.height, Kind::IsNull { value: Box::new(name), is_inverted })
    }
}
