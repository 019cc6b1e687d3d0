//! The last resort: a node whose cluster has lost its majority for good goes on alone, from what it holds.
//!
//! ```text
//! stopped node ── survey: every group has a replica here, with state ──> what would be lost, in words; nothing changed
//!      │ force, in this order, each step durable before the next:
//!      1. the directory's cluster id becomes a new one            no old node can speak to this one any more (I1)
//!      2. each pool group's log: this replica is the only member; then what makes the group fit the catalogue again
//!         and what was being fetched for it is forgotten
//!      3. group 0's log: likewise, and the other nodes are removed for ever
//!      4. the record of 1 is crossed out                          until then the node does not start
//! ```
//! It works on the stopped node's directory, under its lock, so it can race with nothing. What it does *not* do: it cannot
//! know whether the others are really gone. If enough of them start again where this node cannot be reached, the old cluster
//! serves again beside this one; once they reach it, it tells them that they were let go.

mod amends;
mod ancestry;
mod notice;
#[cfg(test)]
mod tests;
mod unfinished;
mod words;

pub use ancestry::ancestors;
pub use notice::announce;
pub use unfinished::Unfinished;

use crate::Error;
use crate::directory::Offline;
use crate::identity::{Identity, Phase};
use crate::member_record;
use amends::Amend;
use bytes::Bytes;
use std::path::Path;
use vecraft_coordinator::recover as metastore;
use vecraft_data::{Failures, StoppedShards};
use vecraft_log_store::NodeLog;
use vecraft_raft_host::{Location, Mark, Members, StoppedReplica};
use vecraft_runtime::clock::{Clock, SystemClock};
use vecraft_runtime::random::{OsRandom, Random};
use vecraft_state::meta::{ClusterId, MetaState};
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId, Timestamp};

/// A surveyed directory, locked. Dropping it changes nothing.
pub struct Recovery {
    offline: Offline,
    log: NodeLog,
    identity: Identity,
    unfinished: Option<Unfinished>,
    groups: Vec<Surveyed>,
    /// Nodes that would be removed.
    others: Vec<NodeId>,
    collections: usize,
}

/// A group as this node holds it.
struct Surveyed {
    group: GroupId,
    at: Location,
    replica: StoppedReplica,
    /// Term and position.
    last: (u64, LogPosition),
    members: Members,
    /// A copy of the group up to this entry was on its way here.
    fetching: Option<LogPosition>,
    /// What makes it fit the catalogue again.
    amends: Vec<Amend>,
}

impl Recovery {
    /// Reads a stopped node's directory.
    ///
    /// # Errors
    /// A directory in use, or of no cluster; a node that lacks a group, whose replica of one is out of service for good,
    /// or that needs no recovery.
    pub async fn survey(dir: &Path) -> Result<Recovery, Error> {
        let offline = Offline::open(dir)?;
        let kv = offline.kv.clone();
        let identity = Identity::read(kv.as_ref())?.filter(|identity| identity.phase == Phase::Formed);
        let identity =
            identity.ok_or_else(|| refused("this directory belongs to no cluster yet".to_owned()))?;
        let unfinished = Unfinished::read(kv.as_ref())?;
        let log = offline.open_log(&OsRandom)?;
        let (meta, state) = metastore_here(&offline, &log, identity.node).await?;
        state.check_recovery(identity.node).map_err(|why| refused(why.detail))?;
        let mut groups = vec![meta];
        let here = member_record::pool_replicas(kv.as_ref())?;
        for (group, row) in state.root().groups.iter().filter(|(group, _)| **group != GroupId::META) {
            let own =
                row.replicas.iter().find(|(_, node)| **node == identity.node).map(|(replica, _)| *replica);
            let Some(own) = own.filter(|own| here.get(group) == Some(own)) else {
                return Err(refused(format!(
                    "group {group} has a replica here that has not begun: it holds nothing"
                )));
            };
            // I22, I24: it is known to be wrong, or to never start again.
            let failures = Failures::load(kv.clone(), *group)?;
            if let Some(why) = failures.quarantine() {
                return Err(refused(format!(
                    "group {group} has a replica here that is out of service for good: {why}"
                )));
            }
            let mark = vecraft_data::checkpoint_mark(kv.as_ref(), *group)?;
            let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose()?;
            let mut shards = StoppedShards::checkpointed(kv.as_ref(), *group)?;
            let apply = |at, command: Bytes| {
                if !failures.is_skipped(at) {
                    shards.apply(&command);
                }
            };
            let mut surveyed = Surveyed::read(&log, *group, own, identity.node, mark, apply).await?;
            surveyed.fetching = vecraft_data::fetched_until(kv.as_ref(), *group)?;
            surveyed.amends = Amend::of_group(&state, *group, &shards);
            groups.push(surveyed);
        }
        let is_alone = |surveyed: &Surveyed| surveyed.members.is_alone(surveyed.at.replica);
        if unfinished.is_none() && groups.iter().all(is_alone) {
            return Err(refused(
                "this node is the only member of every group: it needs no recovery, start it".to_owned(),
            ));
        }
        let known = state.root().nodes.keys().copied();
        let others = known.filter(|node| *node != identity.node && !is_removed(&state, *node)).collect();
        let collections = state.collections().count();
        Ok(Recovery { offline, log, identity, unfinished, groups, others, collections })
    }

    /// The id of the cluster whose majority is gone, as people see it.
    pub fn cluster_id(&self) -> String {
        let was = self.unfinished.map_or(self.identity.cluster_id, |unfinished| unfinished.was);
        ClusterId(was).to_string()
    }

    /// What is done to collections of which the catalogue here knows more than the groups, one sentence each.
    pub fn amended(&self) -> Vec<String> {
        self.groups.iter().flat_map(|surveyed| &surveyed.amends).map(ToString::to_string).collect()
    }

    /// Does it. Returns the new cluster's id. After a failure, or a crash, the same again goes on.
    ///
    /// # Errors
    /// Storage errors, a log that cannot be written.
    pub async fn force(self) -> Result<String, Error> {
        let begun = self
            .unfinished
            .unwrap_or_else(|| Unfinished { was: self.identity.cluster_id, becomes: OsRandom.next_u128() });
        let kv = self.offline.kv.as_ref();
        begun.begin(kv, &self.identity, &self.amended())?;
        let becomes = ClusterId(begun.becomes);
        let now = SystemClock::new().now_ms();
        // Group 0 last: as long as it names the old cluster, a survey finds everything as before.
        for surveyed in self.groups.iter().rev() {
            if surveyed.group == GroupId::META {
                let recovery = metastore::recovery(now, becomes, self.identity.node)?;
                surveyed.replica.force(vec![recovery]).await?;
                continue;
            }
            let entries = surveyed.amends.iter().map(|amend| amend.entry(Timestamp::from_millis(now)));
            surveyed.replica.force(entries.collect::<Result<_, _>>()?).await?;
            vecraft_data::forget_fetch(kv, surveyed.group)?;
        }
        Unfinished::end(kv)?;
        self.log.close();
        Ok(becomes.to_string())
    }
}

impl Surveyed {
    async fn read(
        log: &NodeLog,
        group: GroupId,
        replica: ReplicaId,
        node: NodeId,
        mark: Option<Mark>,
        command: impl FnMut(LogPosition, Bytes),
    ) -> Result<Surveyed, Error> {
        let at = Location { replica, node };
        let replica = StoppedReplica::new(log, group, at, mark);
        let members = replica.read(command).await?;
        let nothing = || {
            refused(format!(
                "group {group} has a replica here, but it holds nothing: all its rows would be lost"
            ))
        };
        let last = replica.last().await?.filter(|_| members.id.is_some()).ok_or_else(nothing)?;
        Ok(Surveyed { group, at, replica, last, members, fetching: None, amends: Vec::new() })
    }
}

/// Group 0's replica here, and the metastore with all that its log holds.
async fn metastore_here(
    offline: &Offline,
    log: &NodeLog,
    node: NodeId,
) -> Result<(Surveyed, MetaState), Error> {
    let known = member_record::meta_replica(offline.kv.as_ref())?;
    let known = known.ok_or_else(|| refused("this directory knows no replica of group 0".to_owned()))?;
    let (mark, mut state) = metastore::stored(offline.kv.as_ref())?;
    let mut commands = Vec::new();
    let surveyed =
        Surveyed::read(log, GroupId::META, known.replica, node, mark, |_, bytes| commands.push(bytes))
            .await?;
    metastore::replay(&mut state, &commands)?;
    Ok((surveyed, state))
}

fn is_removed(state: &MetaState, node: NodeId) -> bool {
    state.placement().state_of(node) == Some(vecraft_state::meta::NodeState::Removed)
}

fn refused(why: String) -> Error {
    Error::Other { what: "this node cannot be recovered", why }
}
