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
