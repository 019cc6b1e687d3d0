//! Which index types and build parameters are taken.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use vecraft_types::{Error, Result};

/// A build parameter: its name and the whole numbers it allows.
type Param = (&'static str, RangeInclusive<u64>);

const NLIST: &[Param] = &[("nlist", 1..=65_536)];
const GRAPH: &[Param] = &[("M", 2..=2_048), ("efConstruction", 1..=i32::MAX as u64)];

/// The types we serve with their build parameters; all parameters may be left out.
const TYPES: &[(&str, &[Param])] =
    &[("FLAT", &[]), ("IVF_FLAT", NLIST), ("HNSW", GRAPH), ("HNSWLIB", GRAPH), ("AUTOINDEX", &[])];

/// The type's name in upper case; empty means AUTOINDEX.
///
/// # Errors
/// 1100 with the list of types, when it is none of them.
pub(super) fn check_type(given: &str) -> Result<String> {
    if given.is_empty() {
        return Ok("AUTOINDEX".to_owned());
    }
    let name = given.to_ascii_uppercase();
    if TYPES.iter().any(|(known, _)| *known == name) {
        return Ok(name);
    }
    let list: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
    Err(Error::invalid(format!("index type {given:?} is not supported, supported are {}", list.join(", "))))
}

/// Checks the build parameters of a type that passed [`check_type`].
///
/// # Errors
/// 1100 that names the parameter and what is allowed.
pub(super) fn check_params(index_type: &str, given: &BTreeMap<String, String>) -> Result<()> {
    let known = TYPES.iter().find(|(name, _)| *name == index_type).map_or(&[][..], |(_, params)| params);
    for (key, value) in given {
        let Some((_, allowed)) = known.iter().find(|(name, _)| name == key) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let text = format!(
                "build parameter {key:?} is not supported by index type {index_type}, which takes {takes}"
            );
            return Err(Error::invalid(text));
        };
        if !value.parse().is_ok_and(|number: u64| allowed.contains(&number)) {
            let (least, most) = (allowed.start(), allowed.end());
            let text = format!(
                "build parameter {key} is {value:?}, allowed are whole numbers from {least} to {most}"
            );
            return Err(Error::invalid(text).with("index_type", index_type));
        }
    }
    Ok(())
}
