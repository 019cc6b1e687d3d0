//! A replica of a stopped node: what it holds, and forcing it to be all that is left of its group.
//!
//! Raft has no answer to a majority that is gone for good. [`StoppedReplica::force`] writes one by hand, into the log,
//! as the last entry: the members are this replica alone. At its next start the replica elects itself and commits all it
//! holds, what was never acknowledged included; what only the others had is lost.
//!
//! ```text
//! vote:   a term above all that this replica knows, for itself
//! log:    ... what it holds ... | members: this one | commands, if asked |
//! ```
//! What this does *not* do: it keeps no old member from coming back. Whoever calls it has given the node another cluster
//! id first, durably, so that no old member can speak to this one (I1).

use crate::{Error, Location, Mark, Members};
use bytes::Bytes;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::vote::RaftLeaderId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use vecraft_log_store::{
    Entry, EntryPayload, GroupLog, LeaderId, LogId, Membership, NodeLog, Payload, Peer, StoredMembership,
    Vote,
};
use vecraft_types::{GroupId, LogPosition};

/// A replica that nobody runs. Its log is this one's alone as long as it lives.
pub struct StoppedReplica {
    group: GroupId,
    at: Location,
    log: GroupLog,
    checkpoint: Option<Mark>,
}

impl StoppedReplica {
    /// The replica `at` of a group, with the mark of its newest durable checkpoint.
    pub fn new(log: &NodeLog, group: GroupId, at: Location, checkpoint: Option<Mark>) -> StoppedReplica {
        StoppedReplica { group, at, log: log.group(group, at.replica), checkpoint }
    }

    /// Term and position of the last entry it holds, in its log or its checkpoint; none when it holds nothing. Of two
    /// replicas the one with the later term holds more that was acknowledged, in one term the one with the later position.
    ///
    /// # Errors
    /// [`Error::Stopped`]: the log cannot be read.
    pub async fn last(&self) -> Result<Option<(u64, LogPosition)>, Error> {
        Ok(self.top().await?.map(|id| (id.committed_leader_id().term, LogPosition(id.index))))
    }

    /// The members it knows last, and every command after its checkpoint with its position, in order.
    ///
    /// # Errors
    /// [`Error::Stopped`]: the log cannot be read.
    pub async fn read(&self, mut command: impl FnMut(LogPosition, Bytes)) -> Result<Members, Error> {
        let mut members =
            self.checkpoint.as_ref().map(|mark| Members::new(&mark.membership)).unwrap_or_default();
        let mut log = self.log.clone();
        let end = self.top().await?.map_or(0, |id| id.index + 1);
        let mut next = self.checkpoint.as_ref().map_or(0, |mark| mark.position().0 + 1);
        while next < end {
            let entries = log.limited_get_log_entries(next, end).await.map_err(|e| self.stopped(e))?;
            let Some(last) = entries.last() else { break };
            next = last.log_id.index + 1;
            for entry in entries {
                match entry.payload {
                    EntryPayload::Blank => {}
                    EntryPayload::Normal(Payload(bytes)) => command(LogPosition(entry.log_id.index), bytes),
                    EntryPayload::Membership(set) => {
                        members = Members::new(&StoredMembership::new(Some(entry.log_id), set));
                    }
                }
            }
        }
        Ok(members)
    }

    /// Makes this replica its group's only member, and then adds commands. Durable when it returns. Done again it does
    /// the same once more, without harm.
    ///
    /// # Errors
    /// [`Error::Refused`] when it holds nothing; [`Error::Stopped`] when the log cannot be read or written.
    pub async fn force(&self, commands: Vec<Bytes>) -> Result<(), Error> {
        let nothing = || Error::Refused { group: self.group, why: "this replica holds nothing".to_owned() };
        let top = self.top().await?.ok_or_else(nothing)?;
        let mut log = self.log.clone();
        let state = log.get_log_state().await.map_err(|e| self.stopped(e))?;
        if state.last_log_id.is_none_or(|last| last.index < top.index) {
            // An installed snapshot moved the checkpoint ahead of the log, and its purge point was still to be written.
            log.purge(top).await.map_err(|e| self.stopped(e))?;
        }
        let vote = log.read_vote().await.map_err(|e| self.stopped(e))?;
        let voted = vote.map_or(0, |vote| vote.leader_id.term);
        let me = self.at.replica.0;
        let leader = LeaderId::new(voted.max(top.committed_leader_id().term) + 1, me);
        log.save_vote(&Vote { leader_id: leader, committed: false }).await.map_err(|e| self.stopped(e))?;
        let nodes = BTreeMap::from([(me, Peer { node: self.at.node.0 })]);
        let alone = Membership::new(vec![BTreeSet::from([me])], nodes).map_err(|e| self.stopped(e))?;
        let commands = commands.into_iter().map(|bytes| EntryPayload::Normal(Payload(bytes)));
        let entries = std::iter::once(EntryPayload::Membership(alone)).chain(commands).zip(top.index + 1..);
        let entries: Vec<Entry> =
            entries.map(|(payload, index)| Entry { log_id: LogId::new(leader, index), payload }).collect();
        log.blocking_append(entries).await.map_err(|e| self.stopped(e))
    }

    /// The later of the log's end and the checkpoint.
    async fn top(&self) -> Result<Option<LogId>, Error> {
        let last = self.log.clone().get_log_state().await.map_err(|e| self.stopped(e))?.last_log_id;
        let checkpoint = self.checkpoint.as_ref().map(|mark| mark.log_id);
        Ok([last, checkpoint].into_iter().flatten().max_by_key(|id| id.index))
    }

    fn stopped(&self, why: impl Display) -> Error {
        Error::Stopped { group: self.group, reason: why.to_string() }
    }
}
