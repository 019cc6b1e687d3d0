//! Rows of a shard: growing in memory, sealed in column files, seen through immutable views, and how they are
//! searched, filtered, counted and fetched.
//!
//! | part | what it gives | who calls it |
//! |---|---|---|
//! | [`GrowingSegment`] | rows in memory; append and delete while readers read | data (apply) |
//! | [`SealedSegment`], [`write_segment`], [`restore`] | one checksummed, mapped column file; indexes | data (seal, checkpoint, start) |
//! | [`Compaction`] | one segment out of several, without rows that are gone | data (apply, checkpoint) |
//! | [`InterimGraphs`] | graphs that serve until a segment has its index | index (builds), both phases |
//! | [`Deletes`] | which row was deleted by which entry | both phases |
//! | [`ShardView`], [`ViewRegistry`] | a shard at one applied position, and whether its files are whole | data publishes, query reads |
//! | [`exec`] | search, scan, count, keys, fetch over a view | query, data (delete by filter) |
//!
//! What holds:
//! - a row is visible at position P when it was inserted at or before P and not deleted at or before P; an old
//!   view answers the same for ever;
//! - a search returns exactly `min(k, matches)` hits per query, a count is exact (P5);
//! - a segment's rows keep their numbers when it is sealed (I13); a column file's bytes are a function of its
//!   rows (I22);
//! - damaged bytes are an error that names file and offset, never a panic or another answer.
//!
//! What it does *not* do: it decides nothing (when to seal, flush, build or drop is an entry of the shard's log),
//! keeps no primary-key index, waits for nothing, has no async runtime, no clock and no thread of its own.

mod block;
mod buffer;
mod compaction;
mod damage;
mod deletes;
mod error;
pub mod exec;
mod growing;
mod interim;
mod materialise;
mod sealed;
mod segment;
#[cfg(test)]
mod testing;
mod values;
mod view;

pub use block::Block;
pub use compaction::{Compaction, Input, Kept, Part};
pub use deletes::{Deletes, SEGMENT_ROWS_MAX, decode_deletes, encode_deletes};
pub use error::{Error, Result};
pub use growing::{GrowingOptions, GrowingSegment};
pub use interim::{GRAPH_ROWS_MIN, InterimGraphs};
pub(crate) use materialise::materialise;
pub use sealed::{
    FileManifest, SEGMENT_FORMAT, ScalarIndexes, SealedSegment, SegmentManifest, match_file, restore,
    verify_file, write_segment,
};
pub use segment::Segment;
pub use values::{ColumnValues, Texts, Values};
pub use view::{Renamed, SegmentView, ShardView, ViewRegistry};
