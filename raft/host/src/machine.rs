//! The seam between Raft and a role's state machine.

use crate::Error;
use bytes::Bytes;
use std::sync::Arc;
use vecraft_log_store::{LogId, StoredMembership};
use vecraft_rpc::codec;
use vecraft_types::LogPosition;

/// A group's state machine. Synchronous. A failure or a panic stops this replica and keeps its files (I24).
pub trait Machine: Send + 'static {
    /// Applies one entry, publishes the views it changed, answers the proposer. Called once per entry in log
    /// order; after a restart again for the entries above the checkpoint.
    ///
    /// # Errors
    /// [`Failed`] when this replica's state can no longer be trusted: an entry that does not decode, a broken
    /// invariant. A refusal of the proposer's wish is not an error but a reply.
    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed>;

    /// An entry without a command was committed. Only its mark is to be remembered.
    fn advance(&mut self, mark: Mark);

    /// The mark of the durable checkpoint the machine was restored from; `None` when it starts empty (I3).
    fn checkpoint(&self) -> Option<Mark>;
}

/// Why a machine cannot go on. Stops the replica (I24).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// A committed entry.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where in the log.
    pub position: LogPosition,
    /// The proposed bytes.
    pub command: Bytes,
    /// What a checkpoint that includes this entry must remember.
    pub mark: Mark,
}

/// Names a log position for a restart: log id and membership. Opaque, cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub(crate) log_id: LogId,
    pub(crate) membership: Arc<StoredMembership>,
}

impl Mark {
    /// The position it names.
    pub fn position(&self) -> LogPosition {
        LogPosition(self.log_id.index)
    }

    /// Its bytes, for a checkpoint.
    ///
    /// # Errors
    /// [`Error::Mark`] when openraft's types cannot be encoded, a bug.
    pub fn encode(&self) -> Result<Bytes, Error> {
        codec::encode(&(&self.log_id, &*self.membership))
            .map(Bytes::from)
            .map_err(|e| Error::Mark(e.to_string()))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`Error::Mark`] for anything else than [`Mark::encode`]'s bytes.
    pub fn decode(bytes: &[u8]) -> Result<Mark, Error> {
        let (log_id, membership) = codec::decode(bytes).map_err(|e| Error::Mark(e.to_string()))?;
        Ok(Mark { log_id, membership: Arc::new(membership) })
    }
}
