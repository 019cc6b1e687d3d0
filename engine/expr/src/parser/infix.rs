//! The operators that stand between two operands.

use super::{Parser, shown};
use crate::ast::CompareOp;
use crate::fault::{Fault, Result};
use crate::lexer::Tok;
use crate::number::ArithOp;

/// How tightly the operators bind.
pub(super) mod level {
    pub(in crate::parser) const OR: u8 = 1;
    pub(in crate::parser) const AND: u8 = 2;
    pub(in crate::parser) const NOT: u8 = 3;
    pub(in crate::parser) const EQUALITY: u8 = 4;
    pub(in crate::parser) const RELATION: u8 = 5;
    pub(in crate::parser) const IN: u8 = 6;
    pub(in crate::parser) const ADD: u8 = 7;
    pub(in crate::parser) const MUL: u8 = 8;
    pub(in crate::parser) const POW: u8 = 9;
    pub(in crate::parser) const LIKE: u8 = 10;
}

/// Operators between two operands.
#[derive(Clone, Copy)]
pub(super) enum Infix {
    Or,
    And,
    Compare(CompareOp),
    In,
    NotIn,
    Arith(ArithOp),
    Like,
}

impl Infix {
    pub(super) fn level(self) -> u8 {
        match self {
            Infix::Or => level::OR,
            Infix::And => level::AND,
            Infix::Compare(op) if op.is_equality() => level::EQUALITY,
            Infix::Compare(_) => level::RELATION,
            Infix::In | Infix::NotIn => level::IN,
            Infix::Arith(ArithOp::Add | ArithOp::Sub) => level::ADD,
            Infix::Arith(ArithOp::Mul | ArithOp::Div | ArithOp::Mod) => level::MUL,
            Infix::Arith(ArithOp::Pow) => level::POW,
            Infix::Like => level::LIKE,
        }
    }
}

impl Parser<'_> {
    /// The operator at hand, if it is one. `not` counts only before `in`.
    pub(super) fn peek_infix(&self) -> Result<Option<Infix>> {
        let infix = match &self.token.tok {
            Tok::Word("or" | "OR") | Tok::Sign("||") => Infix::Or,
            Tok::Word("and" | "AND") | Tok::Sign("&&") => Infix::And,
            Tok::Word("in" | "IN") => Infix::In,
            Tok::Word("like" | "LIKE") => Infix::Like,
            Tok::Word("not" | "NOT") => {
                let after = self.peek_second()?;
                if !matches!(after.tok, Tok::Word("in" | "IN")) {
                    return Err(Fault::new(
                        after.at,
                        format!("expected in after not, found {}", shown(&after.tok)),
                    ));
                }
                Infix::NotIn
            }
            Tok::Sign(sign) => return infix_sign(sign, self.token.at),
            _ => return Ok(None),
        };
        Ok(Some(infix))
    }
}

pub(super) fn bit_operator<T>(sign: &str, at: usize) -> Result<T> {
    Err(Fault::not_built(at, format!("the bit operator {sign}")))
}

fn infix_sign(sign: &str, at: usize) -> Result<Option<Infix>> {
    Ok(Some(match sign {
        "==" => Infix::Compare(CompareOp::Eq),
        "!=" => Infix::Compare(CompareOp::Ne),
        "<" => Infix::Compare(CompareOp::Lt),
        "<=" => Infix::Compare(CompareOp::Le),
        ">" => Infix::Compare(CompareOp::Gt),
        ">=" => Infix::Compare(CompareOp::Ge),
        "+" => Infix::Arith(ArithOp::Add),
        "-" => Infix::Arith(ArithOp::Sub),
        "*" => Infix::Arith(ArithOp::Mul),
        "/" => Infix::Arith(ArithOp::Div),
        "%" => Infix::Arith(ArithOp::Mod),
        "**" => Infix::Arith(ArithOp::Pow),
        "=~" | "!~" => return Err(Fault::not_built(at, format!("the regular expression operator {sign}"))),
        "&" | "|" | "^" | "<<" | ">>" => return bit_operator(sign, at),
        _ => return Ok(None),
    }))
}
