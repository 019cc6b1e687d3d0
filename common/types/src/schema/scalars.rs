//! Which scalar index goes with which type of field, and what its parameters mean. One rule, asked by the proxy (so that a
//! wrong wish is refused with the field's name), by the metastore's apply (so that no other path makes one) and by who
//! builds (so that all mean the same).

use super::{DataType, FieldSchema, MMAP_ENABLED};
use crate::{Error, Result};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// The key of the JSON path among an index's parameters, as Milvus calls it.
pub const JSON_PATH: &str = "json_path";
/// The key of the kind of values that a JSON index holds.
pub const JSON_CAST_TYPE: &str = "json_cast_type";
const MIN_GRAM: &str = "min_gram";
const MAX_GRAM: &str = "max_gram";
/// Longest gram of an index, in characters.
const GRAM_CHARS_MAX: u32 = 255;
/// Every name of a scalar index, in the order messages list them.
const NAMES: [&str; 6] = ["INVERTED", "BITMAP", "STL_SORT", "TRIE", "NGRAM", "AUTOINDEX"];

/// What a scalar index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// `INVERTED`: each value and its rows.
    Inverted,
    /// `BITMAP`: the same for few values.
    Bitmap,
    /// `STL_SORT`: rows in the order of their values.
    Sorted,
    /// `TRIE`: the same for text.
    Trie,
    /// `NGRAM`: the pieces of texts.
    Ngram {
        /// Shortest piece in characters, at least 1.
        min: u32,
        /// Longest piece in characters, at least `min`.
        max: u32,
    },
}

impl ScalarKind {
    /// Milvus's name.
    pub fn name(self) -> &'static str {
        match self {
            ScalarKind::Inverted => "INVERTED",
            ScalarKind::Bitmap => "BITMAP",
            ScalarKind::Sorted => "STL_SORT",
            ScalarKind::Trie => "TRIE",
            ScalarKind::Ngram { .. } => "NGRAM",
        }
    }
}

/// The kind of values that an index of a JSON path holds; values of another kind are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonCast {
    /// true and false.
    Bool,
    /// Numbers.
    Double,
    /// Strings.
    VarChar,
}

impl JsonCast {
    /// Milvus's name.
    pub fn name(self) -> &'static str {
        match self {
            JsonCast::Bool => "bool",
            JsonCast::Double => "double",
            JsonCast::VarChar => "varchar",
        }
    }

    fn parse(text: &str) -> Option<JsonCast> {
        let all = [JsonCast::Bool, JsonCast::Double, JsonCast::VarChar];
        all.into_iter().find(|cast| cast.name().eq_ignore_ascii_case(text))
    }
}

/// A scalar index, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarIndex {
    /// What it is; AUTOINDEX is the kind that the field's type gets.
    pub kind: ScalarKind,
    /// Of a JSON field: the path as written, and the kind of values.
    pub json: Option<(String, JsonCast)>,
}

/// Understands an index on a scalar field, and refuses what does not go together. `index_type` in any case; empty means
/// AUTOINDEX. Whether a path can be read is not looked at.
///
/// # Errors
/// 1100 that says what is wrong and what is allowed.
pub fn check_scalar_index(
    field: &FieldSchema,
    index_type: &str,
    params: &BTreeMap<String, String>,
) -> Result<ScalarIndex> {
    check(field, &index_type.to_ascii_uppercase(), params)
        .map_err(|text| Error::invalid(text).with("field", &field.name))
}

fn check(
    field: &FieldSchema,
    name: &str,
    params: &BTreeMap<String, String>,
) -> std::result::Result<ScalarIndex, String> {
    let name = if name.is_empty() { "AUTOINDEX" } else { name };
    let allowed = names_for(field);
    let type_name = field.data_type.name();
    if !allowed.contains(&name) {
        let allowed = allowed.join(", ");
        if !NAMES.contains(&name) {
            return Err(format!(
                "index type {name:?} is not supported on a field of type {type_name}, supported are {allowed}"
            ));
        }
        let key = if field.is_primary { ", which is the primary key" } else { "" };
        return Err(format!(
            "index type {name} is not supported on a field of type {type_name}{key}, supported are {allowed}"
        ));
    }
    let is_json = field.data_type == DataType::Json;
    let mut takes: Vec<&str> = Vec::new();
    if name == "NGRAM" {
        takes.extend([MIN_GRAM, MAX_GRAM]);
    }
    if is_json {
        takes.extend([JSON_PATH, JSON_CAST_TYPE]);
    }
    // Files of scalar indexes are mapped whatever is said.
    let is_known = |key: &str| key == MMAP_ENABLED || takes.contains(&key);
    if let Some(odd) = params.keys().find(|key| !is_known(key)) {
        let takes = if takes.is_empty() { "none".to_owned() } else { takes.join(", ") };
        return Err(format!(
            "build parameter {odd:?} is not supported by index type {name} on a field of type {type_name}, which takes {takes}"
        ));
    }
    if let Some(said) = params.get(MMAP_ENABLED).filter(|said| !matches!(said.as_str(), "true" | "false")) {
        return Err(format!("build parameter {MMAP_ENABLED} is {said:?}, allowed are true, false"));
    }
    let json = if is_json { Some(json_target(name, field, params)?) } else { None };
    let kind = match (name, &field.data_type) {
        ("INVERTED", _) => ScalarKind::Inverted,
        ("BITMAP", _) | ("AUTOINDEX", DataType::Bool) => ScalarKind::Bitmap,
        ("STL_SORT", _) => ScalarKind::Sorted,
        ("TRIE", _) => ScalarKind::Trie,
        ("NGRAM", _) => grams(params)?,
        _ => ScalarKind::Inverted,
    };
    Ok(ScalarIndex { kind, json })
}

/// The names that go with a field.
fn names_for(field: &FieldSchema) -> &'static [&'static str] {
    match field.data_type {
        DataType::Bool => &["INVERTED", "BITMAP", "AUTOINDEX"],
        DataType::Float | DataType::Double => &["INVERTED", "STL_SORT", "AUTOINDEX"],
        DataType::Int64 if field.is_primary => &["INVERTED", "STL_SORT", "AUTOINDEX"],
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            &["INVERTED", "BITMAP", "STL_SORT", "AUTOINDEX"]
        }
        DataType::VarChar { .. } if field.is_primary => {
            &["INVERTED", "STL_SORT", "TRIE", "NGRAM", "AUTOINDEX"]
        }
        DataType::VarChar { .. } => &["INVERTED", "BITMAP", "STL_SORT", "TRIE", "NGRAM", "AUTOINDEX"],
        DataType::Json => &["INVERTED", "NGRAM", "AUTOINDEX"],
        _ => &[],
    }
}

fn json_target(
    name: &str,
    field: &FieldSchema,
    params: &BTreeMap<String, String>,
) -> std::result::Result<(String, JsonCast), String> {
    let allowed = if name == "NGRAM" { "varchar" } else { "bool, double, varchar" };
    let Some(given) = params.get(JSON_CAST_TYPE) else {
        return Err(format!(
            "an index on a JSON field needs the parameter {JSON_CAST_TYPE}, allowed are {allowed}"
        ));
    };
    let cast = JsonCast::parse(given).filter(|cast| name != "NGRAM" || *cast == JsonCast::VarChar);
    let Some(cast) = cast else {
        return Err(format!(
            "build parameter {JSON_CAST_TYPE} is {given:?}, allowed with index type {name} are {allowed}"
        ));
    };
    let path = params.get(JSON_PATH).filter(|path| !path.is_empty()).unwrap_or(&field.name);
    Ok((path.clone(), cast))
}

fn grams(params: &BTreeMap<String, String>) -> std::result::Result<ScalarKind, String> {
    let read = |key: &str| {
        let Some(text) = params.get(key) else {
            return Err(format!("index type NGRAM needs the parameters {MIN_GRAM} and {MAX_GRAM}"));
        };
        let number = text.trim().parse().ok().filter(|number| (1..=GRAM_CHARS_MAX).contains(number));
        number.ok_or_else(|| {
            format!("build parameter {key} is {text:?}, allowed are whole numbers from 1 to {GRAM_CHARS_MAX}")
        })
    };
    let (min, max) = (read(MIN_GRAM)?, read(MAX_GRAM)?);
    if min > max {
        return Err(format!("{MIN_GRAM} is {min} and {MAX_GRAM} is {max}, {MIN_GRAM} must not be larger"));
    }
    Ok(ScalarKind::Ngram { min, max })
}
