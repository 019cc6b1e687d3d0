//! What can go wrong here, by what the caller can do about it.

use vecraft_types::{Code, FieldId, LogPosition, SegmentId};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files: a full disk, a refusal of the system, bytes that are not what was written. A corrupt file names
    /// itself and the offset; the replica leaves service and is rebuilt, it never guesses.
    #[error(transparent)]
    Storage(#[from] vecraft_storage::Error),
    /// A vector index refused.
    #[error(transparent)]
    Index(#[from] vecraft_index::Error),
    /// The batch does not fit the segment's schema. Apply has checked it before, so this is a bug above us.
    #[error("batch does not fit the schema: {0}")]
    Schema(String),
    /// The segment holds as many rows as it can; it must be sealed first.
    #[error("segment {segment} holds {rows} rows, the limit is {limit}")]
    Full {
        /// The segment.
        segment: SegmentId,
        /// Rows it would hold.
        rows: u64,
        /// Most rows of a segment.
        limit: u32,
    },
    /// Memory for a chunk could not be reserved. Nothing was appended; wait for a flush and try again (I21).
    #[error("no memory for a chunk of {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The view has no such segment.
    #[error("the view has no segment {0}")]
    UnknownSegment(SegmentId),
    /// The segment has no such row.
    #[error("segment {segment} shows {rows} rows in this view, row {row} was asked")]
    UnknownRow {
        /// The segment.
        segment: SegmentId,
        /// Row asked for.
        row: u32,
        /// Rows visible.
        rows: u32,
    },
    /// The schema has no such field, or not of the type the request needs.
    #[error("field {field}: {what}")]
    Field {
        /// The field.
        field: FieldId,
        /// What was expected.
        what: String,
    },
    /// A query vector of another dimension than the field.
    #[error("query dimension {got}, the field has {expected}")]
    Dimension {
        /// Dimension of the field.
        expected: usize,
        /// Dimension received.
        got: usize,
    },
    /// The filter could not be evaluated: it was made for another schema.
    #[error("filter: {0}")]
    Filter(vecraft_types::Error),
    /// More rows are equally near where a page ends than are taken into memory.
    #[error("more than {rows_max} rows are equally near at the end of the page; a filter makes them fewer")]
    TooManyAlike {
        /// Rows taken at most.
        rows_max: usize,
    },
    /// The view was to be turned back to a position that it has not come to.
    #[error("the view is at position {position}, {wanted} is wanted")]
    NotReached {
        /// Position asked for.
        wanted: LogPosition,
        /// The view's own.
        position: LogPosition,
    },
    /// The caller gave up or its deadline passed; nothing was returned (P5).
    #[error("the read was cancelled")]
    Cancelled,
}

impl Error {
    /// True when bytes on disk are not what was written: the replica must stop serving them.
    pub fn is_corrupt(&self) -> bool {
        matches!(
            self,
            Error::Storage(vecraft_storage::Error::Corrupt { .. })
                | Error::Index(vecraft_index::Error::Corrupt(_) | vecraft_index::Error::OtherRows(_))
        )
    }

    /// The file that is not what was written, when the error is about one.
    pub fn damaged_file(&self) -> Option<&str> {
        match self {
            Error::Storage(vecraft_storage::Error::Corrupt { path, .. }) => Some(path),
            _ => None,
        }
    }
}

impl From<Error> for vecraft_types::Error {
    fn from(error: Error) -> vecraft_types::Error {
        let code = match &error {
            Error::Storage(storage) if storage.is_no_space() => Code::DiskFull,
            Error::Storage(_) => Code::Io,
            Error::Index(
                vecraft_index::Error::Parameter { .. }
                | vecraft_index::Error::UnsupportedType { .. }
                | vecraft_index::Error::Dimension { .. },
            ) => Code::InvalidParameter,
            Error::Index(vecraft_index::Error::OutOfMemory { .. }) | Error::OutOfMemory { .. } => {
                Code::OutOfMemory
            }
            Error::Index(vecraft_index::Error::Cancelled { .. }) | Error::Cancelled => Code::Cancelled,
            Error::Index(_) | Error::Schema(_) | Error::UnknownSegment(_) | Error::UnknownRow { .. } => {
                Code::Internal
            }
            Error::TooManyAlike { .. } => Code::ParameterTooLarge,
            Error::NotReached { .. } => Code::NotReady,
            Error::Full { .. } => Code::RateLimited,
            Error::Field { .. } => Code::FieldNotFound,
            Error::Dimension { .. } => Code::InvalidParameter,
            Error::Filter(public) => public.code,
        };
        vecraft_types::Error::new(code, error.to_string())
    }
}
