//! Which columns a read returns.

use crate::names::{field_not_found, primary_field};
use vecraft_types::api::NamedRows;
use vecraft_types::{CollectionSchema, Column, ColumnData, Error, FieldId, FieldSchema, Result, RowBatch};

/// The word that means all fields.
const ALL: &str = "*";

/// Refuses what can only be meant as an expression: taken as the name of a dynamic key it would bring nothing, silently.
fn check_dynamic_key(name: &str) -> Result<()> {
    if !name.contains(['[', ']', '(', ')', '"', '\'', '*']) {
        return Ok(());
    }
    let hint = match name {
        "count(*)" => "count(*) counts the rows of a query and stands alone there",
        _ => "name a field or a dynamic key; parts of JSON values are not supported by this version",
    };
    Err(Error::invalid(format!("output field {name:?} is an expression: {hint}")))
}

/// The columns of a reply.
#[derive(Debug, PartialEq)]
pub(crate) struct Output<'a> {
    /// The fields, each once, the primary key first.
    pub(crate) fields: Vec<&'a FieldSchema>,
    /// What was asked for, `*` spelled out; dynamic keys are in it by their own name.
    pub(crate) names: Vec<String>,
    /// The last field is for us: nobody asked for it.
    pub(crate) hides_last: bool,
}

impl<'a> Output<'a> {
    /// Reads a request's output fields: names, `*`, `$meta`, and keys of dynamic fields (which bring `$meta` along).
    pub(crate) fn resolve(schema: &'a CollectionSchema, asked: &[String]) -> Result<Output<'a>> {
        let mut output =
            Output { fields: vec![primary_field(schema)?], names: Vec::new(), hides_last: false };
        for name in asked {
            if name == ALL {
                schema.fields.iter().for_each(|field| output.add(field, &field.name));
            } else if let Some(field) = schema.field(name) {
                output.add(field, name);
            } else if let Some(dynamic) = schema.dynamic_field().filter(|_| !name.is_empty()) {
                check_dynamic_key(name)?;
                output.add(dynamic, name);
            } else {
                return Err(field_not_found(schema, name));
            }
        }
        Ok(output)
    }

    fn add(&mut self, field: &'a FieldSchema, name: &str) {
        if self.fields.iter().all(|known| known.id != field.id) {
            self.fields.push(field);
        }
        if self.names.iter().all(|known| known != name) {
            self.names.push(name.to_owned());
        }
    }

    /// A field that the answer is made with, whether asked for or not.
    pub(crate) fn also(&mut self, field: &'a FieldSchema) {
        if self.fields.iter().all(|known| known.id != field.id) {
            self.fields.push(field);
            self.hides_last = true;
        }
    }

    /// The ids to ask shards for.
    pub(crate) fn ids(&self) -> Vec<FieldId> {
        self.fields.iter().map(|field| field.id).collect()
    }

    /// The key's field.
    pub(crate) fn primary(&self) -> &'a FieldSchema {
        self.fields[0]
    }

    /// A shard's rows with exactly our columns in our order. A shard that leaves one out is broken, not merely
    /// short: half an answer is not an answer (P5).
    pub(crate) fn arrange(&self, mut rows: RowBatch) -> Result<RowBatch> {
        if rows.rows == 0 {
            return Ok(self.empty());
        }
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let at = rows.columns.iter().position(|column| column.field == field.id);
            let Some(at) = at else {
                return Err(Error::internal("a shard's reply lacks a column").with("field", &field.name));
            };
            columns.push(rows.columns.swap_remove(at));
        }
        RowBatch::new(columns).ok_or_else(|| Error::internal("columns of a shard's reply differ in length"))
    }

    /// No rows, with all columns.
    pub(crate) fn empty(&self) -> RowBatch {
        let column = |field: &&FieldSchema| Column::new(field.id, ColumnData::empty(&field.data_type));
        RowBatch { rows: 0, columns: self.fields.iter().map(column).collect() }
    }

    /// Gives the columns their names, and leaves out what nobody asked for.
    pub(crate) fn name(&self, mut rows: RowBatch) -> Result<NamedRows> {
        if self.hides_last {
            rows.columns.pop();
        }
        let names = self.fields.iter().map(|field| field.name.clone());
        NamedRows::new(names.zip(rows.columns).collect())
            .ok_or_else(|| Error::internal("columns of a reply differ in length"))
    }
}
