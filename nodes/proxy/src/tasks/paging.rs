//! Pages of all matching rows by distance, as search iterators ask for them.
//!
//! Each shard answers with its `limit` nearest rows behind the page before, and all that are as near as its last. So of
//! every distance among the `limit` nearest rows of all shards, every row is here; what lies farther is for the next page.

use crate::merge::{Hits, Page, merge_hits};
use vecraft_types::api::SearchRequest;
use vecraft_types::{Error, Metric, Result};

/// Checks what a page cannot be combined with.
pub(super) fn check(asked: &SearchRequest, queries: usize) -> Result<()> {
    let Some(page) = asked.page else { return Ok(()) };
    if queries != 1 {
        return Err(Error::invalid(format!("a search iterator takes one query vector, these are {queries}")));
    }
    if asked.group_by.is_some() {
        return Err(Error::invalid("a search iterator cannot group (group_by_field)"));
    }
    if asked.offset > 0 {
        return Err(Error::invalid(format!(
            "a search iterator takes no offset, this one is {}: skip rows of its pages",
            asked.offset
        )));
    }
    match page.after {
        Some(after) if after.is_nan() => {
            Err(Error::invalid("the last bound of a search iterator is no number"))
        }
        _ => Ok(()),
    }
}

/// The page that the shards' parts make.
pub(super) fn join(metric: Metric, limit: usize, shards: Vec<Hits>) -> Result<Hits> {
    let mut all = merge_hits(metric, 1, &Page { offset: 0, limit: usize::MAX }, shards)?;
    let Some(last) = limit.min(all.scores.len()).checked_sub(1).map(|last| all.scores[last]) else {
        return Ok(all);
    };
    let is_in = |score: &f32| if metric.larger_is_nearer() { *score >= last } else { *score <= last };
    let rows = all.scores.iter().take_while(|score| is_in(score)).count();
    if rows < all.scores.len() {
        all.scores.truncate(rows);
        all.recalls.truncate(rows);
        all.counts = vec![rows];
        all.rows = all.rows.take(&(0..rows).collect::<Vec<_>>());
    }
    Ok(all)
}
