//! What the metastore needs of group 0.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_raft_host::{Error, Group, Mark, Standing};
use vecraft_types::LogPosition;

/// Group 0's log, as its machine's owner sees it. Implemented by the Raft group, and by a log in memory in tests.
#[async_trait]
pub trait MetaLog: Send + Sync + 'static {
    /// Proposes a command; the machine's answer comes once it is durable on a majority and published here (I15).
    async fn propose(&self, command: Bytes, deadline: Duration) -> Result<Bytes, Error>;
    /// Returns once this replica has published everything that was committed before the call (I16, I19).
    async fn catch_up(&self, deadline: Duration) -> Result<(), Error>;
    /// Everything up to the mark is in a synced checkpoint: the log below may go (I4).
    async fn checkpointed(&self, mark: &Mark) -> Result<(), Error>;
    /// Part, leader and members as this replica knows them, and every change of them. Only a proposal or a read index
    /// proves who leads.
    fn standing(&self) -> watch::Receiver<Standing>;
    /// Returns once everything from before the last stop is applied (I3); with several voters that takes a majority.
    async fn recovered(&self, deadline: Duration) -> Result<(), Error>;
    /// Returns when the replica has ended, asked to or not (I24).
    async fn ended(&self);
    /// The position published here and that of the newest durable checkpoint.
    fn positions(&self) -> (LogPosition, LogPosition);
    /// Stops the replica.
    async fn stop(&self);
}

#[async_trait]
impl MetaLog for Group {
    async fn propose(&self, command: Bytes, deadline: Duration) -> Result<Bytes, Error> {
        Ok(Group::propose(self, command, deadline).await?.reply)
    }

    async fn catch_up(&self, deadline: Duration) -> Result<(), Error> {
        let late = |_| Error::Deadline { group: self.id(), waited_ms: deadline.as_millis() as u64 };
        let at = tokio::time::timeout(deadline, self.read_index()).await.map_err(late)??;
        self.wait_published(at, deadline).await
    }

    async fn checkpointed(&self, mark: &Mark) -> Result<(), Error> {
        Group::checkpointed(self, mark).await
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        Group::standing(self)
    }

    async fn recovered(&self, deadline: Duration) -> Result<(), Error> {
        Group::recovered(self, deadline).await
    }

    async fn ended(&self) {
        Group::ended(self).await;
    }

    fn positions(&self) -> (LogPosition, LogPosition) {
        (self.published(), self.checkpoint_position())
    }

    async fn stop(&self) {
        self.shutdown().await;
    }
}
