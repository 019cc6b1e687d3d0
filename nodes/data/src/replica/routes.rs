//! Which group holds which shard on this node.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use vecraft_types::{GroupId, ShardId};

/// Which group of this node holds which shard; kept by the replicas, read by the services.
#[derive(Debug, Default)]
pub struct Routes(RwLock<BTreeMap<ShardId, GroupId>>);

impl Routes {
    pub(crate) fn add(&self, shard: ShardId, group: GroupId) {
        self.0.write().insert(shard, group);
    }

    pub(crate) fn remove(&self, shard: ShardId) {
        self.0.write().remove(&shard);
    }

    /// The shards of a group.
    pub(crate) fn of_group(&self, group: GroupId) -> Vec<ShardId> {
        self.0.read().iter().filter(|(_, of)| **of == group).map(|(shard, _)| *shard).collect()
    }

    /// The group of a shard that is here.
    pub fn group_of(&self, shard: ShardId) -> Option<GroupId> {
        self.0.read().get(&shard).copied()
    }
}
