//! One append to a replica elsewhere: sent, answered, and what the answer says of the follower (I1).

use super::client::{Rpc, Target};
use super::message::{self, AppendHead, Ask, Reply};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use std::time::Duration;
use vecraft_log_store::{LogId, TypeConfig, Vote};
use vecraft_rpc::peer::Call;

/// For the answer to one append, from the moment it is sent. Above the longest sync that is still hoped for.
const APPEND_WAIT: Duration = Duration::from_secs(5);
/// For a follower to take note that its log went back.
const TOLD_WAIT: Duration = Duration::from_secs(5);

/// An append on its way.
pub struct Sent {
    call: Call,
    vote: Vote,
    prev: Option<LogId>,
    last: Option<LogId>,
    /// What the follower had acknowledged when it was sent.
    had: Option<LogId>,
}

impl Target {
    /// Sends an append; the answer is waited for at the call.
    pub async fn start_append(&self, rpc: AppendEntriesRequest<TypeConfig>, option: &RPCOption) -> Rpc<Sent> {
        let (vote, prev) = (rpc.vote, rpc.prev_log_id);
        let last = rpc.entries.last().map(|entry| entry.log_id).or(prev);
        let had = self.acknowledged.upto(self.to, vote);
        let wait = if self.is_urgent { option.soft_ttl() } else { APPEND_WAIT };
        let lanes = self.lanes()?;
        let lane = if self.is_urgent { &lanes.urgent } else { &lanes.bulk };
        let (head, payloads) = AppendHead::split(rpc);
        let frame = self.frame(Ask::Append(head), payloads)?;
        let call = lane.start(frame, wait).await.map_err(|e| self.failed(RPCTypes::AppendEntries, e))?;
        Ok(Sent { call, vote, prev, last, had })
    }

    /// Waits for an append's answer. Of a follower that lacks what it had acknowledged the core hears nothing but silence
    /// (I1): it does not count as heard, and nothing is sent to fill it up again.
    pub async fn finish_append(&self, sent: Sent) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        let Sent { call, vote, prev, last, had } = sent;
        let answer = call.answer().await.map_err(|e| self.failed(RPCTypes::AppendEntries, e))?;
        let response = match self.reply(&answer)? {
            Reply::Append(response) => response,
            other => return Err(self.unexpected(other)),
        };
        let took = match (&response, prev, had) {
            (AppendEntriesResponse::Conflict, Some(lacks), Some(had)) if lacks <= had => {
                self.acknowledged.went_back(self.to, self.node, lacks);
                let told = self.tell_gone_back(vote, had).await;
                return Err(self.unreachable(format!("its log went back (I1), and it was told: {told}")));
            }
            (AppendEntriesResponse::Success, ..) => last,
            (AppendEntriesResponse::PartialSuccess(upto), ..) => *upto,
            _ => None,
        };
        if let Some(upto) = took {
            self.acknowledged.took(self.to, vote, upto);
        }
        Ok(response)
    }

    /// Tells a follower that it lacks what it had acknowledged: it must not vote. Returns what came of it, for people.
    async fn tell_gone_back(&self, vote: Vote, acknowledged: LogId) -> String {
        let told = async {
            let frame = self.frame(Ask::WentBack { vote, acknowledged }, Vec::new())?;
            let answer = self.lanes()?.urgent.call(frame, TOLD_WAIT).await;
            let answer = answer.map_err(|e| self.failed(RPCTypes::AppendEntries, e))?;
            message::decode_reply(&answer).map_err(|why| self.unreachable(why))
        };
        match told.await {
            Ok(Reply::WentBack(true)) => "it leaves service".to_owned(),
            Ok(Reply::WentBack(false)) => "it does not agree".to_owned(),
            Ok(Reply::Refused(why)) => why.to_string(),
            Ok(other) => self.unexpected(other).to_string(),
            Err(error) => error.to_string(),
        }
    }
}
