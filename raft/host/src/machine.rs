//! The seam between Raft and a role's state machine.
//!
//! A replica that is further behind than the log reaches gets a snapshot: the leader's machine *offers* its newest
//! durable checkpoint as bytes that say which files it has (I5); the follower's machine *fetches* the files,
//! which may take long, may fail and may be tried again, and then *installs* them, after which everything is synced
//! (I4) and its views are swapped (I15).

use crate::{Error, Members};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use vecraft_log_store::{LogId, StoredMembership};
use vecraft_rpc::codec;
use vecraft_types::{LogPosition, NodeId};

/// A group's state machine. Synchronous, but for taking a snapshot. A failure or a panic stops this replica and keeps
/// its files (I24).
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

    /// This replica's log lacks entries that it had acknowledged (I1): it is about to stop, and its node must not start it
    /// again. Remembered, synced, when this returns.
    ///
    /// # Errors
    /// [`Failed`] when that cannot be written down. The replica stops all the same.
    fn forfeit(&mut self, why: &str) -> Result<(), Failed>;

    /// Describes the newest durable checkpoint for a replica that is too far behind. `None`: this machine cannot, and
    /// such a replica stays behind. Called where it may block, and it may take long: of a large group it reads and writes
    /// hundreds of megabytes, so the lock is not held meanwhile, or nothing would be applied.
    fn offer(machine: &Arc<Mutex<Self>>) -> Option<Offer>
    where
        Self: Sized,
    {
        drop(machine.lock());
        None
    }

    /// Brings everything that the snapshot describes onto this node, without showing it: pulled from the node that
    /// offers it, checked, synced. Runs beside apply. May be asked again, for the same snapshot or a newer one, and
    /// then goes on where it was; may be dropped at any await.
    ///
    /// # Errors
    /// Any: the leader offers again.
    fn fetch(machine: Arc<Mutex<Self>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>>
    where
        Self: Sized,
    {
        drop(machine);
        let why =
            format!("this machine takes no snapshots, and was offered one at {}", snapshot.mark.position());
        Box::pin(async move { Err(Failed(why)) })
    }

    /// Makes a fetched snapshot this machine's state and durable checkpoint, and publishes its views. Nothing is
    /// applied meanwhile, and new reads wait (I15). Everything is synced when it returns (I4).
    ///
    /// # Errors
    /// [`Failed`] stops the replica.
    fn install(machine: Arc<Mutex<Self>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>>
    where
        Self: Sized,
    {
        drop(machine);
        let why =
            format!("this machine takes no snapshots, and was given one at {}", snapshot.mark.position());
        Box::pin(async move { Err(Failed(why)) })
    }
}

/// A durable checkpoint, described for another replica.
#[derive(Clone)]
pub struct Offer {
    /// Which.
    pub mark: Mark,
    /// What its machine needs to know to fetch it: names, sizes and checksums of files. It is held in memory by
    /// both ends, and travels in parts: no message bounds it.
    pub content: Bytes,
    /// Keeps the files where they are until the other replica has them (I5).
    pub pin: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({}, {} bytes)", self.mark.position(), self.content.len())
    }
}

/// A snapshot that another node offers.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Which checkpoint.
    pub mark: Mark,
    /// The offer's content.
    pub content: Bytes,
    /// Where its files are.
    pub source: NodeId,
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

    /// The members in force at it.
    pub fn members(&self) -> Members {
        Members::new(&self.membership)
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
