//! Files of one node as another reads them: a range at a time, over a channel of their own.
//!
//! ```text
//!  fetch of a snapshot ── PeerFiles ── Channel::Files ── serve_files ── the role's GroupFiles ── disk
//!
//!  question   FileRange, encoded                      answer   0 | bytes        the range, or what is left of it
//!                                                              1 | error, encoded
//! ```
//! A range names a group and a path; the node that has the file decides whether such a file may be read. No state
//! is kept between two ranges, so a reader goes on where it was after any failure of either end. A file that the
//! reader needs for long is kept by whoever told it of the file (I5), not here.
//!
//! It does *not* check what it carries: the reader knows the file's checksum. It does not write.

mod remote;
mod serve;

pub use remote::{NobodyElse, PeerFiles};
pub use serve::serve_files;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vecraft_types::{GroupId, NodeId, Result};

/// Largest range of one question.
pub const RANGE_BYTES_MAX: u32 = 1 << 20;

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRange {
    /// Whose file.
    pub group: GroupId,
    /// Path below the node's data directory, as the group's checkpoint names it.
    pub path: String,
    /// First byte.
    pub offset: u64,
    /// Bytes, at most [`RANGE_BYTES_MAX`].
    pub bytes: u32,
}

/// The files of this node's groups.
#[async_trait]
pub trait GroupFiles: Send + Sync {
    /// The bytes of a range; fewer when the file ends before, none at or after its end.
    ///
    /// # Errors
    /// A path that is not the group's, a file that is not there (any more), a disk that refuses.
    async fn read(&self, range: FileRange) -> Result<Bytes>;
}

/// The files of other nodes' groups.
#[async_trait]
pub trait FilesElsewhere: Send + Sync {
    /// As [`GroupFiles::read`] on that node.
    ///
    /// # Errors
    /// What it refused, or why it could not be asked.
    async fn read(&self, node: NodeId, range: FileRange) -> Result<Bytes>;
}

#[cfg(test)]
mod tests;
