//! What can go wrong in the log.

use std::io;

use crate::GroupKey;

/// Result of every call of this crate that is not openraft's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the log. Everything except [`Error::Storage`] with no space left is final for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused, is full, or gave back what we did not write.
    #[error(transparent)]
    Storage(#[from] vecraft_storage::Error),
    /// A write or sync failed before: nothing is accepted until the process restarts and recovers (I7).
    #[error("log is closed until restart: {reason}")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// The log was closed by its owner.
    #[error("log is closed")]
    Closed,
    /// The replica was removed from this node.
    #[error("replica {0} was removed from this node")]
    Removed(GroupKey),
    /// The record does not continue the replica's log: a bug of the caller; nothing was written.
    #[error("replica {key}: entry {found} does not follow {last:?}")]
    Hole {
        /// Whose log.
        key: GroupKey,
        /// Index of the last entry, if any.
        last: Option<u64>,
        /// Index of the refused entry.
        found: u64,
    },
    /// Entries that must be there are not readable.
    #[error("replica {key}: entry {index} is missing from the log")]
    Missing {
        /// Whose log.
        key: GroupKey,
        /// First missing index.
        index: u64,
    },
    /// Bytes of an entry are not what this release writes.
    #[error("replica {key}: entry {index}: {what}")]
    Decode {
        /// Whose log.
        key: GroupKey,
        /// Index of the entry.
        index: u64,
        /// The decoder's own words.
        what: String,
    },
}

impl Error {
    /// True when the cause is a full disk: nothing is damaged, the same call may succeed later.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_no_space())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}
