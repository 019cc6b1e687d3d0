//! Indexes over scalar fields and JSON paths: which rows have a value, without looking at every value.
//!
//! ```text
//! column (values, nulls) --build--> bytes --(a file, mapped)--> open --> FieldIndex, asked by filters (engine/expr)
//! ```
//!
//! | index | what it holds | what it answers |
//! |---|---|---|
//! | `INVERTED`, `BITMAP` | distinct values in order, the rows of each; frequent ones as bitmaps | equal, in, ranges, prefixes, patterns over few values |
//! | `STL_SORT`, `TRIE` | the same, all rows in the order of their values | the same; ranges are one run of rows |
//! | `NGRAM` | pieces of `min_gram` and of `max_gram` characters, the rows of each | candidates of a pattern, whose texts are looked at |
//! | of a JSON path | one of these over what the path leads to, of one kind of values | what the path is compared with |
//!
//! What holds:
//! - an index is a function of the column and nothing else, and a filter finds the same rows with it and without it;
//! - bytes that are not an index of the kind are refused by [`open`], and no bytes make an answer panic;
//! - an open index reads its bytes in place and keeps next to nothing beside them.
//!
//! It does *not* know segments, files or schemas, and decides neither when an index is built (the index role does) nor when
//! one is used (the filter does). A row's number in it is its number in the column.

mod build;
mod dictionary;
mod error;
mod gather;
mod grams;
mod known;
mod parts;
mod postings;
#[cfg(test)]
mod tests;

pub use build::{build, build_bytes};
pub use error::{Error, Result};

use bytes::Bytes;
use dictionary::Dictionary;
use grams::Grams;
use parts::{Family, Parts};
use std::sync::Arc;
use vecraft_expr::{FieldIndex, JsonPath};
use vecraft_types::schema::{JsonCast, ScalarIndex, ScalarKind};
use vecraft_types::{CollectionSchema, FieldId};

/// What is built over one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What it is.
    pub kind: ScalarKind,
    /// Of a JSON field: the steps to the values, and which values count.
    pub path: Option<(Vec<String>, JsonCast)>,
}

impl Spec {
    /// The index of a field of this schema.
    ///
    /// # Errors
    /// A path that cannot be read, or that leads into another field.
    pub fn of(index: &ScalarIndex, field: FieldId, schema: &CollectionSchema) -> vecraft_types::Result<Spec> {
        let Some((text, cast)) = &index.json else { return Ok(Spec { kind: index.kind, path: None }) };
        let path = JsonPath::parse(text, schema)?;
        if path.field != field {
            let name = schema.field_by_id(field).map(|field| field.name.as_str()).unwrap_or_default();
            let text = format!("json_path {text} leads into another field than {name:?}, which is indexed");
            return Err(vecraft_types::Error::invalid(text));
        }
        Ok(Spec { kind: index.kind, path: Some((path.steps, *cast)) })
    }
}

/// Looks at the bytes that [`build`] made for the same spec. Every part of them is checked, so that answers need not.
///
/// # Errors
/// [`Error::Damaged`] when they are something else.
pub fn open(spec: &Spec, bytes: Bytes) -> Result<Arc<dyn FieldIndex>> {
    let parts = Parts::read(bytes)?;
    let steps = spec.path.as_ref().map(|(steps, _)| steps.clone());
    Ok(match (parts.family, spec.kind) {
        (Family::Grams, ScalarKind::Ngram { .. }) => Arc::new(Grams::open(parts, steps)?),
        (Family::Grams, _) | (_, ScalarKind::Ngram { .. }) => {
            return Err(Error::damaged("an index of another kind"));
        }
        _ => Arc::new(Dictionary::open(parts, steps)?),
    })
}
