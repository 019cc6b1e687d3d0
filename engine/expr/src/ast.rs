//! The tree that the parser builds: what was written, not yet what it means.

use crate::number::{ArithOp, Number};
use std::cmp::Ordering;
use std::fmt;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Number(Number),
    Str(String),
}

/// An element of a list and the byte where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) at: u32,
    pub(crate) value: Literal,
}

/// A field or a key, with the steps of a JSON path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) steps: Vec<String>,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Which elements of a JSON array must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainsMode {
    One,
    All,
    Any,
}

/// A part of a filter and the byte where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    /// Levels of nodes down to the lowest leaf; at most [`crate::limits::DEPTH_MAX`].
    pub(crate) height: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    Name(Name),
    Negate(Box<Node>),
    Arith {
        op: ArithOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    Compare {
        op: CompareOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// `low < middle <= high`, or the other way down.
    Chain {
        ops: [CompareOp; 2],
        parts: Box<[Node; 3]>,
    },
    In {
        value: Box<Node>,
        items: Vec<Item>,
        is_inverted: bool,
    },
    Like {
        value: Box<Node>,
        pattern: String,
        pattern_at: usize,
    },
    IsNull {
        value: Box<Node>,
        is_inverted: bool,
    },
    Exists(Box<Node>),
    Contains {
        mode: ContainsMode,
        value: Box<Node>,
        items: Vec<Item>,
    },
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

impl CompareOp {
    /// As the user writes it.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            CompareOp::Eq => "==",
            CompareOp::Ne => "!=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
        }
    }

    /// The operator after the operands have changed places.
    pub(crate) fn mirrored(self) -> CompareOp {
        match self {
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::Le => CompareOp::Ge,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::Ge => CompareOp::Le,
            same => same,
        }
    }

    /// True for `==` and `!=`.
    pub(crate) fn is_equality(self) -> bool {
        matches!(self, CompareOp::Eq | CompareOp::Ne)
    }

    /// Whether the operator holds for operands in this order. `None` is NaN: unequal to everything.
    pub(crate) fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            CompareOp::Eq => order == Some(Ordering::Equal),
            CompareOp::Ne => order != Some(Ordering::Equal),
            CompareOp::Lt => order == Some(Ordering::Less),
            CompareOp::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            CompareOp::Gt => order == Some(Ordering::Greater),
            CompareOp::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl ContainsMode {
    /// The function's name.
    pub(crate) fn function(self) -> &'static str {
        match self {
            ContainsMode::One => "json_contains",
            ContainsMode::All => "json_contains_all",
            ContainsMode::Any => "json_contains_any",
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(v) => write!(f, "{v}"),
            Literal::Number(v) => write!(f, "{v}"),
            Literal::Str(v) => write!(f, "{v:?}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.steps.iter().try_for_each(|step| write!(f, "[{step:?}]"))
    }
}
