//! The public face: parse once, evaluate chunk by chunk.

use crate::ast::CompareOp;
use crate::eval::Chunk;
use crate::fault::Fault;
use crate::limits::FILTER_BYTES_MAX;
use crate::plan::{ColumnRef, PathRef, Plan, Test};
use crate::typing::Typer;
use crate::{ColumnSource, parser};
use std::sync::Arc;
use vecraft_types::{Bitmap, CollectionSchema, Error, FieldId, PrimaryKey, Result};

/// A filter made for one version of one schema. Cheap to share, evaluated from many threads at once.
///
/// Its [`Display`](std::fmt::Display) form is the plan: a short line for logs and `explain`.
#[derive(Clone, Debug)]
pub struct Filter {
    pub(crate) plan: Plan,
    pub(crate) columns: Vec<ColumnRef>,
    pub(crate) paths: Vec<PathRef>,
    fields: Vec<FieldId>,
    primary: Option<FieldId>,
}

impl Filter {
    /// Reads a filter in Milvus's language. White space only means all rows.
    ///
    /// # Errors
    /// `InvalidParameter` that says what was expected, at which character (from 1), and shows the place; or that
    /// names the part of Milvus's language which is not built here.
    pub fn parse(text: &str, schema: &CollectionSchema) -> Result<Filter> {
        if text.len() > FILTER_BYTES_MAX {
            let len = text.len();
            return Err(Error::invalid(format!(
                "filter: it has {len} bytes, at most {FILTER_BYTES_MAX} are allowed"
            )));
        }
        Filter::plan(text, schema).map_err(|fault| fault.into_error(text))
    }

    fn plan(text: &str, schema: &CollectionSchema) -> std::result::Result<Filter, Fault> {
        let mut typer = Typer::new(schema);
        let plan = match parser::parse(text)? {
            Some(node) => typer.condition(node, false)?,
            None => Plan::Constant(true),
        };
        let Typer { columns, paths, .. } = typer;
        let fields = columns.iter().map(|column| column.field).collect();
        Ok(Filter { plan, columns, paths, fields, primary: schema.primary_field().map(|field| field.id) })
    }

    /// The fields that evaluation reads, each once, in order of appearance.
    pub fn fields(&self) -> &[FieldId] {
        &self.fields
    }

    /// True when every row matches whatever it holds: an empty filter, `true`, `1 < 2`.
    pub fn matches_all(&self) -> bool {
        matches!(self.plan, Plan::Constant(true))
    }

    /// The keys, ascending and each once, when the filter is `pk == key` or `pk in [keys]`, or some of these joined
    /// by `or`, and nothing else: then a look-up by key does the work of a scan.
    pub fn primary_keys(&self) -> Option<Vec<PrimaryKey>> {
        let Plan::Leaf { test, is_negated: false } = &self.plan else { return None };
        let is_primary = |slot: &usize| Some(self.columns[*slot].field) == self.primary;
        match test {
            Test::IntRange { slot, low, high } if is_primary(slot) && low == high => {
                Some(vec![PrimaryKey::Int64(*low)])
            }
            Test::IntIn { slot, set } if is_primary(slot) => {
                Some(set.keys().iter().copied().map(PrimaryKey::Int64).collect())
            }
            Test::StrCompare { slot, op: CompareOp::Eq, value } if is_primary(slot) => {
                Some(vec![PrimaryKey::VarChar(Arc::from(value.as_str()))])
            }
            Test::StrIn { slot, set } if is_primary(slot) => {
                Some(set.keys().iter().map(|key| PrimaryKey::VarChar(Arc::from(key.as_str()))).collect())
            }
            _ => None,
        }
    }

    /// The matching rows of a chunk of `rows` rows.
    ///
    /// # Errors
    /// `Internal` when a column of [`Filter::fields`] is not at hand, is too short or has another type.
    pub fn evaluate(&self, columns: &dyn ColumnSource, rows: usize) -> Result<Bitmap> {
        self.evaluate_within(columns, &Bitmap::new(rows, true))
    }

    /// The matching rows among those of `alive`, whose length is that of the chunk. Rows that are dead already
    /// (deleted, not visible) cost little, and their JSON is not parsed.
    ///
    /// # Errors
    /// As [`Filter::evaluate`].
    pub fn evaluate_within(&self, columns: &dyn ColumnSource, alive: &Bitmap) -> Result<Bitmap> {
        let mut chunk = Chunk::new(&self.columns, &self.paths, columns, alive.len())?;
        Ok(chunk.select(&self.plan, alive))
    }
}
