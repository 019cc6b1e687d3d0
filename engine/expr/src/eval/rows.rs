//! Tests that are answered row by row: arithmetic, columns against columns, JSON values.

use super::Chunk;
use super::json::Found;
use super::vector::{Ruled, select_rows};
use crate::ColumnValues;
use crate::ast::{ContainsMode, Literal};
use crate::number::Number;
use crate::plan::{Scalar, Test};
use crate::sets::Known;
use std::cmp::Ordering;
use vecraft_types::Bitmap;

impl Chunk<'_> {
    /// A bit for each live row that is surely in.
    pub(super) fn by_row(&self, test: &Test, is_negated: bool, alive: &Bitmap) -> Vec<u64> {
        select_rows(alive.words(), &Ruled::default(), |row| {
            self.holds(test, row).is_some_and(|holds| holds != is_negated)
        })
    }

    /// `None` is unknown.
    fn holds(&self, test: &Test, row: usize) -> Option<bool> {
        match test {
            Test::PathIsNull { path } => {
                Some(matches!(self.documents.get(*path, row), Found::Missing | Found::Null))
            }
            Test::Compare { op, left, right } => {
                let (left, right) = (self.value(left, row)?, self.value(right, row)?);
                order(left, right).map(|order| op.holds(order))
            }
            Test::In { value, set } => set.contains(self.value(value, row)?),
            Test::Like { value, pattern } => match self.value(value, row)? {
                Known::Str(text) => Some(pattern.matches(text)),
                Known::Bool(_) | Known::Number(_) => None,
            },
            Test::Contains { path, mode, items } => match self.documents.get(*path, row) {
                Found::List(elements) => Some(contains(elements, *mode, items)),
                _ => None,
            },
            // Tests of one column have been answered as a whole.
            _ => None,
        }
    }

    fn is_null(&self, slot: usize, row: usize) -> bool {
        self.valid(slot, row / 64) >> (row % 64) & 1 == 0
    }

    fn value<'v>(&'v self, scalar: &'v Scalar, row: usize) -> Option<Known<'v>> {
        match scalar {
            Scalar::Literal(literal) => Some(known(literal)),
            Scalar::Column(slot) => self.column_value(*slot, row),
            Scalar::Path(path) => match self.documents.get(*path, row) {
                Found::Value(literal) => Some(known(literal)),
                Found::Missing | Found::Null | Found::List(_) | Found::Object => None,
            },
            Scalar::Negate(inner) => self.number(inner, row)?.negate().map(Known::Number),
            Scalar::Arith { op, left, right } => {
                let (left, right) = (self.number(left, row)?, self.number(right, row)?);
                left.apply(*op, right).map(Known::Number)
            }
        }
    }

    fn number(&self, scalar: &Scalar, row: usize) -> Option<Number> {
        match self.value(scalar, row)? {
            Known::Number(number) => Some(number),
            Known::Bool(_) | Known::Str(_) => None,
        }
    }

    fn column_value(&self, slot: usize, row: usize) -> Option<Known<'_>> {
        if self.is_null(slot, row) {
            return None;
        }
        let int = |value: i64| Known::Number(Number::Int(value));
        let float = |value: f64| Known::Number(Number::Float(value));
        Some(match &self.views[slot].values {
            ColumnValues::Bool(v) => Known::Bool(v[row]),
            ColumnValues::Int8(v) => int(i64::from(v[row])),
            ColumnValues::Int16(v) => int(i64::from(v[row])),
            ColumnValues::Int32(v) => int(i64::from(v[row])),
            ColumnValues::Int64(v) => int(v[row]),
            ColumnValues::Float(v) => float(f64::from(v[row])),
            ColumnValues::Double(v) => float(v[row]),
            ColumnValues::VarChar(v) => Known::Str(v.value(row)),
            // Documents are read through paths only.
            ColumnValues::Json(_) => return None,
        })
    }
}

pub(super) fn known(literal: &Literal) -> Known<'_> {
    match literal {
        Literal::Bool(value) => Known::Bool(*value),
        Literal::Number(value) => Known::Number(*value),
        Literal::Str(value) => Known::Str(value),
    }
}

/// The order of two values; the outer `None` when their kinds differ, the inner for NaN.
fn order(left: Known<'_>, right: Known<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Known::Bool(a), Known::Bool(b)) => Some(Some(a.cmp(&b))),
        (Known::Number(a), Known::Number(b)) => Some(a.order(b)),
        (Known::Str(a), Known::Str(b)) => Some(Some(a.cmp(b))),
        _ => None,
    }
}

fn contains(elements: &[Found], mode: ContainsMode, items: &[Literal]) -> bool {
    let is_in = |item: &Literal| {
        elements.iter().any(|element| match element {
            Found::Value(value) => order(known(value), known(item)) == Some(Some(Ordering::Equal)),
            _ => false,
        })
    };
    match mode {
        ContainsMode::All => items.iter().all(is_in),
        ContainsMode::One | ContainsMode::Any => items.iter().any(is_in),
    }
}
