//! Between openraft's types and the log's records.

use bytes::Bytes;
use openraft::vote::RaftLeaderId;
use vecraft_rpc::codec;
use vecraft_types::ReplicaId;

use crate::error::{Error, Result};
use crate::raft_types::{Entry, EntryPayload, LeaderId, LogId, Membership, Payload, Vote};
use crate::record::{EntryId, EntryKind, GroupKey, LogEntry, VoteState};

pub(crate) fn entry_id(id: &LogId) -> EntryId {
    let leader = id.committed_leader_id();
    EntryId { term: leader.term, leader: ReplicaId(leader.node_id), index: id.index }
}

pub(crate) fn log_id(id: EntryId) -> LogId {
    LogId::new(LeaderId::new(id.term, id.leader.0), id.index)
}

pub(crate) fn vote_state(vote: &Vote) -> VoteState {
    VoteState {
        term: vote.leader_id.term,
        leader: ReplicaId(vote.leader_id.node_id),
        committed: vote.committed,
    }
}

pub(crate) fn vote(state: VoteState) -> Vote {
    Vote { leader_id: LeaderId::new(state.term, state.leader.0), committed: state.committed }
}

/// Normal payloads are shared, not copied.
pub(crate) fn to_log(key: GroupKey, entry: Entry) -> Result<LogEntry> {
    let id = entry_id(&entry.log_id);
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, Bytes::new()),
        EntryPayload::Normal(payload) => (EntryKind::Normal, payload.0),
        EntryPayload::Membership(membership) => {
            let bytes = codec::encode(&membership).map_err(|error| decode(key, id, &error))?;
            (EntryKind::Membership, bytes.into())
        }
    };
    Ok(LogEntry { id, kind, payload })
}

pub(crate) fn from_log(key: GroupKey, entry: LogEntry) -> Result<Entry> {
    let payload = match entry.kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Normal => EntryPayload::Normal(Payload(entry.payload)),
        EntryKind::Membership => {
            let membership: Membership =
                codec::decode(&entry.payload).map_err(|error| decode(key, entry.id, &error))?;
            EntryPayload::Membership(membership)
        }
    };
    Ok(Entry { log_id: log_id(entry.id), payload })
}

fn decode(key: GroupKey, id: EntryId, error: &codec::Error) -> Error {
    Error::Decode { key, index: id.index, what: error.to_string() }
}
