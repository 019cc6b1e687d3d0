//! What can go wrong on the data role, by what its callers can do.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files or the store refused.
    #[error(transparent)]
    Storage(#[from] vecraft_storage::Error),
    /// A segment refused.
    #[error(transparent)]
    Segment(#[from] vecraft_segment::Error),
    /// The group refused.
    #[error(transparent)]
    Host(#[from] vecraft_raft_host::Error),
    /// Bytes in a checkpoint do not decode.
    #[error("checkpoint of {what} is unreadable: {source}")]
    Codec {
        /// Group or shard.
        what: String,
        /// Why.
        source: vecraft_rpc::codec::Error,
    },
    /// A snapshot of another node cannot be taken, yet.
    #[error("snapshot of group {group}: {why}")]
    Snapshot {
        /// Which group.
        group: vecraft_types::GroupId,
        /// Why.
        why: String,
    },
    /// A file of another node did not come as it should.
    #[error("{path}: {why}")]
    Pull {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A file of another node cannot come: it cannot be asked, refuses, or there is no room.
    #[error("{path}: {why}")]
    Elsewhere {
        /// The file.
        path: String,
        /// Its words.
        why: Box<vecraft_types::Error>,
    },
    /// A broken invariant: the replica must stop (I24).
    #[error("broken invariant: {0}")]
    Broken(String),
}

impl Error {
    /// Whether nothing is wrong but a full disk.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Error::Storage(error) if error.is_no_space())
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for vecraft_types::Error {
    fn from(error: Error) -> vecraft_types::Error {
        use vecraft_types::Code;
        match error {
            Error::Host(error) => error.into(),
            Error::Segment(error) => error.into(),
            Error::Storage(error) if error.is_no_space() => {
                vecraft_types::Error::new(Code::DiskFull, error.to_string())
            }
            Error::Storage(error) => vecraft_types::Error::new(Code::Io, error.to_string()),
            Error::Elsewhere { why, .. } => *why,
            Error::Pull { .. } => vecraft_types::Error::new(Code::Io, error.to_string()),
            Error::Codec { .. } | Error::Snapshot { .. } | Error::Broken(_) => {
                vecraft_types::Error::internal(error.to_string())
            }
        }
    }
}
