//! A filter's plan in one short line.

use crate::Filter;
use crate::ast::Literal;
use crate::plan::{Plan, Scalar, Test};
use std::fmt::{self, Display, Formatter};

/// So many values of a set are shown.
const SHOWN_VALUES: usize = 3;

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.show(&self.plan, f)
    }
}

impl Filter {
    fn show(&self, plan: &Plan, f: &mut Formatter<'_>) -> fmt::Result {
        match plan {
            Plan::Constant(true) => f.write_str("all rows"),
            Plan::Constant(false) => f.write_str("no rows"),
            Plan::And(parts) => self.show_parts("and", parts, f),
            Plan::Or(parts) => self.show_parts("or", parts, f),
            Plan::Leaf { test, is_negated: false } => self.show_test(test, f),
            Plan::Leaf { test, is_negated: true } => {
                f.write_str("not ")?;
                self.show_test(test, f)
            }
        }
    }

    fn show_parts(&self, name: &str, parts: &[Plan], f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{name}(")?;
        for (i, part) in parts.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            self.show(part, f)?;
        }
        f.write_str(")")
    }

    fn show_test(&self, test: &Test, f: &mut Formatter<'_>) -> fmt::Result {
        let name = |slot: &usize| self.columns[*slot].name.as_str();
        match test {
            Test::ColumnIsNull { slot } => write!(f, "{} is null", name(slot)),
            Test::PathIsNull { path } => write!(f, "{} is null", self.paths[*path].shown),
            Test::Bool { slot } => write!(f, "{}", name(slot)),
            Test::IntRange { slot, low, high } if low > high => write!(f, "{} in nothing", name(slot)),
            Test::IntRange { slot, low, high } if low == high => write!(f, "{} == {low}", name(slot)),
            Test::IntRange { slot, low, high: i64::MAX } => write!(f, "{} >= {low}", name(slot)),
            Test::IntRange { slot, low: i64::MIN, high } => write!(f, "{} <= {high}", name(slot)),
            Test::IntRange { slot, low, high } => write!(f, "{low} <= {} <= {high}", name(slot)),
            Test::IntIn { slot, set } => show_set(f, name(slot), set.keys()),
            Test::FloatCompare { slot, op, value } => write!(f, "{} {} {value:?}", name(slot), op.symbol()),
            Test::FloatIn { slot, set } => show_set(f, name(slot), set.keys()),
            Test::StrCompare { slot, op, value } => write!(f, "{} {} {value:?}", name(slot), op.symbol()),
            Test::StrIn { slot, set } => show_set(f, name(slot), set.keys()),
            Test::Compare { op, left, right } => {
                self.show_scalar(left, f)?;
                write!(f, " {} ", op.symbol())?;
                self.show_scalar(right, f)
            }
            Test::In { value, set } => {
                self.show_scalar(value, f)?;
                write!(f, " in ({} values)", set.len())
            }
            Test::Like { value, pattern } => {
                self.show_scalar(value, f)?;
                write!(f, " like {pattern}")
            }
            Test::Contains { path, mode, items } => {
                write!(f, "{}({}, ", mode.function(), self.paths[*path].shown)?;
                items.iter().take(SHOWN_VALUES).try_for_each(|item| write!(f, "{item},"))?;
                write!(f, " {} values)", items.len())
            }
        }
    }

    fn show_scalar(&self, scalar: &Scalar, f: &mut Formatter<'_>) -> fmt::Result {
        match scalar {
            Scalar::Literal(Literal::Str(text)) => write!(f, "{text:?}"),
            Scalar::Literal(literal) => write!(f, "{literal}"),
            Scalar::Column(slot) => f.write_str(&self.columns[*slot].name),
            Scalar::Path(path) => f.write_str(&self.paths[*path].shown),
            Scalar::Negate(inner) => {
                f.write_str("-")?;
                self.show_scalar(inner, f)
            }
            Scalar::Arith { op, left, right } => {
                f.write_str("(")?;
                self.show_scalar(left, f)?;
                write!(f, " {} ", op.symbol())?;
                self.show_scalar(right, f)?;
                f.write_str(")")
            }
        }
    }
}

fn show_set<T: fmt::Debug>(f: &mut Formatter<'_>, name: &str, values: &[T]) -> fmt::Result {
    write!(f, "{name} in [")?;
    for (i, value) in values.iter().take(SHOWN_VALUES).enumerate() {
        write!(f, "{}{value:?}", if i == 0 { "" } else { ", " })?;
    }
    if values.len() > SHOWN_VALUES {
        write!(f, ", ... ({} values)", values.len())?;
    }
    f.write_str("]")
}
