//! Text to tree, by precedence climbing.
//!
//! From loose to tight: `or`, `and`, `not`, `== !=`, `< <= > >=`, `in`, `+ -`, `* / %`, the sign, `**`, `like`.
//! That is Milvus's order but for `not`, which Milvus binds like a sign: there `not a == 1` is an error, here it
//! means `not (a == 1)`, and everything that Milvus accepts means the same.
//!
//! The recursion is bounded by [`DEPTH_MAX`], the tree by [`NODES_MAX`]: the text comes from the network.

mod functions;
mod infix;
mod lists;
mod primary;

use crate::ast::{CompareOp, Kind, Literal, Node};
use crate::fault::{Fault, Result};
use crate::lexer::{Lexer, Tok, Token};
use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::number::ArithOp;
use infix::{Infix, bit_operator, level};

/// Reads the whole text. `None` when there is nothing but white space.
pub(crate) fn parse(text: &str) -> Result<Option<Node>> {
    let mut lexer = Lexer::new(text);
    let first = lexer.next()?;
    if first.tok == Tok::End {
        return Ok(None);
    }
    let mut parser = Parser { lexer, token: first, depth: 0, nodes: 0 };
    let node = parser.expression(level::OR)?;
    parser.expect_end()?;
    Ok(Some(node))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that comes next.
    token: Token<'a>,
    depth: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep(self.token.at));
        }
        let mut left = self.prefix()?;
        while let Some(infix) = self.peek_infix()?
            && infix.level() >= least
        {
            let at = self.token.at;
            self.advance()?;
            left = self.infix(left, infix, at)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// Signs and `not`, which may stand many in a row.
    fn prefix(&mut self) -> Result<Node> {
        let at = self.token.at;
        match self.token.tok {
            Tok::Sign("!") | Tok::Word("not" | "NOT") => {
                self.advance()?;
                let operand = self.expression(level::NOT)?;
                self.negated(at, operand)
            }
            Tok::Sign(sign @ ("-" | "+")) => {
                self.advance()?;
                if sign == "-" && self.token.tok == Tok::Int(1 << 63) {
                    return self.smallest_int(at);
                }
                let operand = self.expression(level::POW)?;
                self.signed(at, operand, sign == "-")
            }
            Tok::Sign("~") => bit_operator("~", at),
            _ => self.primary(),
        }
    }

    fn negated(&mut self, at: usize, operand: Node) -> Result<Node> {
        self.node(at, operand.height, Kind::Not(Box::new(operand)))
    }

    /// -2^63, whose digits alone are no int64.
    fn smallest_int(&mut self, at: usize) -> Result<Node> {
        self.advance()?;
        self.number(at, i64::MIN)
    }

    fn signed(&mut self, at: usize, operand: Node, is_negative: bool) -> Result<Node> {
        match operand.kind {
            Kind::Literal(Literal::Number(number)) if is_negative => {
                let number =
                    number.negate().ok_or_else(|| Fault::new(at, "the number does not fit int64"))?;
                self.node(at, 0, Kind::Literal(Literal::Number(number)))
            }
            Kind::Literal(Literal::Number(_)) => Ok(operand),
            _ => {
                if is_negative {
                    return self.node(at, operand.height, Kind::Negate(Box::new(operand)));
                }
                // A plus sign changes nothing, but its operand must be a number all the same.
                let zero = self.number(at, 0)?;
                self.arithmetic(zero, ArithOp::Add, at, operand)
            }
        }
    }

    fn infix(&mut self, left: Node, infix: Infix, at: usize) -> Result<Node> {
        match infix {
            Infix::And | Infix::Or => {
                let right = self.expression(infix.level() + 1)?;
                self.connect(left, matches!(infix, Infix::And), right)
            }
            Infix::Compare(op) if op.is_equality() => {
                let right = self.expression(level::RELATION)?;
                let height = left.height.max(right.height);
                self.node(at, height, Kind::Compare { op, left: Box::new(left), right: Box::new(right) })
            }
            Infix::Compare(op) => self.relation(left, op, at),
            Infix::In | Infix::NotIn => {
                let is_inverted = matches!(infix, Infix::NotIn);
                if is_inverted {
                    self.advance()?;
                }
                let items = self.list("in")?;
                let height = left.height;
                self.node(at, height, Kind::In { value: Box::new(left), items, is_inverted })
            }
            Infix::Arith(op) => {
                let right = self.expression(infix.level() + 1)?;
                self.arithmetic(left, op, at, right)
            }
            Infix::Like => {
                let pattern_at = self.token.at;
                let Tok::Str(pattern) = self.advance()? else {
                    return Err(Fault::new(pattern_at, "expected a string, the pattern of like,"));
                };
                let height = left.height;
                self.node(at, height, Kind::Like { value: Box::new(left), pattern, pattern_at })
            }
        }
    }

    /// `a < b`, or `a < b < c` with both signs in the same direction.
    fn relation(&mut self, left: Node, op: CompareOp, at: usize) -> Result<Node> {
        let middle = self.expression(level::IN)?;
        let Some(Infix::Compare(second)) = self.peek_infix()? else {
            let height = left.height.max(middle.height);
            return self.node(
                at,
                height,
                Kind::Compare { op, left: Box::new(left), right: Box::new(middle) },
            );
        };
        if second.is_equality() {
            let height = left.height.max(middle.height);
            return self.node(
                at,
                height,
                Kind::Compare { op, left: Box::new(left), right: Box::new(middle) },
            );
        }
        let is_upward = |op| matches!(op, CompareOp::Lt | CompareOp::Le);
        if is_upward(op) != is_upward(second) {
            let message =
                format!("a range points one way, so {:?} cannot follow {:?}", second.symbol(), op.symbol());
            return Err(Fault::new(self.token.at, message));
        }
        self.advance()?;
        let right = self.expression(level::IN)?;
        if let Some(Infix::Compare(third)) = self.peek_infix()? {
            let message = format!("a range has two comparisons, {:?} is one too many", third.symbol());
            return Err(Fault::new(self.token.at, message));
        }
        let height = left.height.max(middle.height).max(right.height);
        self.node(at, height, Kind::Chain { ops: [op, second], parts: Box::new([left, middle, right]) })
    }

    /// `and` and `or`. Chains become one flat node, so that a thousand of them are not a thousand levels.
    fn connect(&mut self, left: Node, is_and: bool, right: Node) -> Result<Node> {
        let at = left.at;
        let height = (left.height - usize::from(is_chain(&left, is_and))).max(right.height);
        let mut parts = match left.kind {
            Kind::And(parts) if is_and => parts,
            Kind::Or(parts) if !is_and => parts,
            kind => vec![Node { kind, ..left }],
        };
        parts.push(right);
        self.node(at, height, if is_and { Kind::And(parts) } else { Kind::Or(parts) })
    }

    /// Constants are calculated here, so that `-1` and `2 ** 10` are as good as literals.
    fn arithmetic(&mut self, left: Node, op: ArithOp, at: usize, right: Node) -> Result<Node> {
        if let (Kind::Literal(Literal::Number(a)), Kind::Literal(Literal::Number(b))) =
            (&left.kind, &right.kind)
        {
            let Some(value) = a.apply(op, *b) else {
                let message = format!(
                    "{a} {} {b} has no result (overflow, division by zero or % of floats)",
                    op.symbol()
                );
                return Err(Fault::new(at, message));
            };
            return self.node(left.at, 0, Kind::Literal(Literal::Number(value)));
        }
        let height = left.height.max(right.height);
        self.node(at, height, Kind::Arith { op, left: Box::new(left), right: Box::new(right) })
    }

    fn peek_second(&self) -> Result<Token<'a>> {
        let mut ahead = self.lexer;
        ahead.next()
    }

    /// Steps to the next token and returns what the current one was.
    fn advance(&mut self) -> Result<Tok<'a>> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next).tok)
    }

    fn expect_sign(&mut self, sign: &'static str, purpose: &str) -> Result<()> {
        if self.token.tok != Tok::Sign(sign) {
            let found = shown(&self.token.tok);
            return Err(Fault::new(self.token.at, format!("expected {sign:?} {purpose}, found {found}")));
        }
        self.advance().map(|_| ())
    }

    fn expect_end(&self) -> Result<()> {
        let hint = match &self.token.tok {
            Tok::End => return Ok(()),
            Tok::Sign("=") => " (equality is written ==)",
            Tok::Word(word) if is_mixed_keyword(word) => " (keywords are written in lower or in upper case)",
            _ => "",
        };
        let found = shown(&self.token.tok);
        Err(Fault::new(
            self.token.at,
            format!("expected an operator or the end of the filter, found {found}{hint}"),
        ))
    }

    /// A node above children of this height (0 for a leaf), if the limits allow.
    fn node(&mut self, at: usize, height: usize, kind: Kind) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!(
                "the filter has more than {NODES_MAX} operators and operands; use in [...] for many values,"
            );
            return Err(Fault::new(at, message));
        }
        if height >= DEPTH_MAX {
            return Err(too_deep(at));
        }
        Ok(Node { at, height: height + 1, kind })
    }
}

fn is_chain(node: &Node, is_and: bool) -> bool {
    matches!((&node.kind, is_and), (Kind::And(_), true) | (Kind::Or(_), false))
}

fn too_deep(at: usize) -> Fault {
    Fault::new(at, format!("the filter is nested deeper than {DEPTH_MAX} levels"))
}

fn is_mixed_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "like", "is", "exists"];
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// A token as messages show it.
fn shown(tok: &Tok<'_>) -> String {
    match tok {
        Tok::Word(word) => format!("{:?}", cut(word)),
        Tok::Int(value) => value.to_string(),
        Tok::Float(value) => format!("{value:?}"),
        Tok::Str(text) => format!("the string {:?}", cut(text)),
        Tok::Sign(sign) => format!("{sign:?}"),
        Tok::End => "the end".to_owned(),
    }
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
