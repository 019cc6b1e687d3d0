//! One verb a file: what is done with a view, on a CPU thread.
//!
//! The outer error is the engine's (it may say that files are damaged), the inner one the request's.

pub(crate) mod query;
pub(crate) mod search;

use vecraft_expr::Filter;
use vecraft_segment::ShardView;
use vecraft_types::{Code, CollectionSchema, Error, PartitionId, Result};

/// How errors name a partition; the proxy, which knows its name, puts that in the place of the id.
const PARTITION: &str = "partition";

/// The filter under the view's schema; `None` when it lets every row through.
fn parse_filter(text: &str, schema: &CollectionSchema) -> Result<Option<Filter>> {
    let filter = Filter::parse(text, schema)?;
    Ok((!filter.matches_all()).then_some(filter))
}

/// In requests no partition means all, in plans `None` does. One that was dropped under way is an error: the rows of the others
/// would be half an answer, and of this one "none" would be a wrong one.
fn partitions<'a>(view: &ShardView, asked: &'a [PartitionId]) -> Result<Option<&'a [PartitionId]>> {
    match asked.iter().find(|partition| view.gone.contains(partition)) {
        Some(gone) => {
            let text = "it was dropped while the request was under way";
            Err(Error::new(Code::PartitionNotFound, text).with(PARTITION, gone))
        }
        None => Ok((!asked.is_empty()).then_some(asked)),
    }
}
