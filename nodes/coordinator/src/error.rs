//! What can go wrong when the metastore is opened or written.

/// Errors of this crate. DDL itself answers with [`vecraft_types::Error`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store below; a full disk is told apart inside.
    #[error("metastore checkpoint: {0}")]
    Storage(#[from] vecraft_storage::Error),
    /// A row of the checkpoint is not one. The replica must not serve.
    #[error("metastore checkpoint, row {row}: {cause}")]
    Corrupt {
        /// Which row.
        row: String,
        /// Why it cannot be read.
        cause: String,
    },
    /// A row cannot be written, a bug.
    #[error("metastore checkpoint: {0}")]
    Encode(#[from] vecraft_rpc::codec::Error),
    /// A snapshot that is none.
    #[error("metastore as a snapshot: {0}")]
    Rows(#[from] vecraft_rpc::rows::Error),
    /// This replica of the metastore may not be started again, with the reason (I1).
    #[error("this node's replica of the metastore left service for good: {0}")]
    Forfeited(String),
    /// Group 0.
    #[error(transparent)]
    Group(#[from] vecraft_raft_host::Error),
    /// The process is going down.
    #[error("metastore: {0}")]
    Cancelled(#[from] vecraft_runtime::pools::Cancelled),
}
