//! What can go wrong with storage, told by what a caller can do about it.

use std::io;

/// Result of every call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A storage failure. Each variant asks for another reaction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused. After a failed `sync` the file must not be trusted again (I7).
    #[error("{op} {path}: {source}")]
    Io {
        /// What was tried, such as `read` or `sync`.
        op: &'static str,
        /// Path relative to the disk's root.
        path: String,
        /// The system's own error.
        source: io::Error,
    },
    /// The file or directory does not exist.
    #[error("not found: {path}")]
    NotFound {
        /// Path relative to the disk's root.
        path: String,
    },
    /// The device or quota is full. Nothing durable was harmed; wait and retry, or refuse writes.
    #[error("no space left for {path}")]
    NoSpace {
        /// Path relative to the disk's root.
        path: String,
    },
    /// The bytes are not what was written. Rebuild the file from a replica; never guess.
    #[error("corrupt {path} at byte {offset}: {what}")]
    Corrupt {
        /// Path relative to the disk's root.
        path: String,
        /// Byte offset of the first thing that did not check.
        offset: u64,
        /// What was expected and found.
        what: String,
    },
    /// Another process owns the data directory.
    #[error("data directory is in use by process {pid}")]
    Locked {
        /// Process id written in the lock file, 0 when it could not be read.
        pid: u32,
    },
    /// The file was written by a newer release; upgrade this binary.
    #[error("{path} has format version {found}, this release reads up to {supported}")]
    NewerVersion {
        /// Path relative to the disk's root.
        path: String,
        /// Version in the file.
        found: u32,
        /// Highest version this release reads.
        supported: u32,
    },
    /// A path that is absolute, empty where it must not be, or climbs out of the root.
    #[error("invalid path {path:?}")]
    InvalidPath {
        /// The path as given.
        path: String,
    },
    /// The key-value store refused.
    #[error("key-value store, {op}: {what}")]
    Kv {
        /// What was tried.
        op: &'static str,
        /// The store's own words.
        what: String,
    },
}

impl Error {
    /// Sorts an operating system error into the variant a caller can act on.
    #[must_use]
    pub fn from_io(op: &'static str, path: &str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io { op, path, source },
        }
    }

    /// A [`Error::Corrupt`] at `offset` of `path`.
    #[must_use]
    pub fn corrupt(path: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }

    /// True when the cause is a full disk: waiting may help, nothing is damaged.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// True when the file simply is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
