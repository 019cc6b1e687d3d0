//! Batched read indexes (I16).
//!
//! One question per group is in flight; reads that arrive meanwhile share the next one. A read therefore never
//! joins a question that was sent before it arrived.

use crate::group::Raft;
use crate::{Error, Machine};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};
use vecraft_types::{GroupId, LogPosition};

/// Reads that may wait for a question at one time.
const WAITING_MAX: usize = 65_536;

type Answer = Result<LogPosition, Error>;

#[derive(Clone)]
pub struct ReadIndex {
    group: GroupId,
    ask: mpsc::Sender<oneshot::Sender<Answer>>,
}

impl ReadIndex {
    pub fn start<M: Machine>(group: GroupId, raft: Raft<M>) -> ReadIndex {
        let (ask, questions) = mpsc::channel(WAITING_MAX);
        tokio::spawn(answer_all(group, raft, questions));
        ReadIndex { group, ask }
    }

    pub async fn get(&self) -> Answer {
        let stopped = || Error::Stopped { group: self.group, reason: "its reads have ended".into() };
        let (answer, wait) = oneshot::channel();
        self.ask.send(answer).await.map_err(|_| stopped())?;
        wait.await.map_err(|_| stopped())?
    }
}

async fn answer_all<M: Machine>(
    group: GroupId,
    raft: Raft<M>,
    mut questions: mpsc::Receiver<oneshot::Sender<Answer>>,
) {
    let mut waiting = Vec::new();
    while questions.recv_many(&mut waiting, WAITING_MAX).await > 0 {
        let answer = ask(group, &raft).await;
        for caller in waiting.drain(..) {
            // A caller that went away needs no answer.
            let _ = caller.send(answer.clone());
        }
    }
}

async fn ask<M: Machine>(group: GroupId, raft: &Raft<M>) -> Answer {
    match raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
        Ok(linearizer) => Ok(LogPosition(linearizer.read_log_id().index())),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
            Err(Error::NotLeader { group, hint: to.leader_id })
        }
        Err(RaftError::APIError(other)) => {
            tracing::debug!(%group, error = %other, "no read index");
            Err(Error::NotLeader { group, hint: None })
        }
        Err(RaftError::Fatal(fatal)) => Err(Error::Stopped { group, reason: fatal.to_string() }),
    }
}
