//! A filter finds the same rows with indexes and without them, whatever the rows are; bytes that are no index are refused.
#![allow(clippy::unwrap_used)]

mod answers;
mod bytes;
mod twins;
// Here nobody asks where a path leads but the filter itself.
#[allow(dead_code)]
#[path = "../../../expr/src/tests/twin_conditions.rs"]
mod twin_conditions;
#[path = "../../../expr/src/tests/twin_make.rs"]
mod twin_make;
#[path = "../../../expr/src/tests/twin_rows.rs"]
mod twin_rows;

use crate::{Spec, build, open};
use ::bytes::Bytes;
use std::sync::Arc;
use vecraft_expr::{Ask, ColumnSource, ColumnView, Estimate, FieldIndex, JsonPath};
use vecraft_types::schema::{JsonCast, ScalarKind};
use vecraft_types::{CollectionSchema, FieldId, RowBatch};

const NGRAM: ScalarKind = ScalarKind::Ngram { min: 1, max: 2 };

/// Rows with indexes.
#[derive(Debug)]
struct Indexed<'a> {
    batch: &'a RowBatch,
    indexes: Vec<(FieldId, Eager)>,
}

/// An index that costs nothing, so that it is asked whenever it can answer.
#[derive(Debug)]
struct Eager(Arc<dyn FieldIndex>);

impl FieldIndex for Eager {
    fn steps(&self) -> Option<&[String]> {
        self.0.steps()
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn looked_up(&self, _: &Ask<'_>) -> usize {
        0
    }

    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate> {
        self.0.estimate(ask).map(|_| Estimate::default())
    }

    fn mark(&self, ask: &Ask<'_>, sure: &mut [u64], unsure: &mut [u64]) {
        self.0.mark(ask, sure, unsure);
    }

    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]) {
        self.0.mark_known(sure, unsure);
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

impl ColumnSource for Indexed<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        ColumnSource::column(self.batch, field)
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        self.indexes
            .iter()
            .filter(|(own, _)| *own == field)
            .map(|(_, index)| index as &dyn FieldIndex)
            .collect()
    }
}

/// A spec on a field, of which a path is written as filters write it.
fn spec(schema: &CollectionSchema, place: &str, kind: ScalarKind, cast: Option<JsonCast>) -> (FieldId, Spec) {
    match cast {
        None => (schema.field(place).unwrap().id, Spec { kind, path: None }),
        Some(cast) => {
            let path = JsonPath::parse(place, schema).unwrap();
            (path.field, Spec { kind, path: Some((path.steps, cast)) })
        }
    }
}

fn made(batch: &RowBatch, field: FieldId, spec: &Spec) -> Arc<dyn FieldIndex> {
    let column = ColumnSource::column(batch, field).unwrap();
    let bytes = build(spec, &column, batch.rows, u64::MAX, &|| false).unwrap();
    assert_eq!(
        bytes,
        build(spec, &column, batch.rows, u64::MAX, &|| false).unwrap(),
        "bytes are a function of the column"
    );
    open(spec, Bytes::from(bytes)).unwrap()
}
