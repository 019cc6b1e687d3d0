//! A replica as the other replicas see it: answers their questions.

use crate::copies::Copies;
use crate::group::Raft;
use crate::machine::Failed;
use crate::network::Network;
use crate::network::description::{self, Described, Shelf};
use crate::network::inbox::Inbound;
use crate::network::message::{AppendHead, Ask, Refused, Reply};
use crate::read_index::ReadIndex;
use crate::state_machine::SnapshotFiles;
use crate::{Error, Incoming, Location, Machine, Mark};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::errors::{Fatal, RaftError};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::sync::{Arc, Weak};
use vecraft_log_store::{LogId, TypeConfig, Vote};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// What answers.
pub struct Member<M: Machine> {
    pub group: GroupId,
    pub me: ReplicaId,
    pub network: Network,
    /// What this replica shows as a leader.
    pub shelf: Shelf,
    pub copies: Copies,
    pub raft: Raft<M>,
    pub reads: ReadIndex,
    /// The core's and the role's: questions must not keep the store of a replica that has ended.
    pub machine: Weak<Mutex<M>>,
    /// One snapshot at a time.
    pub taking: Arc<tokio::sync::Mutex<()>>,
    /// See [`crate::Host::inline`].
    pub is_inline: bool,
}

impl<M: Machine> Clone for Member<M> {
    fn clone(&self) -> Member<M> {
        Member {
            group: self.group,
            me: self.me,
            network: self.network.clone(),
            shelf: self.shelf.clone(),
            copies: self.copies.clone(),
            raft: self.raft.clone(),
            reads: self.reads.clone(),
            machine: self.machine.clone(),
            taking: self.taking.clone(),
            is_inline: self.is_inline,
        }
    }
}

impl<M: Machine> Inbound for Member<M> {
    fn ask(&self, from: NodeId, ask: Ask, payloads: Bytes) -> BoxFuture<'static, Reply> {
        let member = self.clone();
        match ask {
            // The first poll hands the append to the core, which keeps the order of sending.
            Ask::Append(head) => member.append(head, payloads).boxed(),
            Ask::Vote(rpc) => async move { replied(member.raft.vote(rpc).await, Reply::Vote) }.boxed(),
            Ask::PreVote(rpc) => async move { replied(member.raft.pre_vote(rpc).await, Reply::Vote) }.boxed(),
            Ask::TransferLeader(req) => async move {
                match member.raft.handle_transfer_leader(req).await {
                    Ok(response) => Reply::TransferLeader(response),
                    Err(fatal) => stopped(&fatal),
                }
            }
            .boxed(),
            Ask::ReadIndex => member.read_index().boxed(),
            Ask::WentBack { vote, acknowledged } => {
                // A task of its own: the leader may not wait for the end of it.
                let judged = tokio::spawn(member.judge_own_log(vote, acknowledged));
                judged.map(|judged| judged.unwrap_or_else(|e| refused(e.to_string()))).boxed()
            }
            Ask::MayOffer => {
                let is_free = member.taking.try_lock().is_ok();
                let reply = if is_free { Reply::Offer } else { Reply::Refused(Refused::Busy) };
                std::future::ready(reply).boxed()
            }
            Ask::Part { described, offset } => {
                let part = member.shelf.part(described, offset);
                let reply = part.map_or(Reply::Refused(Refused::NotShown), Reply::Part);
                std::future::ready(reply).boxed()
            }
            Ask::Snapshot { vote, meta, described } => {
                // A task of its own: a leader that goes away must not leave a half-installed snapshot behind.
                let taken = tokio::spawn(member.take_snapshot(from, vote, meta, described));
                taken.map(|taken| taken.unwrap_or_else(|e| refused(e.to_string()))).boxed()
            }
        }
    }
}

impl<M: Machine> Member<M> {
    async fn append(self, head: AppendHead, payloads: Bytes) -> Reply {
        match head.join(payloads) {
            Ok(rpc) => replied(self.raft.append_entries(rpc).await, Reply::Append),
            Err(why) => {
                Reply::Refused(Refused::Malformed(format!("an append to group {}: {why}", self.group)))
            }
        }
    }

    async fn read_index(self) -> Reply {
        match self.reads.get_as_leader().await {
            Ok(position) => Reply::ReadIndex(position),
            Err(Error::NotLeader { leader, .. }) => Reply::NotLeader(leader),
            Err(Error::NoMajority { .. }) => Reply::Refused(Refused::NoMajority),
            Err(other) => Reply::Refused(Refused::Stopped(other.to_string())),
        }
    }

    /// The leader says that this replica lacks what it had acknowledged. When that is so, it leaves service for good: what
    /// it votes for next may lack what rests on its word (I1).
    async fn judge_own_log(self, vote: Vote, acknowledged: LogId) -> Reply {
        let mine =
            self.raft.with_raft_state(|state| (*state.vote_ref(), state.log_ids.last().copied())).await;
        let (own_vote, last) = match mine {
            Ok(mine) => mine,
            Err(fatal) => return stopped(&fatal),
        };
        // A leader that was deposed does not know what the next one made this replica cut off.
        let is_deposed = own_vote.partial_cmp(&vote) == Some(Ordering::Greater);
        if is_deposed || last >= Some(acknowledged) {
            return Reply::WentBack(false);
        }
        self.network.inbox().close(self.group, self.me);
        let why = format!(
            "its log ends at entry {}, and it had acknowledged all up to entry {}: this directory is an older copy, or its \
             disk forgets what it synced. Nobody may rely on it (I1): replace the node by a new one on an empty \
             directory, and never bring an older copy back while the others go on",
            last.map_or(0, |last| last.index),
            acknowledged.index
        );
        tracing::error!(group = %self.group, replica = %self.me, why, "this replica leaves service for good");
        if let Some(machine) = self.machine.upgrade() {
            let told = why.clone();
            let forfeiting = move || machine.lock().forfeit(&told);
            let forfeited = match self.is_inline {
                true => Ok(forfeiting()),
                false => tokio::task::spawn_blocking(forfeiting).await,
            };
            let failed = forfeited.map_err(|e| e.to_string()).and_then(|done| done.map_err(|e| e.0)).err();
            if let Some(error) = failed {
                tracing::error!(group = %self.group, error, "cannot record that this replica may not start again");
            }
        }
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group = %self.group, %error, "a group's task did not end cleanly");
        }
        Reply::WentBack(true)
    }

    /// Brings the description here, from whoever offers it.
    async fn pull(&self, from: Location, described: Described) -> Result<Bytes, String> {
        let ask = |offset| self.network.part(self.group, self.me, from, described, offset);
        description::pull(described, ask, |bytes| self.copies.holds(bytes)).await
    }

    /// Brings its description and the files here, which may fail and be tried again, and only then tells the core, where a failure is final.
    async fn take_snapshot(
        self,
        from: NodeId,
        vote: Vote,
        meta: SnapshotMetaOf<TypeConfig>,
        described: Described,
    ) -> Reply {
        let Ok(_one_at_a_time) = self.taking.try_lock() else {
            return Reply::Refused(Refused::Busy);
        };
        let Some(log_id) = meta.last_log_id else { return refused("it has no log id") };
        if log_id.committed_leader_id().term > vote.leader_id.term {
            // The core would panic: no leader has entries of a later term than its own.
            return refused(format!(
                "it is of term {}, its sender's vote of {}",
                log_id.committed_leader_id().term,
                vote.leader_id.term
            ));
        }
        let leader = Location { replica: ReplicaId(vote.leader_id.node_id), node: from };
        let _held = self.copies.holding();
        let content = match self.pull(leader, described).await {
            Ok(content) => content,
            Err(why) => {
                tracing::warn!(group = %self.group, at = log_id.index, node = %from, why, "no description of a snapshot");
                return refused(why);
            }
        };
        let Some(machine) = self.machine.upgrade() else { return refused("the replica has ended") };
        let mark = Mark { log_id, membership: Arc::new(meta.last_membership.clone()) };
        let incoming = Incoming { mark, content: content.clone(), source: from };
        tracing::info!(group = %self.group, at = log_id.index, node = %from, "fetches a snapshot");
        if let Err(Failed(why)) = M::fetch(machine, incoming).await {
            tracing::warn!(group = %self.group, at = log_id.index, node = %from, why, "snapshot not fetched");
            return refused(why);
        }
        let snapshot = SnapshotFiles::There { content, source: from };
        let snapshot = SnapshotOf::<TypeConfig, SnapshotFiles> { meta, snapshot };
        match self.raft.install_full_snapshot(vote, snapshot).await {
            Ok(response) => Reply::Snapshot(response),
            Err(fatal) => stopped(&fatal),
        }
    }
}

fn replied<T>(answered: Result<T, RaftError<TypeConfig>>, reply: impl FnOnce(T) -> Reply) -> Reply {
    match answered {
        Ok(answer) => reply(answer),
        Err(error) => Reply::Refused(Refused::Stopped(error.to_string())),
    }
}

fn stopped(fatal: &Fatal<TypeConfig>) -> Reply {
    Reply::Refused(Refused::Stopped(fatal.to_string()))
}

fn refused(why: impl Into<String>) -> Reply {
    Reply::Refused(Refused::Snapshot(why.into()))
}
