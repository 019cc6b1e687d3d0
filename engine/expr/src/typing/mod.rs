//! Tree to plan: names become columns and JSON paths, kinds are checked, `not` is pushed down to the tests.

mod compare;
mod scalar;
mod terms;

use crate::ast::{Kind, Literal, Node};
use crate::fault::{Fault, Result};
use crate::plan::{ColumnRef, PathRef, Plan, Test};
use vecraft_types::CollectionSchema;

pub(crate) use scalar::ValueKind;

/// Gathers what the plan refers to.
pub(crate) struct Typer<'s> {
    schema: &'s CollectionSchema,
    pub(crate) columns: Vec<ColumnRef>,
    pub(crate) paths: Vec<PathRef>,
}

impl<'s> Typer<'s> {
    pub(crate) fn new(schema: &'s CollectionSchema) -> Typer<'s> {
        Typer { schema, columns: Vec::new(), paths: Vec::new() }
    }

    /// The plan of a condition, or of its negation. The depth of the recursion is that of the tree, which is
    /// bounded.
    pub(crate) fn condition(&mut self, node: Node, is_negated: bool) -> Result<Plan> {
        let Node { at, kind, height } = node;
        match kind {
            Kind::Literal(Literal::Bool(value)) => Ok(Plan::Constant(value != is_negated)),
            Kind::Not(inner) => self.condition(*inner, !is_negated),
            Kind::And(parts) => self.connect(parts, is_negated, true),
            Kind::Or(parts) => self.connect(parts, is_negated, false),
            Kind::Compare { op, left, right } => self.compare(at, op, *left, *right, is_negated),
            Kind::Chain { ops, parts } => self.chain(at, ops, *parts, is_negated),
            Kind::In { value, items, is_inverted } => {
                self.membership(*value, items, is_negated != is_inverted)
            }
            Kind::Like { value, pattern, pattern_at } => self.like(*value, &pattern, pattern_at, is_negated),
            Kind::IsNull { value, is_inverted } => self.null_test(*value, is_negated != is_inverted),
            Kind::Exists(value) => self.exists(*value, is_negated),
            Kind::Contains { mode, value, items } => self.contains(mode, *value, items, is_negated),
            kind => self.bare(Node { at, kind, height }, is_negated),
        }
    }

    /// not (a and b) is (not a) or (not b), and the other way round; this holds with unknowns, too.
    fn connect(&mut self, parts: Vec<Node>, is_negated: bool, is_and: bool) -> Result<Plan> {
        let plans =
            parts.into_iter().map(|part| self.condition(part, is_negated)).collect::<Result<Vec<_>>>()?;
        Ok(if is_and != is_negated { Plan::and(plans) } else { Plan::or(plans) })
    }

    /// A value where a condition belongs: fine for a Bool column, nothing else.
    fn bare(&mut self, node: Node, is_negated: bool) -> Result<Plan> {
        let at = node.at;
        let value = self.scalar(node)?;
        if let crate::plan::Scalar::Column(slot) = value
            && self.kind(&value) == ValueKind::Bool
        {
            return Ok(Plan::Leaf { test: Test::Bool { slot }, is_negated });
        }
        let found = self.describe(&value);
        Err(Fault::new(at, format!("expected a condition such as a comparison, found {found}")))
    }
}
