//! The query vectors of a search: checked against the field, cut into single ones, made ready.

use super::SearchPlan;
use crate::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;
use vecraft_kernel::{PackedQuery, Query, widened};
use vecraft_types::{CollectionSchema, FieldId, Metric, Packed, QueryVectors};

/// Query vectors that fit the field and its metric.
pub(super) struct Queries<'a> {
    field: FieldId,
    metric: Metric,
    vectors: Vectors<'a>,
}

enum Vectors<'a> {
    Float(Vec<&'a [f32]>),
    Packed { kind: Packed, rows: Vec<&'a [u8]> },
}

/// Some of them, ready to be compared with rows.
pub(super) enum Ready<'a> {
    Float(Vec<Query<'a>>),
    Packed(Vec<PackedQuery>),
}

impl<'a> Queries<'a> {
    /// The vectors of a plan.
    ///
    /// # Errors
    /// The field is no vector field, holds vectors of another type, or its type has no such metric; the vectors are not
    /// whole ones.
    pub(super) fn read(schema: &CollectionSchema, plan: &SearchPlan<'a>) -> Result<Queries<'a>> {
        let wrong = |what: String| Err(Error::Field { field: plan.field, what });
        let field = schema.field_by_id(plan.field);
        let Some((field, dim)) = field.and_then(|field| Some((field, field.data_type.dim()?))) else {
            return wrong("is no vector field of the schema".to_owned());
        };
        let kind = field.data_type.packed().map(|(kind, _)| kind);
        if plan.queries.packed() != kind {
            return wrong(format!("is {}, not {}", field.data_type.name(), plan.queries.type_name()));
        }
        if !field.data_type.metrics().contains(&plan.metric) {
            return wrong(format!("is not compared by {}", plan.metric.name()));
        }
        let whole = plan.queries.count(dim);
        let (Some(_), dim) = (whole, dim as usize) else {
            let got = plan.queries.bytes() / size_of::<f32>();
            return Err(Error::Dimension { expected: dim as usize, got });
        };
        let vectors = match plan.queries {
            QueryVectors::Float(values) => Vectors::Float(values.chunks_exact(dim).collect()),
            QueryVectors::Packed { kind, bytes } => {
                let rows = bytes.chunks_exact(kind.row_bytes(dim as u32)).collect();
                Vectors::Packed { kind: *kind, rows }
            }
        };
        Ok(Queries { field: plan.field, metric: plan.metric, vectors })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.vectors {
            Vectors::Float(rows) => rows.len(),
            Vectors::Packed { rows, .. } => rows.len(),
        }
    }

    /// Their bytes, together.
    pub(super) fn bytes(&self) -> usize {
        match &self.vectors {
            Vectors::Float(rows) => rows.iter().map(|row| size_of_val(*row)).sum(),
            Vectors::Packed { rows, .. } => rows.iter().map(|row| row.len()).sum(),
        }
    }

    /// One of them.
    pub(super) fn only(&self, number: usize) -> Queries<'a> {
        self.those(&[number])
    }

    /// Some of them, in this order.
    pub(super) fn those(&self, numbers: &[usize]) -> Queries<'a> {
        let vectors = match &self.vectors {
            Vectors::Float(rows) => Vectors::Float(numbers.iter().map(|number| rows[*number]).collect()),
            Vectors::Packed { kind, rows } => {
                Vectors::Packed { kind: *kind, rows: numbers.iter().map(|number| rows[*number]).collect() }
            }
        };
        Queries { field: self.field, metric: self.metric, vectors }
    }

    /// Their numbers, at most `size` at a time.
    pub(super) fn groups(&self, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let len = self.len();
        (0..len).step_by(size).map(move |first| first..(first + size).min(len))
    }

    /// Those of these numbers, made ready.
    ///
    /// # Errors
    /// Vectors longer than any schema allows.
    pub(super) fn ready(&self, group: Range<usize>) -> Result<Ready<'_>> {
        Ok(match &self.vectors {
            Vectors::Float(rows) => {
                Ready::Float(rows[group].iter().map(|row| Query::new(self.metric, row)).collect())
            }
            Vectors::Packed { kind, rows } => {
                let too_long = || Error::Field { field: self.field, what: "has too long vectors".to_owned() };
                let ready = |row: &&[u8]| PackedQuery::new(self.metric, *kind, row).ok_or_else(too_long);
                Ready::Packed(rows[group].iter().map(ready).collect::<Result<_>>()?)
            }
        })
    }

    /// One of them, as indexes take it: as numbers, which those of bits are as well. One at a time, since a bit becomes
    /// four bytes (I21).
    pub(super) fn number(&self, number: usize) -> Cow<'a, [f32]> {
        match &self.vectors {
            Vectors::Float(rows) => Cow::Borrowed(rows[number]),
            Vectors::Packed { kind, rows } => Cow::Owned(widened(*kind, rows[number])),
        }
    }
}
