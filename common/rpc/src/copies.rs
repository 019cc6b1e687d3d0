//! Copies of index files on the replicas of a shard (I13): built once, fetched by the others.
//!
//! ```text
//!  leader's node                         each other replica
//!  build ── file, durable ── hold ──>    pull by checksum ── durable ── "held"
//!  a majority holds it ── IndexReady ──> applied here ── the file is here: used; is not: pulled from who has it
//! ```
//! Both ways are asked by the index role; the node that has the file serves it over [`crate::files`]. What is *not* here:
//! which build counts (the shard's log), and how fast files travel (the data role, which pulls snapshots too).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vecraft_types::{IndexBuild, NodeId, Result, SegmentId, ShardId};

/// Who has a replica of a shard, as the replica here knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMembers {
    /// This node.
    pub own: NodeId,
    /// The leader's node, when it is known.
    pub leader: Option<NodeId>,
    /// Nodes whose replicas count for a majority; while the members change, of both sets.
    pub voters: BTreeSet<NodeId>,
    /// Nodes whose replicas only follow.
    pub learners: BTreeSet<NodeId>,
    /// The members change: two majorities count.
    pub is_changing: bool,
}

impl ShardMembers {
    /// Whether nobody else has a replica. Not before the members are known.
    pub fn is_alone(&self) -> bool {
        self.voters.contains(&self.own) && self.others().next().is_none()
    }

    /// Whether indexes of the shard are built here: one node does it, the leader's.
    pub fn builds_here(&self) -> bool {
        self.leader == Some(self.own) || self.is_alone()
    }

    /// The other nodes, those first that are likely to have time: the leader last.
    pub fn others(&self) -> impl Iterator<Item = NodeId> {
        let others = self.voters.union(&self.learners).copied().filter(|node| *node != self.own);
        let is_leader = |node: &NodeId| self.leader == Some(*node);
        let leader = others.clone().filter(move |node| is_leader(node));
        others.filter(move |node| !is_leader(node)).chain(leader)
    }

    /// Whether these nodes are a majority of the voters, whichever set of them counts in the end.
    pub fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let counted = self.voters.intersection(nodes).count();
        // Of two sets that change into one another only the smaller part is known here, so all must agree.
        let needed = if self.is_changing { self.voters.len() } else { self.voters.len() / 2 + 1 };
        counted >= needed
    }
}

/// Names a file that a replica is asked to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldIndex {
    /// The shard.
    pub shard: ShardId,
    /// Its segment.
    pub segment: SegmentId,
    /// The build.
    pub build: IndexBuild,
    /// The node that has the file.
    pub from: NodeId,
}

/// Takes copies of index files. Served by the index role.
#[async_trait]
pub trait IndexHolder: Send + Sync {
    /// Returns once the file is durable here and stays until the shard's log names it or another build.
    ///
    /// # Errors
    /// Why it is not: this replica has not sealed the segment yet, holds other rows, has no room; the file cannot be read
    /// where it is.
    async fn hold(&self, hold: HoldIndex) -> Result<()>;
}

/// A whole file of another node, to come under the same path here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeFile {
    /// Path below the data directory.
    pub path: String,
    /// The kind in its header.
    pub kind: [u8; 4],
    /// The newest layout of it that this program reads.
    pub format: u32,
    /// Its length.
    pub bytes: u64,
    /// What every byte of it must come to.
    pub checksum: u64,
}

/// The other replicas of shards, as the index role needs them.
#[async_trait]
pub trait IndexPeers: Send + Sync {
    /// Who has a replica; none when the shard is not here or out of service.
    fn members(&self, shard: ShardId) -> Option<ShardMembers>;

    /// Has another node hold a file that is here.
    ///
    /// # Errors
    /// Its refusal, or why it could not be asked.
    async fn hold(&self, node: NodeId, hold: HoldIndex) -> Result<()>;

    /// Brings a file of another node here: verified and durable when this returns. One that broke off goes on where it was.
    ///
    /// # Errors
    /// [`vecraft_types::Code::IndexNotFound`] when that node has no such file, or another one under its name; else why it
    /// could not be asked, or what the disk refused.
    async fn pull(&self, node: NodeId, shard: ShardId, file: WholeFile) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u64], learners: &[u64], leader: Option<u64>) -> ShardMembers {
        let nodes = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect();
        ShardMembers {
            own: NodeId(1),
            leader: leader.map(NodeId),
            voters: nodes(voters),
            learners: nodes(learners),
            is_changing: false,
        }
    }

    #[test]
    fn i13_one_node_builds_the_leaders_or_the_only_one() {
        assert!(members(&[1], &[], None).builds_here());
        assert!(members(&[1, 2, 3], &[], Some(1)).builds_here());
        assert!(!members(&[1, 2, 3], &[], Some(2)).builds_here());
        assert!(!members(&[1, 2, 3], &[], None).builds_here());
        assert!(!members(&[1], &[2], None).builds_here());
        assert!(!members(&[], &[], None).builds_here(), "nobody knows the members yet");
    }

    #[test]
    fn the_leader_is_asked_last() {
        let others: Vec<u64> = members(&[1, 2, 3], &[4], Some(2)).others().map(|node| node.0).collect();
        assert_eq!(others, [3, 4, 2]);
    }

    #[test]
    fn i13_learners_do_not_count_and_a_change_needs_all() {
        let mut members = members(&[1, 2, 3], &[4], Some(1));
        let is = |members: &ShardMembers, ids: &[u64]| {
            members.is_majority(&ids.iter().map(|id| NodeId(*id)).collect())
        };
        assert!(!is(&members, &[1]) && !is(&members, &[1, 4]) && is(&members, &[1, 3]));
        members.is_changing = true;
        assert!(!is(&members, &[1, 3]) && is(&members, &[1, 2, 3]));
    }
}
