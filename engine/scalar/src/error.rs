//! What can go wrong here, by what follows from it.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no index, or one of something else: build it again.
    #[error("the index cannot be read: {0}")]
    Damaged(String),
    /// The column has another type than the index is for.
    #[error("a column of another type than the index is for")]
    OtherType,
    /// More than the layout can count.
    #[error("the index would be too large: {0}")]
    TooLarge(&'static str),
    /// The texts have more distinct pieces than there was room for: again with more, or not at all.
    #[error(
        "the index takes more than {room} bytes of memory to build: {pieces} distinct pieces in its first {rows} rows; \
         a smaller max_gram has fewer, an INVERTED index has none"
    )]
    NoRoom {
        /// Bytes of memory that the build was given.
        room: u64,
        /// Distinct pieces until then.
        pieces: usize,
        /// Rows until then.
        rows: usize,
    },
    /// Nobody wants the index any more.
    #[error("the build was cancelled")]
    Cancelled,
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>) -> Error {
        Error::Damaged(what.into())
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
