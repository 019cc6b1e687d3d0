//! The words `explain` and `why_missing` of a search, and how the answer to them reaches a client of Milvus.
//!
//! Milvus has no place for it. pymilvus shows users four things beside the hits: `recalls`, `extra` (only numbers under names
//! that it knows), an iterator's token, and the buckets of a search aggregation, which carry any text and are there without a
//! hit, too. So the explanation is the metric `explain` of one bucket: `json.loads(res.agg_buckets[0][0].metrics["explain"])`;
//! and the bytes touched are what Milvus calls `scanned_total_bytes`, in `res.extra`.

use crate::params::Params;
use crate::proto::schema::{AggBucket, MetricValue, metric_value};
use serde_json::Value as Json;
use std::sync::Arc;
use vecraft_types::api::{Explain, Explanation, ShardExplanation};
use vecraft_types::limits::WHY_MISSING_MAX;
use vecraft_types::{Error, PrimaryKey, Result};

const EXPLAIN: &str = "explain";
const WHY_MISSING: &str = "why_missing";

/// Words about explanations, which stand among the index's parameters or beside them.
pub(crate) const WORDS: &[&str] = &[EXPLAIN, WHY_MISSING];

/// Takes the words.
///
/// # Errors
/// A value that is neither true nor false; keys without `explain`; what is no list of keys; an iterator.
pub(crate) fn read(params: &mut Params, is_iterator: bool) -> Result<Option<Explain>> {
    let is_on = params.switch(EXPLAIN)?;
    let keys = params.take(WHY_MISSING).map(|text| keys(&text)).transpose()?;
    if !is_on {
        return match keys {
            Some(_) => Err(Error::invalid(format!("{WHY_MISSING} is given, but {EXPLAIN} is not true"))),
            None => Ok(None),
        };
    }
    if is_iterator {
        let text =
            format!("{EXPLAIN} of an iterator: its pages show only hits; explain a search without iterator");
        return Err(Error::invalid(text));
    }
    Ok(Some(Explain { why_missing: keys.unwrap_or_default() }))
}

/// A JSON list of int64 and texts. Whether they are of the key's type is seen where the schema is.
fn keys(text: &str) -> Result<Vec<PrimaryKey>> {
    let wrong = |what: String| {
        Error::invalid(format!(
            "{WHY_MISSING} {what}; it must be a list of at most {WHY_MISSING_MAX} primary keys, as in [1, 2] or [\"a\"]"
        ))
    };
    let Ok(Json::Array(listed)) = serde_json::from_str::<Json>(text) else {
        let shown: String = text.chars().take(100).collect();
        return Err(wrong(format!("is {shown}")));
    };
    if listed.len() > WHY_MISSING_MAX {
        return Err(wrong(format!("has {} keys", listed.len())));
    }
    let key = |value: &Json| match value {
        Json::String(text) => Ok(PrimaryKey::VarChar(Arc::from(text.as_str()))),
        Json::Number(number) if number.is_i64() => Ok(PrimaryKey::Int64(number.as_i64().unwrap_or_default())),
        other => Err(wrong(format!("has {other}"))),
    };
    listed.iter().map(key).collect()
}

/// The explanation where a client shows it.
///
/// # Errors
/// None that the types allow.
pub(crate) fn told(explanation: &Explanation) -> Result<AggBucket> {
    let text = serde_json::to_string(explanation).map_err(|error| Error::internal(error.to_string()))?;
    let value = MetricValue { value: Some(metric_value::Value::StringVal(text)) };
    Ok(AggBucket { metrics: [(EXPLAIN.to_owned(), value)].into_iter().collect() })
}

/// The bytes touched, under Milvus's name.
pub(crate) fn scanned(explanation: &Explanation) -> (String, String) {
    let bytes: u64 = explanation.shards.iter().map(ShardExplanation::bytes_touched).sum();
    ("scanned_total_bytes".to_owned(), bytes.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::params::pair;

    fn asked(pairs: &[(&str, &str)], is_iterator: bool) -> Result<Option<Explain>> {
        let pairs = pairs.iter().map(|(key, value)| pair(*key, *value)).collect();
        read(&mut Params::new("search parameter", pairs)?, is_iterator)
    }

    #[test]
    fn what_is_asked_for_is_taken() {
        assert_eq!(asked(&[], false).unwrap(), None);
        assert_eq!(asked(&[("explain", "False")], true).unwrap(), None);
        assert_eq!(asked(&[("explain", "true")], false).unwrap(), Some(Explain::default()));
        let explain =
            asked(&[("explain", "True"), ("why_missing", "[1, -2, \"abc\"]")], false).unwrap().unwrap();
        let keys = [PrimaryKey::Int64(1), PrimaryKey::Int64(-2), PrimaryKey::VarChar(Arc::from("abc"))];
        assert_eq!(explain.why_missing, keys);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_allowed() {
        let many = format!("[{}]", vec!["1"; WHY_MISSING_MAX + 1].join(","));
        for (pairs, is_iterator, words) in [
            (vec![("explain", "verbose")], false, "neither true nor false"),
            (vec![("why_missing", "[1]")], false, "explain is not true"),
            (vec![("explain", "true"), ("why_missing", "7")], false, "list of at most 100"),
            (vec![("explain", "true"), ("why_missing", "[1.5]")], false, "has 1.5"),
            (vec![("explain", "true"), ("why_missing", &many)], false, "has 101 keys"),
            (vec![("explain", "true")], true, "without iterator"),
        ] {
            let error = asked(&pairs, is_iterator).unwrap_err().to_string();
            assert!(error.contains(words), "{pairs:?}: {error}");
        }
    }
}
