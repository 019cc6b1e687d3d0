//! Comparisons: the frequent shapes get a test of their own, the rest is compared row by row.

use super::{Typer, ValueKind};
use crate::ast::{CompareOp, Literal, Node};
use crate::fault::{Fault, Result};
use crate::number::Number;
use crate::plan::{Plan, Scalar, Test};

impl Typer<'_> {
    pub(super) fn compare(
        &mut self,
        at: usize,
        op: CompareOp,
        left: Node,
        right: Node,
        is_negated: bool,
    ) -> Result<Plan> {
        let (left, right) = (self.scalar(left)?, self.scalar(right)?);
        self.comparison(at, op, left, right, is_negated)
    }

    /// `low < middle <= high` is `low < middle and middle <= high`.
    pub(super) fn chain(
        &mut self,
        at: usize,
        ops: [CompareOp; 2],
        parts: [Node; 3],
        is_negated: bool,
    ) -> Result<Plan> {
        let [first, middle, last] = parts;
        let (first, middle, last) = (self.scalar(first)?, self.scalar(middle)?, self.scalar(last)?);
        let low = self.comparison(at, ops[0], first, middle.clone(), is_negated)?;
        let high = self.comparison(at, ops[1], middle, last, is_negated)?;
        Ok(if is_negated { Plan::or(vec![low, high]) } else { Plan::and(vec![low, high]) })
    }

    fn comparison(
        &mut self,
        at: usize,
        op: CompareOp,
        left: Scalar,
        right: Scalar,
        is_negated: bool,
    ) -> Result<Plan> {
        self.check_kinds(at, op, &left, &right)?;
        let test = match (left, right) {
            (Scalar::Literal(left), Scalar::Literal(right)) => {
                return Ok(Plan::Constant(op.holds(order_literals(&left, &right)) != is_negated));
            }
            (Scalar::Literal(literal), value) => {
                return Ok(self.with_literal(op.mirrored(), value, literal, is_negated));
            }
            (value, Scalar::Literal(literal)) => return Ok(self.with_literal(op, value, literal, is_negated)),
            (left, right) => Test::Compare { op, left, right },
        };
        Ok(Plan::Leaf { test, is_negated })
    }

    fn check_kinds(&self, at: usize, op: CompareOp, left: &Scalar, right: &Scalar) -> Result<()> {
        let (left_kind, right_kind) = (self.kind(left), self.kind(right));
        if !left_kind.is_like(right_kind) {
            let (left, right) = (self.describe(left), self.describe(right));
            return Err(Fault::new(at, format!("cannot compare {left} with {right} by {:?}", op.symbol())));
        }
        let is_bool = left_kind == ValueKind::Bool || right_kind == ValueKind::Bool;
        if is_bool && !op.is_equality() {
            let message =
                format!("{:?} needs numbers or strings, Bool knows only \"==\" and \"!=\"", op.symbol());
            return Err(Fault::new(at, message));
        }
        Ok(())
    }

    /// `value op literal`, of kinds that can be compared.
    fn with_literal(&self, op: CompareOp, value: Scalar, literal: Literal, is_negated: bool) -> Plan {
        let kind = self.kind(&value);
        let test = match (value, literal) {
            (Scalar::Column(slot), Literal::Number(number)) if kind == ValueKind::Int => {
                let (low, high) = int_range(if op == CompareOp::Ne { CompareOp::Eq } else { op }, number);
                let is_negated = is_negated != (op == CompareOp::Ne);
                return Plan::Leaf { test: Test::IntRange { slot, low, high }, is_negated };
            }
            (Scalar::Column(slot), Literal::Number(number)) if kind == ValueKind::Float => {
                Test::FloatCompare { slot, op, value: number.to_f64() }
            }
            (Scalar::Column(slot), Literal::Str(value)) if kind == ValueKind::Str => {
                Test::StrCompare { slot, op, value }
            }
            (Scalar::Column(slot), Literal::Bool(value)) if kind == ValueKind::Bool => {
                let wants_false = (op == CompareOp::Eq) != value;
                return Plan::Leaf { test: Test::Bool { slot }, is_negated: is_negated != wants_false };
            }
            (value, literal) => Test::Compare { op, left: value, right: Scalar::Literal(literal) },
        };
        Plan::Leaf { test, is_negated }
    }
}

/// The integers `x` with `x op number`, both ends included; `(1, 0)` when there are none.
fn int_range(op: CompareOp, number: Number) -> (i64, i64) {
    // Casting a float to i128 saturates, and i128 is wide enough to step beyond i64.
    let (floor, ceil) = match number {
        Number::Int(v) => (i128::from(v), i128::from(v)),
        Number::Float(v) => (v.floor() as i128, v.ceil() as i128),
    };
    let (low, high) = match op {
        CompareOp::Eq | CompareOp::Ne => (ceil, floor),
        CompareOp::Lt => (i128::MIN, ceil.saturating_sub(1)),
        CompareOp::Le => (i128::MIN, floor),
        CompareOp::Gt => (floor.saturating_add(1), i128::MAX),
        CompareOp::Ge => (ceil, i128::MAX),
    };
    let (low, high) = (low.max(i128::from(i64::MIN)), high.min(i128::from(i64::MAX)));
    if low > high { (1, 0) } else { (low as i64, high as i64) }
}

fn order_literals(left: &Literal, right: &Literal) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Literal::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Literal::Number(a), Literal::Number(b)) => a.order(*b),
        (Literal::Str(a), Literal::Str(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
