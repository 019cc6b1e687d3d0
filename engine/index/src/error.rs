//! What can go wrong here, by what the caller can do about it.

use thiserror::Error as ThisError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error a caller can act on.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The user gave a wrong parameter: tell them (Milvus code 1100).
    #[error("parameter {name} = {value}: {reason}")]
    Parameter {
        /// Name as the user wrote it.
        name: String,
        /// Value as the user wrote it.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// The user asked for an index type that is not built (Milvus code 1100).
    #[error("index type {asked} is not supported; supported types: {supported}")]
    UnsupportedType {
        /// What was asked for.
        asked: String,
        /// What exists, comma separated.
        supported: String,
    },
    /// A query or row block has another dimension than the index.
    #[error("dimension {got} where {expected} is expected")]
    Dimension {
        /// Dimension of the index.
        expected: usize,
        /// Dimension received.
        got: usize,
    },
    /// The rows cannot be used as vectors (length, alignment or number).
    #[error("rows cannot be read as vectors: {0}")]
    Rows(String),
    /// The bytes are not what was written: stop serving this file and say so.
    #[error("index file is corrupt: {0}")]
    Corrupt(String),
    /// The bytes are whole but newer than this program understands.
    #[error("index file has format version {got}, this program reads up to {supported}")]
    Version {
        /// Version in the file.
        got: u32,
        /// Newest version known.
        supported: u32,
    },
    /// The file is whole but was built over other vectors.
    #[error("index file does not belong to these rows: {0}")]
    OtherRows(String),
    /// The build was cancelled by its monitor.
    #[error("index build was cancelled after {done} of {total} rows")]
    Cancelled {
        /// Rows done.
        done: usize,
        /// Rows to do.
        total: usize,
    },
    /// The memory for the index could not be reserved.
    #[error("no memory for {bytes} bytes of index")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The library behind the twin refused; a bug on our side.
    #[error("hnswlib: {0}")]
    Library(String),
    /// Writing failed.
    #[error("index could not be written: {0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// A wrong parameter.
    pub(crate) fn parameter(name: &str, value: &str, reason: impl Into<String>) -> Error {
        Error::Parameter { name: name.to_owned(), value: value.to_owned(), reason: reason.into() }
    }

    /// Changed or torn bytes.
    pub(crate) fn corrupt(what: impl Into<String>) -> Error {
        Error::Corrupt(what.into())
    }
}
