//! Groups that left service on this node while the others serve (I24).

use crate::node::DataNode;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use vecraft_types::{Code, Error, GroupId, ShardId};

/// Why each group is out of service here.
#[derive(Debug, Default)]
pub(crate) struct Outages(RwLock<BTreeMap<GroupId, String>>);

impl Outages {
    /// What a caller hears about a group that is not here.
    pub(crate) fn missing(&self, group: GroupId) -> Error {
        match self.0.read().get(&group) {
            Some(why) => {
                Error::new(Code::Io, format!("out of service on this node: {why}")).with("group", group)
            }
            None => {
                Error::new(Code::ReplicaUnavailable, "the group is not on this node").with("group", group)
            }
        }
    }
}

impl DataNode {
    /// Takes a group out of service: its shards answer with the reason from now on, the other groups go on. Its files,
    /// its checkpoint and its log stay as they are.
    pub fn take_out(&self, group: GroupId, shards: impl IntoIterator<Item = ShardId>, why: String) {
        tracing::error!(%group, why, "a group is out of service on this node, the others serve (I24)");
        self.outages.0.write().entry(group).or_insert(why);
        self.groups.write().remove(&group);
        shards.into_iter().for_each(|shard| self.routes.add(shard, group));
        self.routes.of_group(group).into_iter().for_each(|shard| self.views.remove(shard));
    }

    /// The groups out of service here, with the reasons.
    pub fn outages(&self) -> Vec<(GroupId, String)> {
        self.outages.0.read().iter().map(|(group, why)| (*group, why.clone())).collect()
    }
}
