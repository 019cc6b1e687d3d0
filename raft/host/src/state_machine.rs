//! openraft's view of a [`Machine`].

use crate::machine::Failed;
use crate::{Committed, Incoming, Machine, Mark, Offer};
use bytes::Bytes;
use futures::{FutureExt, Stream, TryStreamExt};
use openraft::storage::EntryResponder;
use openraft::storage::RaftStateMachine;
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::watch;
use vecraft_log_store::{EntryPayload, LogId, Reply, StoredMembership, TypeConfig};
use vecraft_types::{GroupId, LogPosition, NodeId};

/// What a snapshot carries: a description, never the files themselves. openraft asks for snapshots at every start and
/// every checkpoint only to know their position, so the machine describes one when it is sent and not before.
#[derive(Clone)]
pub enum SnapshotFiles {
    /// On the offering side: asks the machine; `None` when it offers nothing.
    Here(Arc<dyn Fn() -> Option<Offer> + Send + Sync>),
    /// On the receiving side.
    There {
        /// The other machine's words.
        content: Bytes,
        /// The node that offers it.
        source: NodeId,
    },
}

/// What readers on this node may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The views include everything up to here.
    pub at: LogPosition,
    /// A snapshot is being installed: views change one by one, so new reads wait (I15).
    pub is_closed: bool,
}

/// The mark of the newest durable checkpoint, shared with the group's handle.
pub type CheckpointCell = Arc<Mutex<Option<Mark>>>;

/// Remembers a durable checkpoint. Never goes back: a snapshot may have been installed since this one was written.
pub fn advance(newest: &CheckpointCell, mark: &Mark) {
    let mut newest = newest.lock();
    if newest.as_ref().is_none_or(|newest| newest.log_id < mark.log_id) {
        *newest = Some(mark.clone());
    }
}

/// Drives a machine.
pub struct Driver<M> {
    group: GroupId,
    machine: Arc<Mutex<M>>,
    applied: Option<Mark>,
    membership: Arc<StoredMembership>,
    checkpoint: CheckpointCell,
    published: watch::Sender<Published>,
}

impl<M: Machine> Driver<M> {
    /// A driver that starts at the machine's checkpoint.
    pub fn new(
        group: GroupId,
        machine: Arc<Mutex<M>>,
        checkpoint: CheckpointCell,
        published: watch::Sender<Published>,
    ) -> Driver<M> {
        let applied = machine.lock().checkpoint();
        let membership = applied.as_ref().map(|mark| mark.membership.clone()).unwrap_or_default();
        let at = applied.as_ref().map_or(LogPosition(0), Mark::position);
        published.send_replace(Published { at, is_closed: false });
        *checkpoint.lock() = applied.clone();
        Driver { group, machine, applied, membership, checkpoint, published }
    }

    fn apply_one(&mut self, log_id: LogId, payload: EntryPayload) -> io::Result<Reply> {
        if let EntryPayload::Membership(membership) = &payload {
            self.membership = Arc::new(StoredMembership::new(Some(log_id), membership.clone()));
        }
        let mark = Mark { log_id, membership: self.membership.clone() };
        let position = mark.position();
        self.applied = Some(mark.clone());
        let mut machine = self.machine.lock();
        // I24: a panic stops this replica with its evidence, not the process.
        let reply = catch_unwind(AssertUnwindSafe(|| match payload {
            EntryPayload::Normal(payload) => machine.apply(Committed { position, command: payload.0, mark }),
            EntryPayload::Blank | EntryPayload::Membership(_) => {
                machine.advance(mark);
                Ok(Bytes::new())
            }
        }));
        drop(machine);
        let reply = reply.unwrap_or_else(|_| Err(Failed("panic".to_owned()))).map_err(|Failed(why)| {
            tracing::error!(group = %self.group, %position, why, "apply failed, this replica stops (I24)");
            io::Error::other(format!("group {}: apply of entry {position} failed: {why}", self.group))
        })?;
        // I15: the machine has published its views; now the index, then the answer.
        self.published.send_replace(Published { at: position, is_closed: false });
        Ok(Reply(reply))
    }

    async fn install(&mut self, mark: Mark, snapshot: SnapshotFiles) -> Result<(), Failed> {
        let SnapshotFiles::There { content, source } = snapshot else {
            return Err(Failed("a snapshot of this node's own".to_owned()));
        };
        let incoming = Incoming { mark: mark.clone(), content, source };
        // I15: closed until every view is the snapshot's. A failure stops the replica, so it never opens again then.
        self.published.send_modify(|published| published.is_closed = true);
        M::install(self.machine.clone(), incoming).await?;
        self.membership = mark.membership.clone();
        self.applied = Some(mark.clone());
        *self.checkpoint.lock() = Some(mark.clone());
        self.published.send_replace(Published { at: mark.position(), is_closed: false });
        tracing::info!(group = %self.group, at = %mark.position(), node = %source, "installed a snapshot");
        Ok(())
    }
}

impl<M: Machine> RaftStateMachine<TypeConfig> for Driver<M> {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = CheckpointSnapshot<M>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied.as_ref().map(|mark| mark.log_id), (*self.membership).clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.apply_one(entry.log_id, entry.payload)?;
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> CheckpointSnapshot<M> {
        let (machine, checkpoint) = (self.machine.clone(), self.checkpoint.clone());
        CheckpointSnapshot { group: self.group, machine, checkpoint }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotFiles,
    ) -> Result<(), io::Error> {
        let Some(log_id) = meta.last_log_id else {
            return Err(io::Error::other(format!("group {}: a snapshot without a log id", self.group)));
        };
        let mark = Mark { log_id, membership: Arc::new(meta.last_membership.clone()) };
        let group = self.group;
        // I24: as with apply, a panic stops this replica, not the process.
        let installed = AssertUnwindSafe(self.install(mark, snapshot)).catch_unwind().await;
        installed.unwrap_or_else(|_| Err(Failed("panic".to_owned()))).map_err(|Failed(why)| {
            tracing::error!(%group, why, "install of a snapshot failed, this replica stops (I24)");
            io::Error::other(format!("group {group}: install of a snapshot failed: {why}"))
        })
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFiles>>, io::Error> {
        Ok(newest(&self.machine, &self.checkpoint))
    }
}

/// A snapshot of openraft's is the newest durable checkpoint, nothing is copied (I4).
pub struct CheckpointSnapshot<M> {
    group: GroupId,
    machine: Arc<Mutex<M>>,
    checkpoint: CheckpointCell,
}

impl<M: Machine> RaftSnapshotBuilder<TypeConfig> for CheckpointSnapshot<M> {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFiles>, io::Error> {
        let missing = || io::Error::other(format!("group {} has no checkpoint to snapshot", self.group));
        newest(&self.machine, &self.checkpoint).ok_or_else(missing)
    }
}

/// The newest checkpoint that the group was told of, to be described when somebody needs it.
fn newest<M: Machine>(
    machine: &Arc<Mutex<M>>,
    checkpoint: &CheckpointCell,
) -> Option<SnapshotOf<TypeConfig, SnapshotFiles>> {
    let mark = checkpoint.lock().clone()?;
    // Weak: what waits to be sent must not keep the store of a replica that has ended.
    let machine = Arc::downgrade(machine);
    let cell = checkpoint.clone();
    let offer = move || {
        let offer = M::offer(&machine.upgrade()?)?;
        // A checkpoint that the group was not told of yet: the next question is answered with its mark.
        advance(&cell, &offer.mark);
        Some(offer)
    };
    let last_membership = (*mark.membership).clone();
    let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: Some(mark.log_id), last_membership };
    Some(SnapshotOf::<TypeConfig, SnapshotFiles> { meta, snapshot: SnapshotFiles::Here(Arc::new(offer)) })
}
