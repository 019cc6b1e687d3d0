//! Values out of JSON documents. A document is parsed at most once per evaluation, when a test first needs its
//! row; of its content only what the filter's paths lead to is kept.

use crate::ast::Literal;
use crate::number::Number;
use crate::plan::PathRef;
use crate::{ColumnValues, ColumnView};
use serde_json::Value;
use vecraft_types::Bitmap;

/// What a path leads to in one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Found {
    /// Nothing there; also when the row has no document, or text that is no JSON.
    #[default]
    Missing,
    Null,
    Value(Literal),
    List(Vec<Found>),
    Object,
}

/// What has been read so far.
pub(super) struct Documents {
    /// By slot: the rows whose document has been read.
    read: Vec<Bitmap>,
    /// By path, then row.
    found: Vec<Vec<Found>>,
}

impl Documents {
    pub(super) fn new(slots: usize, paths: usize) -> Documents {
        Documents { read: vec![Bitmap::default(); slots], found: vec![Vec::new(); paths] }
    }

    /// What the path leads to; the row must have been read.
    pub(super) fn get(&self, path: usize, row: usize) -> &Found {
        self.found[path].get(row).unwrap_or(&Found::Missing)
    }

    /// Reads the documents of these rows, unless that was done before.
    pub(super) fn read(&mut self, slot: usize, view: &ColumnView<'_>, paths: &[PathRef], rows: &Bitmap) {
        let ColumnValues::Json(texts) = &view.values else { return };
        let mine = || paths.iter().enumerate().filter(|(_, path)| path.slot == slot);
        if self.read[slot].is_empty() {
            self.read[slot] = Bitmap::new(rows.len(), false);
            mine().for_each(|(i, _)| self.found[i] = vec![Found::Missing; rows.len()]);
        }
        let mut wanted = rows.clone();
        wanted.and_not(&self.read[slot]);
        self.read[slot].or(&wanted);
        if let Some(validity) = view.validity {
            wanted.and(&Bitmap::from_words(
                rows.len(),
                validity.iter().copied().take(rows.words().len()).collect(),
            ));
        }
        for row in wanted.iter_ones() {
            let Ok(document) = serde_json::from_str::<Value>(texts.value(row)) else { continue };
            for (i, path) in mine() {
                self.found[i][row] = walk(&document, &path.steps);
            }
        }
    }
}

fn walk(document: &Value, steps: &[String]) -> Found {
    let mut at = document;
    for step in steps {
        let next = match at {
            Value::Object(map) => map.get(step),
            Value::Array(values) => step.parse::<usize>().ok().and_then(|index| values.get(index)),
            _ => None,
        };
        match next {
            Some(value) => at = value,
            None => return Found::Missing,
        }
    }
    found(at, true)
}

/// Lists are opened one level deep: nothing looks further.
fn found(value: &Value, opens_list: bool) -> Found {
    match value {
        Value::Null => Found::Null,
        Value::Bool(value) => Found::Value(Literal::Bool(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Found::Value(Literal::Number(Number::Int(value))),
            None => Found::Value(Literal::Number(Number::Float(number.as_f64().unwrap_or(f64::NAN)))),
        },
        Value::String(text) => Found::Value(Literal::Str(text.clone())),
        Value::Array(values) if opens_list => {
            Found::List(values.iter().map(|value| found(value, false)).collect())
        }
        Value::Array(_) => Found::List(Vec::new()),
        Value::Object(_) => Found::Object,
    }
}
