//! Index search parameters, as the proxy passes them on.

use std::collections::BTreeMap;
use vecraft_index::{Range, SearchParams};
use vecraft_types::{Error, Metric, Result};

/// Reads the numbers. What the declared index type allows, and that `ef` covers the limit, was checked by the proxy,
/// which knows the declaration; here every segment has whatever index is ready, and takes what concerns it.
pub(crate) fn read(
    metric: Metric,
    params: &BTreeMap<String, String>,
) -> Result<(SearchParams, Option<Range>)> {
    let mut params = params.clone();
    let range = Range::take(metric, &mut params).map_err(|error| Error::invalid(error.to_string()))?;
    let mut read = SearchParams::default();
    for (name, text) in &params {
        if name == "recall" {
            read.recall = Some(share(name, text)?);
            continue;
        }
        if name == "refine_k" {
            read.refine_k = Some(multiple(name, text)?);
            continue;
        }
        let slot = match name.as_str() {
            "ef" => &mut read.ef,
            "nprobe" => &mut read.nprobe,
            "level" => &mut read.level,
            "reorder_k" => &mut read.reorder_k,
            // 0 is a value: the query as it is.
            "rbq_query_bits" | "rbq_bits_query" if text.trim() == "0" => continue,
            "rbq_query_bits" | "rbq_bits_query" => &mut read.rbq_query_bits,
            _ => {
                return Err(Error::invalid(format!(
                    "search parameter {name:?} is unknown, known are recall, ef, nprobe, level, refine_k, reorder_k, rbq_query_bits, radius, range_filter"
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
    Ok((read, range))
}

/// A number above 0, at most 1.
fn share(name: &str, text: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err(Error::invalid(format!(
            "search parameter {name} is {text:?}, it must be a number above 0, at most 1"
        ))),
    }
}

/// A number of at least 1, fractions allowed.
fn multiple(name: &str, text: &str) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(value) if value >= 1.0 && value.is_finite() => Ok(value),
        _ => Err(Error::invalid(format!(
            "search parameter {name} is {text:?}, it must be a number of at least 1"
        ))),
    }
}
