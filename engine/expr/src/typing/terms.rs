//! `in`, `like`, null tests, `exists` and `json_contains`.

use super::{Typer, ValueKind};
use crate::ast::{ContainsMode, Item, Literal, Node};
use crate::fault::{Fault, Result};
use crate::like::Pattern;
use crate::number::Number;
use crate::plan::{Plan, Scalar, Test};
use crate::sets::{ConstSet, FloatSet, IntSet, StrSet};
use vecraft_types::DataType;

impl Typer<'_> {
    pub(super) fn membership(&mut self, value: Node, items: Vec<Item>, is_negated: bool) -> Result<Plan> {
        let at = value.at;
        let value = self.scalar(value)?;
        if matches!(value, Scalar::Literal(_)) {
            let found = self.describe(&value);
            return Err(Fault::new(at, format!("expected a field before in, found {found}")));
        }
        let kind = self.kind(&value);
        if let Some(odd) = items.iter().find(|item| !kind.is_like(ValueKind::of(&item.value))) {
            let (value, item) = (self.describe(&value), self.describe(&Scalar::Literal(odd.value.clone())));
            return Err(Fault::new(odd.at as usize, format!("cannot look for {item} in {value}")));
        }
        let literals = items.into_iter().map(|item| item.value);
        let test = match (value, kind) {
            (Scalar::Column(slot), ValueKind::Int) => {
                // A float with a fraction equals no integer, so it is not in the set.
                let keys = numbers(literals).filter_map(Number::as_int).collect();
                Test::IntIn { slot, set: IntSet::new(keys) }
            }
            (Scalar::Column(slot), ValueKind::Float) => {
                let is_single = self.columns[slot].data_type == DataType::Float;
                let round = |v: f64| if is_single { f64::from(v as f32) } else { v };
                Test::FloatIn {
                    slot,
                    set: FloatSet::new(numbers(literals).map(|n| round(n.to_f64())).collect()),
                }
            }
            (Scalar::Column(slot), ValueKind::Str) => {
                let keys = literals.filter_map(|literal| match literal {
                    Literal::Str(text) => Some(text),
                    _ => None,
                });
                Test::StrIn { slot, set: StrSet::new(keys.collect()) }
            }
            (value, _) => Test::In { value, set: ConstSet::new(literals.collect()) },
        };
        Ok(Plan::Leaf { test, is_negated })
    }

    pub(super) fn like(
        &mut self,
        value: Node,
        pattern: &str,
        pattern_at: usize,
        is_negated: bool,
    ) -> Result<Plan> {
        let at = value.at;
        let value = self.scalar(value)?;
        if !matches!(value, Scalar::Column(_) | Scalar::Path(_)) || !self.kind(&value).is_like(ValueKind::Str)
        {
            let found = self.describe(&value);
            return Err(Fault::new(at, format!("like needs a VarChar field or a JSON value, found {found}")));
        }
        let pattern = Pattern::new(pattern).map_err(|message| Fault::new(pattern_at, message))?;
        Ok(Plan::Leaf { test: Test::Like { value, pattern }, is_negated })
    }

    pub(super) fn null_test(&mut self, value: Node, is_negated: bool) -> Result<Plan> {
        let at = value.at;
        let test = match self.scalar(value)? {
            Scalar::Column(slot) => Test::ColumnIsNull { slot },
            // The whole document is null when the column says so; a path also when the document lacks it.
            Scalar::Path(path) if self.paths[path].steps.is_empty() => {
                Test::ColumnIsNull { slot: self.paths[path].slot }
            }
            Scalar::Path(path) => Test::PathIsNull { path },
            other => {
                return Err(Fault::new(at, format!("expected a field, found {}", self.describe(&other))));
            }
        };
        Ok(Plan::Leaf { test, is_negated })
    }

    pub(super) fn exists(&mut self, value: Node, is_negated: bool) -> Result<Plan> {
        let at = value.at;
        match self.scalar(value)? {
            Scalar::Path(path) => Ok(Plan::Leaf { test: Test::PathIsNull { path }, is_negated: !is_negated }),
            other => {
                let found = self.describe(&other);
                Err(Fault::new(at, format!("exists needs a JSON path, found {found}")))
            }
        }
    }

    pub(super) fn contains(
        &mut self,
        mode: ContainsMode,
        value: Node,
        items: Vec<Item>,
        is_negated: bool,
    ) -> Result<Plan> {
        let at = value.at;
        match self.scalar(value)? {
            Scalar::Path(path) => {
                self.paths[path].keeps_list = true;
                let items = items.into_iter().map(|item| item.value).collect();
                Ok(Plan::Leaf { test: Test::Contains { path, mode, items }, is_negated })
            }
            other => {
                let found = self.describe(&other);
                Err(Fault::new(at, format!("{} needs a JSON path, found {found}", mode.function())))
            }
        }
    }
}

fn numbers(literals: impl Iterator<Item = Literal>) -> impl Iterator<Item = Number> {
    literals.filter_map(|literal| match literal {
        Literal::Number(number) => Some(number),
        Literal::Bool(_) | Literal::Str(_) => None,
    })
}
