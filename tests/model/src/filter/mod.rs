//! Random filters: a tree that is written as text for the server and evaluated row by row by the twin.
//!
//! It covers what an application writes: comparisons, ranges, lists, patterns, null tests, arithmetic with a constant,
//! paths into JSON and `$meta`, keys. The language itself has a twin of its own in `engine/expr`; here it meets deletes,
//! views, files and indexes.

mod eval;
mod make;

pub use make::{behind, by_keys, draw};

use std::fmt::{self, Display, Formatter};

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Lit {
    /// true, false
    Bool(bool),
    /// 7
    Int(i64),
    /// 0.5
    Float(f64),
    /// 'text'
    Text(String),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A field, by name and place.
    Field(String, usize),
    /// A path as written, the place of its JSON field, and its steps.
    Path(String, usize, Vec<String>),
    /// An integer field with a constant added (`+`), multiplied (`*`) or divided by (`%`).
    Arith(Box<Operand>, char, i64),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Cond {
    /// `a == 1`
    Compare(Operand, &'static str, Lit),
    /// `1 <= a < 5`
    Range(Lit, Operand, Lit),
    /// `a in [..]`, `a not in [..]`
    In(Operand, bool, Vec<Lit>),
    /// `a like 'x%'`
    Like(Operand, String),
    /// `a is null`, `a is not null`
    Null(Operand, bool),
    /// `exists a["b"]`
    Exists(Operand),
    /// `json_contains(a["b"], 1)`
    Contains(Operand, Lit),
    /// `not (..)`
    Not(Box<Cond>),
    /// `(..) and (..)`
    All(Vec<Cond>),
    /// `(..) or (..)`
    Any(Vec<Cond>),
}

impl Display for Lit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Lit::Bool(value) => write!(f, "{value}"),
            Lit::Int(value) => write!(f, "{value}"),
            Lit::Float(value) => write!(f, "{value:?}"),
            Lit::Text(text) => quoted(f, text),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Field(name, _) | Operand::Path(name, ..) => f.write_str(name),
            Operand::Arith(inner, op, by) => write!(f, "{inner} {op} {by}"),
        }
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = |is_inverted: &bool| if *is_inverted { "not " } else { "" };
        match self {
            Cond::Compare(operand, op, value) => write!(f, "{operand} {op} {value}"),
            Cond::Range(low, operand, high) => write!(f, "{low} <= {operand} < {high}"),
            Cond::In(operand, is_inverted, list) => {
                let list: Vec<String> = list.iter().map(Lit::to_string).collect();
                write!(f, "{operand} {}in [{}]", not(is_inverted), list.join(", "))
            }
            Cond::Like(operand, pattern) => {
                write!(f, "{operand} like ")?;
                quoted(f, pattern)
            }
            Cond::Null(operand, is_inverted) => write!(f, "{operand} is {}null", not(is_inverted)),
            Cond::Exists(path) => write!(f, "exists {path}"),
            Cond::Contains(path, value) => write!(f, "json_contains({path}, {value})"),
            Cond::Not(inner) => write!(f, "not ({inner})"),
            Cond::All(parts) => joined(f, parts, " and "),
            Cond::Any(parts) => joined(f, parts, " or "),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Cond], word: &str) -> fmt::Result {
    let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
    f.write_str(&parts.join(word))
}
