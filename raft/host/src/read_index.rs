//! Batched read indexes (I16).
//!
//! One question per group is in flight; reads that arrive meanwhile share the next one. A read therefore never
//! joins a question that was sent before it arrived. A replica that does not lead sends its question to the leader,
//! where it joins the leader's own in the same way.

use crate::group::Raft;
use crate::network::Network;
use crate::{Error, Location, Machine};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

/// Reads that may wait for a question at one time.
const WAITING_MAX: usize = 65_536;
/// For this replica's own core, which may stand at a disk that neither writes nor fails. Above the longest sync that is
/// still hoped for; a read that waited for ever would keep all later ones waiting behind it.
pub(crate) const CORE_WAIT: Duration = Duration::from_secs(5);
/// For the leader's answer: it waits for a majority no longer than its lease, and the way there and back is short.
const LEADER_WAIT: Duration = Duration::from_millis(1_500);
/// A leader that has just been deposed names its successor: ask that one, once.
const LEADERS_ASKED_MAX: usize = 2;

type Answer = Result<LogPosition, Error>;

#[derive(Clone)]
pub struct ReadIndex {
    group: GroupId,
    ask: mpsc::Sender<Read>,
}

/// A read that waits.
struct Read {
    answer: oneshot::Sender<Answer>,
    /// Another replica's read: it wants this replica's word as the leader, not a third one's.
    is_from_elsewhere: bool,
}

/// Who asks, and how others are reached.
pub struct Asker<M: Machine> {
    pub group: GroupId,
    pub me: ReplicaId,
    pub raft: Raft<M>,
    pub network: Network,
}

impl ReadIndex {
    pub fn start<M: Machine>(asker: Asker<M>) -> ReadIndex {
        let (ask, reads) = mpsc::channel(WAITING_MAX);
        let group = asker.group;
        tokio::spawn(answer_all(asker, reads));
        ReadIndex { group, ask }
    }

    /// For a read on this node.
    pub async fn get(&self) -> Answer {
        self.join(false).await
    }

    /// For a read on another node, which takes this replica for the leader.
    pub async fn get_as_leader(&self) -> Answer {
        self.join(true).await
    }

    async fn join(&self, is_from_elsewhere: bool) -> Answer {
        let stopped = || Error::Stopped { group: self.group, reason: "its reads have ended".into() };
        let (answer, wait) = oneshot::channel();
        self.ask.send(Read { answer, is_from_elsewhere }).await.map_err(|_| stopped())?;
        wait.await.map_err(|_| stopped())?
    }
}

async fn answer_all<M: Machine>(asker: Asker<M>, mut reads: mpsc::Receiver<Read>) {
    let mut waiting = Vec::new();
    while reads.recv_many(&mut waiting, WAITING_MAX).await > 0 {
        let own = tokio::time::timeout(CORE_WAIT, asker.ask_core()).await;
        let own = own.unwrap_or_else(|_| Err(asker.core_is_silent()));
        let (elsewhere, here): (Vec<Read>, Vec<Read>) =
            waiting.drain(..).partition(|read| read.is_from_elsewhere);
        answer(elsewhere, &own);
        let led = match own {
            Err(Error::NotLeader { leader: Some(leader), .. }) if !here.is_empty() => {
                asker.ask_leader(leader).await
            }
            own => own,
        };
        answer(here, &led);
    }
}

fn answer(reads: Vec<Read>, answer: &Answer) {
    for read in reads {
        // A caller that went away needs no answer.
        let _ = read.answer.send(answer.clone());
    }
}

impl<M: Machine> Asker<M> {
    async fn ask_core(&self) -> Answer {
        let group = self.group;
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(LogPosition(linearizer.read_log_id().index())),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                let known = to.leader_id.zip(to.leader_node);
                let leader =
                    known.map(|(id, peer)| Location { replica: ReplicaId(id), node: NodeId(peer.node) });
                Err(Error::NotLeader { group, leader })
            }
            Err(RaftError::APIError(other)) => {
                tracing::debug!(%group, error = %other, "no read index");
                Err(Error::NoMajority { group })
            }
            Err(RaftError::Fatal(fatal)) => Err(Error::Stopped { group, reason: fatal.to_string() }),
        }
    }

    fn core_is_silent(&self) -> Error {
        let (me, group) = (self.me, self.group);
        tracing::warn!(%group, replica = %me, waited = ?CORE_WAIT, "no read index, the replica's core says nothing: look whether the log's disk hangs");
        let why = format!(
            "replica {me} here says nothing for {CORE_WAIT:?}, its log's disk may hang; ask another replica"
        );
        Error::Unreachable { group, why }
    }

    async fn ask_leader(&self, mut leader: Location) -> Answer {
        for _ in 1..LEADERS_ASKED_MAX {
            match self.network.read_index(self.group, self.me, leader, LEADER_WAIT).await {
                Err(Error::NotLeader { leader: Some(next), .. })
                    if next != leader && next.replica != self.me =>
                {
                    leader = next;
                }
                answer => return answer,
            }
        }
        self.network.read_index(self.group, self.me, leader, LEADER_WAIT).await
    }
}
