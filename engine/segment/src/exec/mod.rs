//! Reading a view: which rows match, which are nearest, how many there are, what is in them.
//!
//! ```text
//! view -> segments of the wanted partitions -> blocks -> visible AND filter -> top-k | keys | count -> fetch
//! ```
//! Every function answers for the whole view or returns an error (P5), and looks at [`Cancel`] between pieces of
//! work of about a millisecond. Nothing here blocks or waits; call it on a CPU thread.

mod beside;
mod compare;
mod exact;
mod fetch;
mod filter;
mod groups;
mod indexed;
mod interim;
mod lost;
mod matches;
mod missing;
mod notes;
mod pages;
mod queries;
mod ranged;
mod rank;
mod reasons;
mod scan;
mod search;
#[cfg(test)]
mod tests;
mod written;

pub use fetch::{fetch, fetch_bytes};
pub(crate) use filter::read_column;
pub use groups::{GroupBy, search_groups};
pub use missing::{Sought, why_missing};
pub use notes::Notebook;
pub use pages::{PageBounds, search_page};
pub use rank::{Before, before};
pub use scan::{KeyedRow, ScanPlan, count, keys, scan, visit_keys};
pub use search::{Found, Hit, SearchPlan, search, search_told};
pub use written::written_by;

use crate::{Error, Result};
use vecraft_types::SegmentId;

/// Where a row is within a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowAddress {
    /// The segment.
    pub segment: SegmentId,
    /// The row's number inside the segment.
    pub row: u32,
}

/// Asks the caller, between pieces of work, whether the answer is still wanted.
#[derive(Clone, Copy)]
pub struct Cancel<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

impl<'a> Cancel<'a> {
    /// The answer is always wanted.
    pub fn never() -> Cancel<'static> {
        Cancel(None)
    }

    /// Not wanted any more once `is_cancelled` says true: the caller's deadline, or a dropped request.
    pub fn when(is_cancelled: &'a (dyn Fn() -> bool + Sync)) -> Cancel<'a> {
        Cancel(Some(is_cancelled))
    }

    /// [`Error::Cancelled`] once the caller says so.
    pub fn check(&self) -> Result<()> {
        match self.0 {
            Some(is_cancelled) if is_cancelled() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }
}
