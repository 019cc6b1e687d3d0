//! One verb a file: what is done with a view, on a CPU thread.
//!
//! The outer error is the engine's (it may say that files are damaged), the inner one the request's.

pub(crate) mod query;
pub(crate) mod search;

use vecraft_expr::Filter;
use vecraft_types::{CollectionSchema, PartitionId, Result};

/// The filter under the view's schema; `None` when it lets every row through.
fn parse_filter(text: &str, schema: &CollectionSchema) -> Result<Option<Filter>> {
    let filter = Filter::parse(text, schema)?;
    Ok((!filter.matches_all()).then_some(filter))
}

/// In requests no partition means all, in plans `None` does.
fn partitions(asked: &[PartitionId]) -> Option<&[PartitionId]> {
    (!asked.is_empty()).then_some(asked)
}
