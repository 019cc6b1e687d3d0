//! What left service on this node while the rest serves (I24): whole groups, and shards with a damaged file.
//!
//! A group that left only because the disk was full comes back when there is room ([`DataNode::may_begin_again`], P6);
//! all others stay out until a restart.

use crate::group::DataGroup;
use crate::node::DataNode;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use vecraft_types::{Code, Error, GroupId, Result, ShardId};

/// Why each group is out of service here.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    now: RwLock<BTreeMap<GroupId, Outage>>,
    /// How often one left service for something else than room, since the start. One that is made anew within a second
    /// was out of service for too short a time to be seen.
    left: AtomicU64,
}

#[derive(Debug)]
struct Outage {
    why: String,
    /// Other replicas can serve the group: who asked here may ask again, and will find another leader.
    has_others: bool,
    /// Nothing is wrong with it but a full disk.
    lacks_room: bool,
}

impl Outages {
    pub(crate) fn forget(&self, group: GroupId) {
        self.now.write().remove(&group);
    }

    /// What a caller hears about a group that is not here.
    pub(crate) fn missing(&self, group: GroupId) -> Error {
        match self.now.read().get(&group) {
            Some(Outage { why, has_others, .. }) => {
                let code = if *has_others { Code::ReplicaUnavailable } else { Code::Io };
                Error::new(code, format!("out of service on this node: {why}")).with("group", group)
            }
            None => {
                Error::new(Code::ReplicaUnavailable, "the group is not on this node").with("group", group)
            }
        }
    }
}

impl DataNode {
    /// Refuses a write to a shard that a damaged file took out of service. A lone replica takes none: nobody could read it,
    /// and the way back may be an older copy of the directory. With others the log brings it to healthy replicas, which
    /// read; only what must read here first (delete by filter) is refused.
    pub(crate) fn check_files(&self, group: &DataGroup, shard: ShardId, must_read: bool) -> Result<()> {
        let is_alone = || group.raft.members().is_alone(group.raft.replica());
        match self.views.refusal(shard) {
            Some(refusal) if must_read || is_alone() => Err(refusal.with("shard", shard)),
            _ => Ok(()),
        }
    }

    /// An error of reading a shard's files here.
    pub(crate) fn unreadable(&self, shard: ShardId, error: vecraft_segment::Error) -> Error {
        if self.views.report_damage(shard, &error) {
            tracing::error!(%shard, %error, "damaged file, this replica of the shard leaves service");
        }
        Error::from(error).with("shard", shard)
    }

    /// Takes a group out of service: its shards answer with the reason from now on, the other groups go on. Its files,
    /// its checkpoint and its log stay as they are.
    pub fn take_out(&self, group: GroupId, shards: impl IntoIterator<Item = ShardId>, why: String) {
        self.leave_service(group, shards, why, false);
    }

    /// The same for a group that stopped because the disk is full, and writes nothing any more: it may begin again when
    /// there is room.
    pub fn take_out_for_now(&self, group: GroupId, shards: impl IntoIterator<Item = ShardId>, why: String) {
        self.leave_service(group, shards, why, true);
    }

    fn leave_service(
        &self,
        group: GroupId,
        shards: impl IntoIterator<Item = ShardId>,
        why: String,
        lacks_room: bool,
    ) {
        tracing::error!(%group, why, "a group is out of service on this node, the others serve (I24)");
        let running = self.remove_group(group);
        let has_others = running.is_some_and(|group| !group.raft.members().is_alone(group.raft.replica()));
        let mut outages = self.outages.now.write();
        let is_new = match outages.entry(group) {
            Entry::Vacant(new) => {
                new.insert(Outage { why, has_others, lacks_room });
                true
            }
            // It did not begin again. Whatever stops it now decides.
            Entry::Occupied(mut tried) if tried.get().lacks_room => {
                let has_others = has_others || tried.get().has_others;
                tried.insert(Outage { why, has_others, lacks_room });
                true
            }
            // Who stopped it and who saw it end both tell.
            Entry::Occupied(_) => false,
        };
        drop(outages);
        if is_new && !lacks_room {
            self.outages.left.fetch_add(1, Ordering::Relaxed);
        }
        shards.into_iter().for_each(|shard| self.routes.add(shard, group));
        self.routes.of_group(group).into_iter().for_each(|shard| self.views.remove(shard));
    }

    /// The groups with a damaged file in a shard of theirs: another replica leads better.
    pub fn damaged_groups(&self) -> BTreeMap<GroupId, String> {
        let damaged = self.views.damaged().into_iter();
        damaged.filter_map(|(shard, why)| Some((self.routes.group_of(shard)?, why))).collect()
    }

    /// The groups that are out of service only because the disk was full, once it has room (P6).
    pub fn may_begin_again(&self) -> Vec<GroupId> {
        let lacking = |outages: &BTreeMap<GroupId, Outage>| -> Vec<GroupId> {
            outages.iter().filter(|(_, outage)| outage.lacks_room).map(|(group, _)| *group).collect()
        };
        let groups = lacking(&self.outages.now.read());
        if groups.is_empty() || self.check_space(true).is_err() { Vec::new() } else { groups }
    }

    /// The groups that are out of service here and do not begin again by themselves, with the reasons.
    pub fn lost_replicas(&self) -> BTreeMap<GroupId, String> {
        let outages = self.outages.now.read();
        let lost = outages.iter().filter(|(_, outage)| !outage.lacks_room);
        lost.map(|(group, outage)| (*group, outage.why.clone())).collect()
    }

    /// How often a replica left service here since the start, for something else than a full disk.
    pub(crate) fn left_service(&self) -> u64 {
        self.outages.left.load(Ordering::Relaxed)
    }

    /// The groups out of service here, with the reasons.
    pub fn outages(&self) -> Vec<(GroupId, String)> {
        self.outages.now.read().iter().map(|(group, outage)| (*group, outage.why.clone())).collect()
    }
}
