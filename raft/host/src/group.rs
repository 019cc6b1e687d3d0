//! The handle of one running group.

use crate::read_index::ReadIndex;
use crate::state_machine::{CheckpointCell, Driver};
use crate::{Error, Machine, Mark};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_log_store::{Payload, TypeConfig};
use vecraft_types::{GroupId, LogPosition};

pub(crate) type Raft<M> = openraft::Raft<TypeConfig, Driver<M>>;

/// Entries kept below a checkpoint when purging. openraft #2116: a purge must stay clear of applies that are
/// still queued inside it.
const PURGE_MARGIN: u64 = 64;
/// How long a checkpoint waits for openraft to take note of it.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(30);

/// A running group on this node. Clones are handles of the same group.
#[derive(Clone)]
pub struct Group {
    id: GroupId,
    raft: Arc<dyn RaftHandle>,
    read_index: ReadIndex,
    published: watch::Receiver<LogPosition>,
    checkpoint: CheckpointCell,
}

/// A proposal that was committed and applied.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Where in the log.
    pub position: LogPosition,
    /// The machine's answer.
    pub reply: Bytes,
}

impl Group {
    pub(crate) fn new<M: Machine>(
        id: GroupId,
        raft: Raft<M>,
        published: watch::Receiver<LogPosition>,
        checkpoint: CheckpointCell,
    ) -> Group {
        let read_index = ReadIndex::start(id, raft.clone());
        Group { id, raft: Arc::new(raft), read_index, published, checkpoint }
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Proposes a command; returns once it is on a majority's disk, applied and published here.
    ///
    /// # Errors
    /// [`Error::NotLeader`] and [`Error::Stopped`]: not applied by this call, unless the leader changed while it
    /// was on its way. [`Error::Deadline`]: unknown; ask again with the same request id (I10).
    pub async fn propose(&self, command: Bytes, deadline: Duration) -> Result<Proposed, Error> {
        let late = |_| Error::Deadline { group: self.id, waited_ms: deadline.as_millis() as u64 };
        tokio::time::timeout(deadline, self.raft.propose(self.id, command)).await.map_err(late)?
    }

    /// A position that includes everything acknowledged before the call (I16). Wait until it is published, then
    /// load the view.
    ///
    /// # Errors
    /// [`Error::NotLeader`] with the leader to ask, [`Error::Stopped`].
    pub async fn read_index(&self) -> Result<LogPosition, Error> {
        self.read_index.get().await
    }

    /// Returns once the views of this replica include `at` (I15).
    ///
    /// # Errors
    /// [`Error::Lagging`] when the deadline passes first, [`Error::Stopped`].
    pub async fn wait_published(&self, at: LogPosition, deadline: Duration) -> Result<(), Error> {
        if *self.published.borrow() >= at {
            return Ok(());
        }
        let mut published = self.published.clone();
        match tokio::time::timeout(deadline, published.wait_for(|now| *now >= at)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Error::Stopped { group: self.id, reason: "its machine has ended".into() }),
            Err(_) => Err(Error::Lagging { group: self.id, published: self.published(), wanted: at }),
        }
    }

    /// The position that this replica's views include.
    pub fn published(&self) -> LogPosition {
        *self.published.borrow()
    }

    /// Tells the group that everything up to `mark` is in synced files: the log below may go (I4).
    ///
    /// # Errors
    /// [`Error::Stopped`] when the group ended, [`Error::Deadline`] when openraft does not take note in time
    /// (the next checkpoint tries again).
    pub async fn checkpointed(&self, mark: &Mark) -> Result<(), Error> {
        *self.checkpoint.lock() = Some(mark.clone());
        self.raft.purge_below(self.id, mark.clone()).await
    }

    /// Returns when the replica has ended: shut down, or its machine or log failed (I24).
    pub async fn ended(&self) {
        let mut published = self.published.clone();
        while published.changed().await.is_ok() {}
    }

    /// Stops the replica; returns when its tasks have ended.
    pub async fn shutdown(&self) {
        self.raft.stop().await;
    }
}

/// Hides the machine's type, so that handles of all groups are alike.
pub(crate) trait RaftHandle: Send + Sync {
    fn propose(&self, group: GroupId, command: Bytes) -> BoxFuture<'_, Result<Proposed, Error>>;
    fn purge_below(&self, group: GroupId, mark: Mark) -> BoxFuture<'_, Result<(), Error>>;
    fn stop(&self) -> BoxFuture<'_, ()>;
}

impl<M: Machine> RaftHandle for Raft<M> {
    fn propose(&self, group: GroupId, command: Bytes) -> BoxFuture<'_, Result<Proposed, Error>> {
        Box::pin(async move {
            match self.client_write(Payload(command)).await {
                Ok(done) => {
                    Ok(Proposed { position: LogPosition(done.log_id.index), reply: done.data.0.clone() })
                }
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                    Err(Error::NotLeader { group, hint: to.leader_id })
                }
                Err(other) => Err(Error::Stopped { group, reason: other.to_string() }),
            }
        })
    }

    fn purge_below(&self, group: GroupId, mark: Mark) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let stopped = |reason: String| Error::Stopped { group, reason };
            let wanted = Some(mark.log_id);
            self.trigger().snapshot().await.map_err(|e| stopped(e.to_string()))?;
            self.wait(Some(SNAPSHOT_WAIT))
                .metrics(|m| m.snapshot >= wanted && m.last_applied >= wanted, "checkpoint taken note of")
                .await
                .map_err(|_| Error::Deadline { group, waited_ms: SNAPSHOT_WAIT.as_millis() as u64 })?;
            match mark.log_id.index.checked_sub(PURGE_MARGIN) {
                Some(upto) if upto > 0 => {
                    self.trigger().purge_log(upto).await.map_err(|e| stopped(e.to_string()))
                }
                _ => Ok(()),
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.shutdown().await {
                tracing::warn!(%error, "a group's task did not end cleanly");
            }
        })
    }
}
