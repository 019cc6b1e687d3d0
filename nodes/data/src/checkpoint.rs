//! Durable positions of a group (I3): capture, write, install; and the way back at start.
//!
//! ```text
//! capture   under the machine's lock, no I/O: states, segment handles, row counts at position C
//! write     no lock: column files of sealed segments, tail files of growing ones (synced, renamed, directory
//!           synced), then ONE synced batch: shard records, delete lists, group record with the mark
//! install   under the lock: sealed segments serve from their files, old files are garbage
//! ```
//! All shards of a group share C: one batch moves them together, so none can be ahead of another. A shard that
//! had no entry since its last checkpoint is not written again; its record is still its state at the new C.
//!
//! Inequality at all times: `purged <= C <= applied`.

mod record;
mod restore;
mod unnamed;
mod write;

pub(crate) use record::{
    GroupRecord, ShardRecord, decode, digest_key, encode, fetch_key, group_dir, group_key, shard_key,
};
pub(crate) use restore::load;
pub use restore::{checkpoint_mark, checkpointed_shards, restore};
pub use unnamed::remove_unnamed;
pub(crate) use unnamed::{loose, remove, unnamed};
pub use write::{Capture, Written, write};
pub(crate) use write::{paths, put_digest, read_digest};

#[cfg(test)]
mod tests;
