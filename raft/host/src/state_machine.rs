//! openraft's view of a [`Machine`].

use crate::machine::Failed;
use crate::{Committed, Machine, Mark};
use futures::{Stream, TryStreamExt};
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
use vecraft_types::{GroupId, LogPosition};

/// What a snapshot carries. With one voter nobody fetches it: the checkpoint's files are the snapshot (I4).
#[derive(Clone, Debug)]
pub struct SnapshotFiles;

/// The mark of the newest durable checkpoint, shared with the group's handle.
pub type CheckpointCell = Arc<Mutex<Option<Mark>>>;

/// Drives a machine.
pub struct Driver<M> {
    group: GroupId,
    machine: Arc<Mutex<M>>,
    applied: Option<Mark>,
    membership: Arc<StoredMembership>,
    checkpoint: CheckpointCell,
    published: watch::Sender<LogPosition>,
}

impl<M: Machine> Driver<M> {
    /// A driver that starts at the machine's checkpoint.
    pub fn new(
        group: GroupId,
        machine: Arc<Mutex<M>>,
        checkpoint: CheckpointCell,
        published: watch::Sender<LogPosition>,
    ) -> Driver<M> {
        let applied = machine.lock().checkpoint();
        let membership = applied.as_ref().map(|mark| mark.membership.clone()).unwrap_or_default();
        published.send_replace(applied.as_ref().map_or(LogPosition(0), Mark::position));
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
                Ok(bytes::Bytes::new())
            }
        }));
        drop(machine);
        let reply = reply.unwrap_or_else(|_| Err(Failed("panic".to_owned()))).map_err(|Failed(why)| {
            tracing::error!(group = %self.group, %position, why, "apply failed, this replica stops (I24)");
            io::Error::other(format!("group {}: apply of entry {position} failed: {why}", self.group))
        })?;
        // I15: the machine has published its views; now the index, then the answer.
        self.published.send_replace(position);
        Ok(Reply(reply))
    }
}

impl<M: Machine> RaftStateMachine<TypeConfig> for Driver<M> {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = CheckpointSnapshot;

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

    async fn get_snapshot_builder(&mut self) -> CheckpointSnapshot {
        CheckpointSnapshot { group: self.group, checkpoint: self.checkpoint.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        _snapshot: SnapshotFiles,
    ) -> Result<(), io::Error> {
        let what = format!("group {} has one voter: nobody can send it snapshot {meta:?}", self.group);
        Err(io::Error::new(io::ErrorKind::Unsupported, what))
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFiles>>, io::Error> {
        Ok(self.checkpoint.lock().as_ref().map(snapshot_at))
    }
}

/// A snapshot of openraft's is the newest durable checkpoint, nothing is copied (I4).
pub struct CheckpointSnapshot {
    group: GroupId,
    checkpoint: CheckpointCell,
}

impl RaftSnapshotBuilder<TypeConfig> for CheckpointSnapshot {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFiles>, io::Error> {
        let mark = self.checkpoint.lock().clone();
        let missing = || io::Error::other(format!("group {} has no checkpoint to snapshot", self.group));
        mark.as_ref().map(snapshot_at).ok_or_else(missing)
    }
}

fn snapshot_at(mark: &Mark) -> SnapshotOf<TypeConfig, SnapshotFiles> {
    let last_membership = (*mark.membership).clone();
    SnapshotOf::<TypeConfig, SnapshotFiles> {
        meta: SnapshotMetaOf::<TypeConfig> { last_log_id: Some(mark.log_id), last_membership },
        snapshot: SnapshotFiles,
    }
}
