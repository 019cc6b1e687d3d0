//! The bytes of questions and answers between replicas.
//!
//! ```text
//! question   length of head u32 | head: codec of Question | payloads of entries
//! answer     codec of Reply
//! ```
//! Payloads follow the head as they are: they are sent from the log's memory and, when large, kept as slices of the
//! received frame. Small ones are copied, so that a few bytes do not keep a large frame alive.

use super::description::Described;
use crate::Location;
use bytes::{Buf, Bytes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotMetaOf;
use serde::{Deserialize, Serialize};
use std::fmt;
use vecraft_log_store::{Entry, EntryPayload, LogId, Membership, Payload, TypeConfig, Vote};
use vecraft_rpc::codec;
use vecraft_rpc::peer::Frame;
use vecraft_types::{GroupId, LogPosition, ReplicaId};

/// Payloads below this are copied out of their frame.
const COPY_BELOW: usize = 4 << 10;

/// A question to a replica.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    /// Of which group.
    pub group: GroupId,
    /// Who asks.
    pub from: ReplicaId,
    /// Who is meant: a replica that lost its disk has another id (I1).
    pub to: ReplicaId,
    /// What.
    pub ask: Ask,
}

/// What may be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Append entries, or a heartbeat without any.
    Append(AppendHead),
    /// Vote for me.
    Vote(VoteRequest<TypeConfig>),
    /// Would you vote for me?
    PreVote(VoteRequest<TypeConfig>),
    /// Become the leader.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Would you take a snapshot now? Describing one is work that a replica which is away should not cost.
    MayOffer,
    /// Install the checkpoint that I describe, by [`Ask::Part`]s.
    Snapshot {
        /// The leader's vote.
        vote: Vote,
        /// Log id and membership of the checkpoint.
        meta: SnapshotMetaOf<TypeConfig>,
        /// How long its description is.
        described: Described,
    },
    /// The part of a description that you show, from this offset on.
    Part {
        /// Which.
        described: Described,
        /// From where.
        offset: u64,
    },
    /// Up to where must I have published to have seen everything acknowledged (I16)?
    ReadIndex,
    /// You acknowledged this to me, and lack it: your log went back (I1).
    WentBack {
        /// The leader's vote.
        vote: Vote,
        /// All up to here.
        acknowledged: LogId,
    },
}

/// An append without the payloads.
#[derive(Debug, Serialize, Deserialize)]
pub struct AppendHead {
    vote: Vote,
    prev: Option<LogId>,
    commit: Option<LogId>,
    entries: Vec<EntryHead>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryHead {
    id: LogId,
    body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
enum Body {
    Blank,
    /// That many bytes of the payloads.
    Normal(u32),
    Membership(Membership),
}

/// What may be answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To an append.
    Append(AppendEntriesResponse<TypeConfig>),
    /// To both kinds of vote.
    Vote(VoteResponse<TypeConfig>),
    /// To a leader transfer.
    TransferLeader(TransferLeaderResponse<TypeConfig>),
    /// To a snapshot.
    Snapshot(SnapshotResponse<TypeConfig>),
    /// To the question whether a snapshot may be offered: yes.
    Offer,
    /// To a part.
    Part(Bytes),
    /// To a read index.
    ReadIndex(LogPosition),
    /// To a read index, by a replica that does not lead.
    NotLeader(Option<Location>),
    /// To anything that was not even tried, or failed.
    Refused(Refused),
    /// To being told that the log went back: whether it did, and the replica leaves service.
    WentBack(bool),
}

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The group does not run there, or not yet.
    NoGroup(GroupId),
    /// Another replica of the group runs there (I1).
    WrongReplica {
        /// The group.
        group: GroupId,
        /// Who was meant.
        wanted: ReplicaId,
        /// Who runs there.
        running: ReplicaId,
    },
    /// The bytes are no question.
    Malformed(String),
    /// The replica has stopped (I24).
    Stopped(String),
    /// No such description is shown, or not any more: its snapshot has to be offered anew.
    NotShown,
    /// A snapshot could not be taken; it may be offered again.
    Snapshot(String),
    /// The replica leads, and too few voters confirm it.
    NoMajority,
    /// The replica is taking a snapshot already: nothing is wrong, and nothing has to be offered before it is done.
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoGroup(group) => write!(f, "group {group} does not run there"),
            Refused::WrongReplica { group, wanted, running } => {
                write!(f, "group {group} runs there as replica {running}, not as {wanted} (I1)")
            }
            Refused::Malformed(why) => write!(f, "malformed question: {why}"),
            Refused::Stopped(why) => write!(f, "the replica stopped: {why}"),
            Refused::NotShown => f.write_str("it does not show that description of a snapshot any more"),
            Refused::Snapshot(why) => write!(f, "the snapshot was not taken: {why}"),
            Refused::Busy => f.write_str("another snapshot is being taken"),
            Refused::NoMajority => f.write_str("it leads, and no majority of the voters answers it"),
        }
    }
}

impl AppendHead {
    /// Parts an append from its payloads, which are shared.
    pub fn split(rpc: AppendEntriesRequest<TypeConfig>) -> (AppendHead, Vec<Bytes>) {
        let mut payloads = Vec::with_capacity(rpc.entries.len());
        let entries = rpc.entries.into_iter().map(|entry| {
            let body = match entry.payload {
                EntryPayload::Blank => Body::Blank,
                EntryPayload::Membership(membership) => Body::Membership(membership),
                EntryPayload::Normal(Payload(bytes)) => {
                    // The log refuses entries of 4 GiB long before.
                    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    payloads.push(bytes);
                    Body::Normal(length)
                }
            };
            EntryHead { id: entry.log_id, body }
        });
        let entries = entries.collect();
        (AppendHead { vote: rpc.vote, prev: rpc.prev_log_id, commit: rpc.leader_commit, entries }, payloads)
    }

    /// Joins them again.
    pub fn join(self, mut payloads: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, String> {
        let mut entries = Vec::with_capacity(self.entries.len());
        for EntryHead { id, body } in self.entries {
            let payload = match body {
                Body::Blank => EntryPayload::Blank,
                Body::Membership(membership) => EntryPayload::Membership(membership),
                Body::Normal(length) => {
                    let length = length as usize;
                    if length > payloads.len() {
                        return Err(format!(
                            "entry {} wants {length} bytes, {} are left",
                            id.index,
                            payloads.len()
                        ));
                    }
                    let bytes = payloads.split_to(length);
                    let is_small = length < COPY_BELOW;
                    EntryPayload::Normal(Payload(if is_small {
                        Bytes::copy_from_slice(&bytes)
                    } else {
                        bytes
                    }))
                }
            };
            entries.push(Entry { log_id: id, payload });
        }
        if !payloads.is_empty() {
            return Err(format!("{} bytes behind the last entry", payloads.len()));
        }
        let (vote, prev_log_id, leader_commit) = (self.vote, self.prev, self.commit);
        Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
    }
}

/// A question's frame.
pub fn encode(question: &Question, payloads: Vec<Bytes>) -> Result<Frame, String> {
    let head = codec::encode(question).map_err(|e| e.to_string())?;
    let length = u32::try_from(head.len()).map_err(|e| e.to_string())?;
    let mut frame = Frame::new(length.to_le_bytes().to_vec());
    frame.push(head.into());
    payloads.into_iter().for_each(|payload| frame.push(payload));
    Ok(frame)
}

/// A question and what follows its head.
pub fn decode(mut frame: Bytes) -> Result<(Question, Bytes), String> {
    let length = frame.try_get_u32_le().map_err(|e| e.to_string())? as usize;
    if length > frame.len() {
        return Err(format!("a head of {length} bytes in a frame of {}", frame.len()));
    }
    let head = frame.split_to(length);
    Ok((codec::decode(&head).map_err(|e| e.to_string())?, frame))
}

/// An answer's frame.
pub fn encode_reply(reply: &Reply) -> Frame {
    match codec::encode(reply) {
        Ok(bytes) => Frame::new(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer to a peer has no byte form");
            Frame::default()
        }
    }
}

/// Reads an answer.
pub fn decode_reply(frame: &[u8]) -> Result<Reply, String> {
    codec::decode(frame).map_err(|e| e.to_string())
}
