//! Conditions as the twin knows them: a tree, and how it is written.
//! (Tests of indexes include this file, too.)

use std::fmt::{self, Display, Formatter};

/// A value as the twin knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
}

/// A value's origin.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Lit(Val),
    Column(&'static str),
    /// As written, the JSON column, and the pointer in RFC 6901's form.
    Path(&'static str, &'static str, &'static str),
    Neg(Box<Expr>),
    Arith(&'static str, Box<Expr>, Box<Expr>),
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Cond {
    Const(bool),
    Flag,
    Compare(&'static str, Expr, Expr),
    Range(Val, &'static str, Expr, &'static str, Val),
    In(Expr, bool, Vec<Val>),
    Like(Expr, String),
    IsNull(Expr, bool),
    Exists(Expr),
    Contains(&'static str, Expr, Vec<Val>),
    Not(Box<Cond>),
    And(Vec<Cond>),
    Or(Vec<Cond>),
}

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Val::Bool(v) => write!(f, "{v}"),
            Val::Int(v) => write!(f, "{v}"),
            Val::Float(v) => write!(f, "{v:?}"),
            Val::Str(v) => write!(f, "'{}'", v.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Lit(v) => write!(f, "{v}"),
            Expr::Column(name) | Expr::Path(name, ..) => f.write_str(name),
            Expr::Neg(inner) => write!(f, "(-{inner})"),
            Expr::Arith(op, a, b) => write!(f, "({a} {op} {b})"),
        }
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Cond::Const(v) => write!(f, "{v}"),
            Cond::Flag => f.write_str("flag"),
            Cond::Compare(op, a, b) => write!(f, "{a} {op} {b}"),
            Cond::Range(low, first, middle, second, high) => {
                write!(f, "{low} {first} {middle} {second} {high}")
            }
            Cond::In(value, inverted, list) => {
                write!(f, "{value} {}in {}", if *inverted { "not " } else { "" }, Listed(list, ""))
            }
            Cond::Like(value, pattern) => write!(f, "{value} like {}", Val::Str(pattern.clone())),
            Cond::IsNull(value, inverted) => {
                write!(f, "{value} is {}null", if *inverted { "not " } else { "" })
            }
            Cond::Exists(value) => write!(f, "exists {value}"),
            Cond::Contains("json_contains", value, list) => write!(f, "json_contains({value}, {})", list[0]),
            Cond::Contains(name, value, list) => write!(f, "{name}({value}, {})", Listed(list, "")),
            Cond::Not(inner) => write!(f, "not ({inner})"),
            Cond::And(parts) => write!(f, "{}", Listed(parts, " and ")),
            Cond::Or(parts) => write!(f, "{}", Listed(parts, " or ")),
        }
    }
}

/// `[a, b]`, or `(a) and (b)` with a word between.
struct Listed<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Listed(parts, word) = self;
        if word.is_empty() {
            let parts = parts.iter().map(T::to_string).collect::<Vec<_>>();
            return write!(f, "[{}]", parts.join(", "));
        }
        let parts = parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>();
        f.write_str(&parts.join(word))
    }
}
