//! Index search parameters, as the proxy passes them on.

use std::collections::BTreeMap;
use vecraft_index::SearchParams;
use vecraft_types::{Error, Result};

/// Reads the numbers. What the declared index type allows, and that `ef` covers the limit, was checked by the proxy,
/// which knows the declaration; here every segment has whatever index is ready, and takes what concerns it.
pub(crate) fn read(params: &BTreeMap<String, String>) -> Result<SearchParams> {
    let mut read = SearchParams::default();
    for (name, text) in params {
        let slot = match name.as_str() {
            "ef" => &mut read.ef,
            "nprobe" => &mut read.nprobe,
            "level" => &mut read.level,
            _ => {
                return Err(Error::invalid(format!(
                    "search parameter {name:?} is unknown, known are ef, nprobe, level"
                )));
            }
        };
        match text.trim().parse::<usize>() {
            Ok(value) if value > 0 => *slot = Some(value),
            _ => {
                return Err(Error::invalid(format!(
                    "search parameter {name} is {text:?}, it must be a positive number"
                )));
            }
        }
    }
    Ok(read)
}
