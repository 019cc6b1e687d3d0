//! What can go wrong here, by what follows from it.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files or the store refused.
    #[error(transparent)]
    Storage(#[from] vecraft_storage::Error),
    /// The segment's own file cannot be read.
    #[error(transparent)]
    Segment(#[from] vecraft_segment::Error),
    /// The index could not be built or read.
    #[error(transparent)]
    Index(#[from] vecraft_index::Error),
    /// The scalar index could not be built or read.
    #[error(transparent)]
    Scalar(#[from] vecraft_scalar::Error),
    /// A shard's log or the catalogue gives no answer.
    #[error("the shard's log: {0}")]
    Ledger(#[from] vecraft_types::Error),
    /// The file is whole, but not the one that the log names.
    #[error("{path} has checksum {found:016x}, the log names {named:016x}")]
    OtherFile {
        /// The file.
        path: String,
        /// Its checksum.
        found: u64,
        /// What the log says.
        named: u64,
    },
    /// The file that the log names is missing or damaged, and no replica was found that has it.
    #[error("the file is lost: {why}")]
    Lost {
        /// What was wrong with it, here or there.
        why: String,
    },
    /// The file that the log names is of no use here, and nobody could be asked for it who has it.
    #[error("the file cannot be fetched: {why}")]
    Nowhere {
        /// What the others said.
        why: String,
    },
    /// Too few replicas hold the file (I13).
    #[error("{held} of {voters} voters hold the file: {why}")]
    NoMajority {
        /// Those that do.
        held: usize,
        /// All that count.
        voters: usize,
        /// What the others said.
        why: String,
    },
    /// The shard is not here any more, or out of service.
    #[error("nobody knows the members of the shard's group")]
    NoMembers,
    /// A thread pool gave no answer.
    #[error("index thread: {0}")]
    Pool(#[from] vecraft_runtime::pools::Cancelled),
    /// Memory has no room for it now (I21).
    #[error("no room: {0}")]
    Room(vecraft_types::Error),
    /// Memory has no room for the build of a scalar index (I21).
    #[error("building the {kind} index of a segment takes {bytes} bytes of memory: {why}{found}")]
    ScalarRoom {
        /// Kind of the index.
        kind: &'static str,
        /// Bytes that were asked for.
        bytes: u64,
        /// The node's answer.
        why: vecraft_types::Error,
        /// What a build with less found, in brackets.
        found: String,
    },
    /// Nobody wants the index any more, or the node stops.
    #[error("the build was cancelled")]
    Cancelled,
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// True when the work was given up on purpose.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Error::Cancelled
                | Error::Index(vecraft_index::Error::Cancelled { .. })
                | Error::Scalar(vecraft_scalar::Error::Cancelled)
        )
    }

    /// True when the index file itself is of no use, so that it has to be built again. Too little memory or a
    /// segment that cannot be read are other troubles: building would meet them too.
    pub(crate) fn is_unusable_file(&self) -> bool {
        match self {
            Error::Storage(_) | Error::OtherFile { .. } => true,
            Error::Index(error) => !matches!(error, vecraft_index::Error::OutOfMemory { .. }),
            _ => false,
        }
    }
}
