//! Paths into JSON documents, for those who build indexes over what they lead to.

use crate::ast::{Kind, Literal};
use crate::eval::{Found, PathTree};
use crate::fault::Fault;
use crate::number::Number;
use crate::parser;
use crate::plan::{PathRef, Scalar};
use crate::typing::Typer;
use vecraft_types::{CollectionSchema, Error, FieldId, Result};

/// A place within the documents of a JSON field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// The field.
    pub field: FieldId,
    /// Keys of objects and indexes of arrays; none is the whole document.
    pub steps: Vec<String>,
}

/// A value of a document, as filters see it.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; never NaN.
    Float(f64),
    /// A string.
    Str(String),
}

impl JsonPath {
    /// Reads a path as filters write it: `meta["a"][0]`, or a key of the dynamic field.
    ///
    /// # Errors
    /// `InvalidParameter` that says what is wrong and where.
    pub fn parse(text: &str, schema: &CollectionSchema) -> Result<JsonPath> {
        let read = || -> std::result::Result<Option<JsonPath>, Fault> {
            let Some(node) = parser::parse(text)? else { return Ok(None) };
            if !matches!(node.kind, Kind::Name(_)) {
                return Ok(None);
            }
            let mut typer = Typer::new(schema);
            let Scalar::Path(path) = typer.scalar(node)? else { return Ok(None) };
            let PathRef { slot, steps, .. } = typer.paths.swap_remove(path);
            Ok(Some(JsonPath { field: typer.columns[slot].field, steps }))
        };
        let no_path = || {
            Error::invalid(format!(
                "{text:?} is no path into a JSON field, which looks like field[\"key\"][0], or like a key of the dynamic field"
            ))
        };
        read().map_err(|fault| fault.into_error(text))?.ok_or_else(no_path)
    }
}

/// Reads what one path leads to, document by document.
pub struct PathReader(PathTree);

impl PathReader {
    /// A reader of the path with these steps.
    pub fn new(steps: &[String]) -> PathReader {
        let path = PathRef { slot: 0, steps: steps.to_vec(), shown: String::new(), keeps_list: false };
        PathReader(PathTree::new(std::iter::once((0, &path))))
    }

    /// The value in a document; `None` when nothing is there, or null, an object, a list, or when the text is no JSON.
    pub fn read(&self, document: &str) -> Option<JsonValue> {
        let mut value = Found::Missing;
        self.0.extract(document, &mut |_, found| value = found);
        match value {
            Found::Value(Literal::Bool(value)) => Some(JsonValue::Bool(value)),
            Found::Value(Literal::Number(Number::Int(value))) => Some(JsonValue::Int(value)),
            Found::Value(Literal::Number(Number::Float(value))) => Some(JsonValue::Float(value)),
            Found::Value(Literal::Str(value)) => Some(JsonValue::Str(value)),
            Found::Missing | Found::Null | Found::List(_) | Found::Object => None,
        }
    }
}
