//! Where groups and replicas are, and whether replicas are alike.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use vecraft_types::*;

/// Where groups and their leaders are, as far as this node knows. Memory only, and may be out of date: whoever is asked
/// wrongly refuses.
pub trait Topology: Send + Sync {
    /// This node.
    fn own(&self) -> NodeId;
    /// The group that holds a shard.
    fn group_of(&self, shard: ShardId) -> Option<GroupId>;
    /// The node that leads a group.
    fn leader_of(&self, group: GroupId) -> Option<NodeId>;
    /// The nodes with a replica of a group.
    fn nodes_of(&self, group: GroupId) -> Vec<NodeId>;
    /// How many replicas of a shard answer reads; none means all.
    fn replicas_of(&self, shard: ShardId) -> Option<usize>;
    /// The nodes that this one could not reach when it last tried, which it does all the time.
    fn out_of_reach(&self) -> Vec<NodeId>;
}

/// What one replica of a group holds, in numbers that others compare (I22, I23).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDigest {
    /// Its hash at positions of the log, oldest first.
    pub marks: Vec<(LogPosition, u64)>,
    /// Checksums of the column files of sealed segments.
    pub files: Vec<(ShardId, SegmentId, u64)>,
}

/// What this node's replicas hold. Served by the data role.
#[async_trait]
pub trait GroupDigests: Send + Sync {
    /// The digest of this node's replica.
    async fn digest(&self, group: GroupId) -> Result<GroupDigest>;
}

/// What other nodes' replicas hold.
#[async_trait]
pub trait DigestsElsewhere: Send + Sync {
    /// As [`GroupDigests::digest`] on that node.
    async fn digest(&self, node: NodeId, group: GroupId) -> Result<GroupDigest>;
}
