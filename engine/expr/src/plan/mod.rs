//! The typed plan of a filter: what is looked at, what is compared, in which order.
//!
//! `not` does not appear in a plan. It is pushed down to the tests while typing, by the rules of three-valued
//! logic: not (a and b) = not a or not b. So evaluation asks one question only, "which rows are surely true",
//! and a test that is unknown for a row answers no whether it is negated or not.

mod merge;

use crate::ast::{CompareOp, ContainsMode, Literal};
use crate::like::Pattern;
use crate::number::ArithOp;
use crate::sets::{ConstSet, FloatSet, IntSet, StrSet};
use vecraft_types::DataType;
use vecraft_types::FieldId;

/// A column that the filter reads. Plans name columns by their place in the filter's list ("slot").
#[derive(Clone, Debug)]
pub(crate) struct ColumnRef {
    pub(crate) field: FieldId,
    pub(crate) name: String,
    pub(crate) data_type: DataType,
}

/// A place within the documents of a JSON column. Plans name paths by their place in the filter's list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PathRef {
    pub(crate) slot: usize,
    /// Keys of objects and indexes of arrays. Empty is the whole document.
    pub(crate) steps: Vec<String>,
    /// As the user wrote it.
    pub(crate) shown: String,
    /// Whether a test asks for the elements of a list.
    pub(crate) keeps_list: bool,
}

/// A value of a row.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    Literal(Literal),
    Column(usize),
    Path(usize),
    Negate(Box<Scalar>),
    Arith { op: ArithOp, left: Box<Scalar>, right: Box<Scalar> },
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// The same for every row.
    Constant(bool),
    /// Cheap parts first; each part sees only the rows that are still in.
    And(Vec<Plan>),
    /// Cheap parts first; each part sees only the rows that are not yet in.
    Or(Vec<Plan>),
    /// The rows for which the test is known, and true (or false, if negated).
    Leaf { test: Test, is_negated: bool },
}

/// One test of a row. Unknown where a value is null, missing, of another kind, or has no result.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Never unknown.
    ColumnIsNull {
        slot: usize,
    },
    /// Missing in the document, null in it, or the whole document is null. Never unknown.
    PathIsNull {
        path: usize,
    },
    Bool {
        slot: usize,
    },
    /// Every comparison of an integer column with a number is a range, both ends included; none when `low > high`.
    IntRange {
        slot: usize,
        low: i64,
        high: i64,
    },
    IntIn {
        slot: usize,
        set: IntSet,
    },
    /// The constant is rounded to the column's type, as the values were.
    FloatCompare {
        slot: usize,
        op: CompareOp,
        value: f64,
    },
    FloatIn {
        slot: usize,
        set: FloatSet,
    },
    StrCompare {
        slot: usize,
        op: CompareOp,
        value: String,
    },
    StrIn {
        slot: usize,
        set: StrSet,
    },
    /// The rest is looked at row by row.
    Compare {
        op: CompareOp,
        left: Scalar,
        right: Scalar,
    },
    In {
        value: Scalar,
        set: ConstSet,
    },
    Like {
        value: Scalar,
        pattern: Pattern,
    },
    Contains {
        path: usize,
        mode: ContainsMode,
        items: Vec<Literal>,
    },
}

impl Plan {
    /// All of them; constants disappear, nested `and` is opened, tests of one column are joined where that is
    /// possible, cheap parts come first.
    pub(crate) fn and(parts: Vec<Plan>) -> Plan {
        Plan::connect(parts, true)
    }

    /// One of them; likewise.
    pub(crate) fn or(parts: Vec<Plan>) -> Plan {
        Plan::connect(parts, false)
    }

    fn connect(parts: Vec<Plan>, is_and: bool) -> Plan {
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Plan::Constant(value) if value == is_and => {}
                Plan::Constant(value) => return Plan::Constant(value),
                Plan::And(inner) if is_and => kept.extend(inner),
                Plan::Or(inner) if !is_and => kept.extend(inner),
                part => kept.push(part),
            }
        }
        let mut kept = merge::merge(kept, is_and);
        kept.sort_by_key(Plan::cost);
        match kept.len() {
            0 => Plan::Constant(is_and),
            1 => kept.swap_remove(0),
            _ if is_and => Plan::And(kept),
            _ => Plan::Or(kept),
        }
    }

    /// A rough price per row: 0 a pass over bits, 1 over numbers, 2 over strings, 3 row by row, 4 with JSON.
    pub(crate) fn cost(&self) -> u8 {
        match self {
            Plan::Constant(_) => 0,
            Plan::And(parts) | Plan::Or(parts) => parts.iter().map(Plan::cost).max().unwrap_or(0),
            Plan::Leaf { test, .. } => test.cost(),
        }
    }
}

impl Test {
    fn cost(&self) -> u8 {
        match self {
            Test::ColumnIsNull { .. } => 0,
            Test::Bool { .. }
            | Test::IntRange { .. }
            | Test::IntIn { .. }
            | Test::FloatCompare { .. }
            | Test::FloatIn { .. } => 1,
            Test::StrCompare { .. } | Test::StrIn { .. } => 2,
            _ if self.paths().is_empty() => 3,
            _ => 4,
        }
    }

    /// The JSON paths that the test reads.
    pub(crate) fn paths(&self) -> Vec<usize> {
        let mut paths = Vec::new();
        match self {
            Test::PathIsNull { path } | Test::Contains { path, .. } => paths.push(*path),
            Test::Compare { left, right, .. } => {
                left.add_paths(&mut paths);
                right.add_paths(&mut paths);
            }
            Test::In { value, .. } | Test::Like { value, .. } => value.add_paths(&mut paths),
            _ => {}
        }
        paths
    }
}

impl Scalar {
    fn add_paths(&self, paths: &mut Vec<usize>) {
        match self {
            Scalar::Path(path) => paths.push(*path),
            Scalar::Negate(inner) => inner.add_paths(paths),
            Scalar::Arith { left, right, .. } => {
                left.add_paths(paths);
                right.add_paths(paths);
            }
            Scalar::Literal(_) | Scalar::Column(_) => {}
        }
    }
}
