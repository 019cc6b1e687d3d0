//! Values: names are looked up in the schema, arithmetic is checked.

use super::Typer;
use crate::ast::{Kind, Literal, Name, Node};
use crate::fault::{Fault, Result};
use crate::limits::PATH_STEPS_MAX;
use crate::number::{ArithOp, Number};
use crate::plan::{ColumnRef, PathRef, Scalar};
use vecraft_types::limits::META_FIELD;
use vecraft_types::{DataType, FieldSchema};

/// What is known about a value before any row is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Bool,
    Int,
    Float,
    Str,
    /// Known row by row.
    Json,
}

impl ValueKind {
    pub(crate) fn is_number(self) -> bool {
        matches!(self, ValueKind::Int | ValueKind::Float)
    }

    /// Whether values of the two kinds can be compared.
    pub(crate) fn is_like(self, other: ValueKind) -> bool {
        self == other
            || self == ValueKind::Json
            || other == ValueKind::Json
            || self.is_number() && other.is_number()
    }

    /// Of a literal.
    pub(crate) fn of(literal: &Literal) -> ValueKind {
        match literal {
            Literal::Bool(_) => ValueKind::Bool,
            Literal::Number(Number::Int(_)) => ValueKind::Int,
            Literal::Number(Number::Float(_)) => ValueKind::Float,
            Literal::Str(_) => ValueKind::Str,
        }
    }
}

impl Typer<'_> {
    /// The value that a node stands for.
    pub(crate) fn scalar(&mut self, node: Node) -> Result<Scalar> {
        match node.kind {
            Kind::Literal(literal) => Ok(Scalar::Literal(literal)),
            Kind::Name(name) => self.resolve(name, node.at),
            Kind::Negate(inner) => {
                let at = inner.at;
                let inner = self.scalar(*inner)?;
                self.check_number(&inner, "-", at)?;
                Ok(Scalar::Negate(Box::new(inner)))
            }
            Kind::Arith { op, left, right } => {
                let (left_at, right_at) = (left.at, right.at);
                let (left, right) = (self.scalar(*left)?, self.scalar(*right)?);
                self.check_number(&left, op.symbol(), left_at)?;
                self.check_number(&right, op.symbol(), right_at)?;
                if op == ArithOp::Mod {
                    self.check_integer(&left, left_at)?;
                    self.check_integer(&right, right_at)?;
                }
                Ok(Scalar::Arith { op, left: Box::new(left), right: Box::new(right) })
            }
            _ => Err(Fault::new(node.at, "expected a value, found a condition")),
        }
    }

    fn check_number(&self, value: &Scalar, symbol: &str, at: usize) -> Result<()> {
        let kind = self.kind(value);
        if kind.is_number() || kind == ValueKind::Json {
            return Ok(());
        }
        Err(Fault::new(at, format!("{symbol:?} needs numbers, found {}", self.describe(value))))
    }

    fn check_integer(&self, value: &Scalar, at: usize) -> Result<()> {
        if self.kind(value) == ValueKind::Float {
            return Err(Fault::new(at, format!("\"%\" needs integers, found {}", self.describe(value))));
        }
        Ok(())
    }

    /// A column, or a path into a JSON column. A name that the schema does not have is a dynamic key.
    fn resolve(&mut self, name: Name, at: usize) -> Result<Scalar> {
        let shown = name.to_string();
        let Name { name, mut steps } = name;
        if steps.len() > PATH_STEPS_MAX {
            let message = format!("the path has {} keys, at most {PATH_STEPS_MAX} are allowed", steps.len());
            return Err(Fault::new(at, message));
        }
        let schema = self.schema;
        if let Some(field) = schema.field(&name).filter(|field| !field.is_dynamic) {
            if field.data_type.is_vector() {
                let message =
                    format!("{name} is a {}, and vectors cannot be filtered", field.data_type.name());
                return Err(Fault::new(at, message).with_field(&name));
            }
            if field.data_type == DataType::Json {
                return Ok(self.path(field, steps, shown));
            }
            if !steps.is_empty() {
                let type_name = field.data_type.name();
                let message = format!("only JSON fields have keys, {name} is {type_name}: {shown} is wrong");
                return Err(Fault::new(at, message).with_field(&name));
            }
            return Ok(Scalar::Column(self.slot(field)));
        }
        let Some(dynamic) = schema.dynamic_field() else {
            return Err(self.unknown(&name, at));
        };
        if name != META_FIELD {
            steps.insert(0, name);
        } else if steps.is_empty() {
            return Err(Fault::new(at, "$meta needs a key: $meta[\"key\"],"));
        }
        Ok(self.path(dynamic, steps, shown))
    }

    fn unknown(&self, name: &str, at: usize) -> Fault {
        if name == META_FIELD {
            return Fault::new(at, "the collection has no dynamic field, so there is no $meta");
        }
        let closest = self
            .schema
            .fields
            .iter()
            .map(|field| (strsim::damerau_levenshtein(&field.name, name), field))
            .filter(|(distance, field)| *distance * 3 <= field.name.len().max(3))
            .min_by_key(|(distance, _)| *distance);
        let hint = closest.map(|(_, field)| format!(", did you mean {:?}?", field.name)).unwrap_or_default();
        Fault::new(at, format!("there is no field {name:?}{hint}")).with_field(name)
    }

    fn slot(&mut self, field: &FieldSchema) -> usize {
        if let Some(slot) = self.columns.iter().position(|column| column.field == field.id) {
            return slot;
        }
        self.columns.push(ColumnRef {
            field: field.id,
            name: field.name.clone(),
            data_type: field.data_type,
        });
        self.columns.len() - 1
    }

    fn path(&mut self, field: &FieldSchema, steps: Vec<String>, shown: String) -> Scalar {
        let path = PathRef { slot: self.slot(field), steps, shown, keeps_list: false };
        let same = |other: &PathRef| other.slot == path.slot && other.steps == path.steps;
        if let Some(known) = self.paths.iter().position(same) {
            return Scalar::Path(known);
        }
        self.paths.push(path);
        Scalar::Path(self.paths.len() - 1)
    }

    /// What is known about a value.
    pub(super) fn kind(&self, value: &Scalar) -> ValueKind {
        match value {
            Scalar::Literal(literal) => ValueKind::of(literal),
            Scalar::Column(slot) => match self.columns[*slot].data_type {
                DataType::Bool => ValueKind::Bool,
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ValueKind::Int,
                DataType::Float | DataType::Double => ValueKind::Float,
                // No filter reads a vector: columns of them are refused by name.
                DataType::FloatVector { .. }
                | DataType::BinaryVector { .. }
                | DataType::Float16Vector { .. }
                | DataType::BFloat16Vector { .. }
                | DataType::Int8Vector { .. } => ValueKind::Float,
                DataType::VarChar { .. } => ValueKind::Str,
                DataType::Json => ValueKind::Json,
            },
            Scalar::Path(_) => ValueKind::Json,
            Scalar::Negate(inner) => self.kind(inner),
            Scalar::Arith { left, right, .. } => match (self.kind(left), self.kind(right)) {
                (ValueKind::Float, _) | (_, ValueKind::Float) => ValueKind::Float,
                (ValueKind::Int, ValueKind::Int) => ValueKind::Int,
                _ => ValueKind::Json,
            },
        }
    }

    /// A value as messages show it: with its type.
    pub(super) fn describe(&self, value: &Scalar) -> String {
        match value {
            Scalar::Literal(Literal::Bool(value)) => format!("the Bool {value}"),
            Scalar::Literal(Literal::Number(Number::Int(value))) => format!("the integer {value}"),
            Scalar::Literal(Literal::Number(Number::Float(value))) => format!("the float {value:?}"),
            Scalar::Literal(Literal::Str(text)) => {
                let cut: String = text.chars().take(40).collect();
                format!("the string {cut:?}{}", if cut.len() < text.len() { "..." } else { "" })
            }
            Scalar::Column(slot) => {
                let column = &self.columns[*slot];
                format!("the {} field {}", column.data_type.name(), column.name)
            }
            Scalar::Path(path) => format!("the JSON value {}", self.paths[*path].shown),
            Scalar::Negate(_) | Scalar::Arith { .. } => "a calculated number".to_owned(),
        }
    }
}
