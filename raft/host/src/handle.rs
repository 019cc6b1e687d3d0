//! What a group's handle asks of openraft, with the machine's type hidden.

use crate::acknowledged::Acknowledged;
use crate::group::{Proposed, Raft};
use crate::{Error, Location, Machine, Mark, Members, MembershipId, Progress};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardReason, PreconditionFailed, RaftError};
use openraft::{ChangeMembers, Instant, Precondition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vecraft_log_store::{GroupLog, Payload, Peer, TypeConfig};
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

/// Entries kept below a checkpoint when purging. openraft #2116: a purge must stay clear of applies that are
/// still queued inside it.
const PURGE_MARGIN: u64 = 64;
/// A lone replica keeps no more than so many bytes of them beside the last one: 64 batches of rows would be a hundred times
/// that. Nobody can install a snapshot there, and openraft said that all up to the checkpoint is applied before it is asked to
/// purge, so no apply of them is queued ([ADR 0016](../../../docs/adr/0016-a-lone-replica-keeps-little-log.md)).
const PURGE_MARGIN_BYTES_ALONE: u64 = 1 << 20;
/// How long a checkpoint waits for openraft to take note of it.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(30);

/// Hides the machine's type, so that handles of all groups are alike.
pub(crate) trait RaftHandle: Send + Sync {
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Proposed, Error>>;
    fn purge_below(&self, mark: Mark, is_alone: bool) -> BoxFuture<'_, Result<(), Error>>;
    fn change(&self, expected: MembershipId, change: Change) -> BoxFuture<'_, Result<MembershipId, Error>>;
    fn transfer_leader(&self, to: ReplicaId) -> BoxFuture<'_, Result<(), Error>>;
    fn progress(&self) -> Vec<Progress>;
    fn recovered(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Error>>;
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// A change of members.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddLearner(Location),
    RemoveLearner(ReplicaId),
    /// One joint change to exactly these; those that leave, leave for good.
    Voters(BTreeSet<ReplicaId>),
    /// The same, but those that leave go on following.
    VotersKeeping(BTreeSet<ReplicaId>),
}

impl From<Change> for ChangeMembers<u64, Peer> {
    fn from(change: Change) -> ChangeMembers<u64, Peer> {
        match change {
            Change::AddLearner(Location { replica, node }) => {
                ChangeMembers::AddNodes(BTreeMap::from([(replica.0, Peer { node: node.0 })]))
            }
            Change::RemoveLearner(replica) => ChangeMembers::RemoveNodes(BTreeSet::from([replica.0])),
            Change::Voters(voters) | Change::VotersKeeping(voters) => {
                ChangeMembers::ReplaceAllVoters(voters.into_iter().map(|id| id.0).collect())
            }
        }
    }
}

/// One group's openraft and log.
pub(crate) struct Handle<M: Machine> {
    pub group: GroupId,
    pub me: ReplicaId,
    pub raft: Raft<M>,
    pub log: GroupLog,
    pub acknowledged: Acknowledged,
    /// See [`crate::Host::keeping_for_followers`].
    pub followers_reserve_bytes: u64,
}

impl<M: Machine> Handle<M> {
    fn stopped(&self, reason: impl ToString) -> Error {
        Error::Stopped { group: self.group, reason: reason.to_string() }
    }

    fn not_written(
        &self,
        expected: Option<MembershipId>,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
    ) -> Error {
        let group = self.group;
        match error {
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Error::Discarded { group },
            RaftError::APIError(ClientWriteError::ForwardToLeader(to))
                if to.reason == ForwardReason::LeaseExpired =>
            {
                Error::NoMajority { group }
            }
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
                let known = to.leader_id.zip(to.leader_node);
                let leader =
                    known.map(|(id, peer)| Location { replica: ReplicaId(id), node: NodeId(peer.node) });
                Error::NotLeader { group, leader }
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(why)) => {
                Error::Refused { group, why: why.to_string() }
            }
            RaftError::APIError(ClientWriteError::PreconditionFailed(why)) => match (why, expected) {
                (PreconditionFailed::LastMembershipLogIdMismatch { actual, .. }, Some(expected)) => {
                    Error::MembersChanged { group, expected, found: actual.map(MembershipId) }
                }
                (why, _) => Error::Refused { group, why: why.to_string() },
            },
            RaftError::Fatal(fatal) => self.stopped(fatal),
        }
    }
}

impl<M: Machine> RaftHandle for Handle<M> {
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Proposed, Error>> {
        Box::pin(async move {
            let done =
                self.raft.client_write(Payload(command)).await.map_err(|e| self.not_written(None, e))?;
            Ok(Proposed { position: LogPosition(done.log_id.index), reply: done.data.0.clone() })
        })
    }

    fn purge_below(&self, mark: Mark, is_alone: bool) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let wanted = Some(mark.log_id);
            self.raft.trigger().snapshot().await.map_err(|e| self.stopped(e))?;
            self.raft
                .wait(Some(SNAPSHOT_WAIT))
                .metrics(|m| m.snapshot >= wanted && m.last_applied >= wanted, "checkpoint taken note of")
                .await
                .map_err(|_| Error::Deadline {
                    group: self.group,
                    waited_ms: SNAPSHOT_WAIT.as_millis() as u64,
                })?;
            let mark = mark.log_id.index;
            let margin = mark.saturating_sub(PURGE_MARGIN);
            let newest = |bytes, upto| self.log.newest_from(bytes, upto).saturating_sub(1);
            let upto = match is_alone {
                true => margin.max(newest(PURGE_MARGIN_BYTES_ALONE, mark.saturating_sub(1))),
                false => margin.min(newest(self.followers_reserve_bytes, u64::MAX)),
            };
            if upto > 0 {
                self.raft.trigger().purge_log(upto).await.map_err(|e| self.stopped(e))?;
            }
            Ok(())
        })
    }

    fn change(&self, expected: MembershipId, change: Change) -> BoxFuture<'_, Result<MembershipId, Error>> {
        Box::pin(async move {
            let guard = Precondition::LastMembershipLogId { last_membership_log_id: Some(expected.0) };
            let is_kept = matches!(change, Change::VotersKeeping(_));
            let change: ChangeMembers<u64, Peer> = change.into();
            let done = self.raft.change_membership_if(change, is_kept, [guard]).await;
            Ok(MembershipId(done.map_err(|e| self.not_written(Some(expected), e))?.log_id))
        })
    }

    fn transfer_leader(&self, to: ReplicaId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.raft.trigger().transfer_leader(to.0).await.map_err(|e| self.stopped(e)) })
    }

    fn progress(&self) -> Vec<Progress> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let members = Members::new(&metrics.membership_config);
        let last = metrics.last_log_index.unwrap_or(0);
        let heard = metrics.heartbeat.unwrap_or_default();
        let followers =
            metrics.replication.unwrap_or_default().into_iter().filter(|(id, _)| *id != self.me.0);
        let progress = followers.filter_map(|(id, matched)| {
            // What the core believes of one whose log went back is what it had.
            let has_gone_back = self.acknowledged.has_gone_back(ReplicaId(id));
            let matched = matched.filter(|_| !has_gone_back).map_or(0, |log_id| log_id.index);
            Some(Progress {
                follower: members.location(ReplicaId(id))?,
                is_voter: members.voters.contains_key(&ReplicaId(id)),
                matched: LogPosition(matched),
                lag: last.saturating_sub(matched),
                has_gone_back,
                heard_ms_ago: heard.get(&id).copied().flatten().map(|at| at.elapsed().as_millis() as u64),
            })
        });
        progress.collect()
    }

    fn recovered(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let late = |_| Error::Deadline { group: self.group, waited_ms: deadline.as_millis() as u64 };
            self.raft.wait_for_recovery(Some(deadline)).await.map(|_| ()).map_err(late)
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.raft.shutdown().await {
                tracing::warn!(%error, "a group's task did not end cleanly");
            }
        })
    }
}
