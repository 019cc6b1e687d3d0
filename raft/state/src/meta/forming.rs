//! The first command of a cluster of several nodes: who is in it, and who holds what.
//!
//! ```text
//! group 0      a replica on every node; voters are the first 1, 3 or 5 nodes by id, the others follow
//! pool group g replicas on `replication` nodes, beginning with node number g: first replicas, and with them the first
//!              leaders, spread evenly
//! ```
//! Query-only nodes follow group 0 and have nothing of the pool yet: the coordinator gives them learners.

use super::cluster::check_group_count;
use super::{ClusterId, GroupRow, MetaOutcome, MetaState, NodeRow, Placement};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{Error, GroupId, NodeId, ReplicaId, Result};

/// Most voters of group 0: more would make each change of the catalogue slower, not safer.
const META_VOTERS_MAX: usize = 5;

/// How many of `nodes` nodes vote in group 0: an odd number, as an even one tolerates no further failure.
pub fn meta_voters(nodes: usize) -> usize {
    let odd = if nodes.is_multiple_of(2) { nodes.saturating_sub(1) } else { nodes };
    odd.clamp(1, META_VOTERS_MAX)
}

/// The replicas of group 0 that vote when a cluster of these nodes forms; `query_only` ones never do.
pub fn first_meta_voters(
    nodes: impl IntoIterator<Item = NodeId>,
    query_only: &BTreeSet<NodeId>,
) -> BTreeMap<ReplicaId, NodeId> {
    let may_vote: Vec<_> = meta_replicas(nodes).filter(|(_, node)| !query_only.contains(node)).collect();
    let voters = meta_voters(may_vote.len());
    may_vote.into_iter().take(voters).collect()
}

/// Group 0's replica ids before group 0 can allocate any (I1): nodes in the order of their ids, counted from 1.
pub fn meta_replicas(nodes: impl IntoIterator<Item = NodeId>) -> impl Iterator<Item = (ReplicaId, NodeId)> {
    let sorted: BTreeSet<NodeId> = nodes.into_iter().collect();
    (1..).map(ReplicaId).zip(sorted)
}

impl MetaState {
    /// I1: happens once. The same cluster id again is a repeated proposal and succeeds without effect.
    pub(super) fn form(
        &mut self,
        cluster: ClusterId,
        nodes: Vec<NodeRow>,
        query_only: BTreeSet<NodeId>,
        replication: u32,
        pool_groups: u32,
    ) -> Result<MetaOutcome> {
        match self.root.cluster {
            Some(found) if found == cluster => return Ok(MetaOutcome::Done),
            Some(found) => {
                return Err(Error::internal(format!("the metastore already belongs to cluster {found}")));
            }
            None => {}
        }
        let ids: BTreeSet<NodeId> = nodes.iter().map(|node| node.id).collect();
        if ids.is_empty() || ids.len() != nodes.len() || ids.contains(&NodeId(0)) {
            return Err(Error::invalid("a cluster needs nodes with different ids from 1"));
        }
        if !query_only.is_subset(&ids) || query_only.len() == ids.len() {
            return Err(Error::invalid(
                "a cluster needs a node that keeps copies beside the query-only ones",
            ));
        }
        if replication == 0 {
            return Err(Error::invalid("replication is 0, at least 1 is needed"));
        }
        check_group_count(0, pool_groups)?;
        self.root.nodes = nodes.into_iter().map(|node| (node.id, node)).collect();
        let replicas = meta_replicas(ids.iter().copied()).collect();
        self.root.next.replica = ids.len() as u64 + 1;
        self.root.groups.insert(GroupId::META, GroupRow { replicas, shards: 0 });
        self.root.cluster = Some(cluster);
        let order: Vec<NodeId> = ids.difference(&query_only).copied().collect();
        let copies = (replication as usize).min(order.len());
        for group in 0..pool_groups as usize {
            let nodes: Vec<NodeId> = (0..copies).map(|copy| order[(group + copy) % order.len()]).collect();
            self.add_pool_groups(1, &nodes)?;
        }
        self.placement = Placement { query_only, ..Placement::of_formed(&self.root) };
        Ok(MetaOutcome::Done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::meta::{MetaChange, MetaCommand};
    use vecraft_types::Timestamp;

    fn form(nodes: &[u64], replication: u32, pool_groups: u32) -> (MetaState, Result<MetaOutcome>) {
        let nodes = nodes.iter().map(|id| NodeRow { id: NodeId(*id), address: format!("n{id}:1") }).collect();
        let change = MetaChange::Form { cluster: ClusterId(7), nodes, replication, pool_groups };
        let mut state = MetaState::default();
        let outcome = state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome;
        (state, outcome)
    }

    #[test]
    fn i1_every_replica_has_an_id_of_its_own_and_first_leaders_are_spread() {
        let (state, outcome) = form(&[3, 1, 2], 3, 6);
        assert_eq!(outcome, Ok(MetaOutcome::Done));
        let groups = &state.root().groups;
        let ids: Vec<ReplicaId> = groups.values().flat_map(|row| row.replicas.keys().copied()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 7 * 3);
        let meta: Vec<_> = groups[&GroupId::META].replicas.iter().map(|(id, node)| (id.0, node.0)).collect();
        assert_eq!(meta, [(1, 1), (2, 2), (3, 3)]);
        let first = |group: u64| groups[&GroupId(group)].replicas.values().next().unwrap().0;
        assert_eq!((1..=6).map(first).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn replication_is_the_smaller_of_what_is_wanted_and_the_nodes() {
        let copies = |nodes: &[u64], replication| {
            let (state, _) = form(nodes, replication, 1);
            state.root().groups[&GroupId(1)].replicas.len()
        };
        assert_eq!((copies(&[1], 3), copies(&[1, 2], 3), copies(&[1, 2, 3, 4], 3)), (1, 2, 3));
        assert!(form(&[1, 1], 3, 1).1.is_err() && form(&[], 3, 1).1.is_err() && form(&[1], 0, 1).1.is_err());
    }

    #[test]
    fn query_only_nodes_follow_group_0_and_have_none_of_the_first_replicas() {
        let nodes: Vec<NodeRow> =
            (1..=4).map(|id| NodeRow { id: NodeId(id), address: format!("n{id}:1") }).collect();
        let form = |query_only: &[u64]| {
            let (nodes, query_only) = (nodes.clone(), query_only.iter().copied().map(NodeId).collect());
            let cluster = ClusterId(7);
            let change =
                MetaChange::FormWithQueryOnly { cluster, nodes, query_only, replication: 3, pool_groups: 3 };
            let mut state = MetaState::default();
            let outcome = state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome;
            (state, outcome)
        };
        let (state, outcome) = form(&[1]);
        assert_eq!(outcome, Ok(MetaOutcome::Done));
        assert_eq!(state.root().groups[&GroupId::META].replicas.len(), 4);
        for group in 1..=3 {
            let on: BTreeSet<u64> =
                state.root().groups[&GroupId(group)].replicas.values().map(|node| node.0).collect();
            assert_eq!(on, BTreeSet::from([2, 3, 4]));
        }
        assert!(form(&[1, 2, 3, 4]).1.is_err() && form(&[9]).1.is_err());
        let ids = || (1..=4).map(NodeId);
        let voters = |query_only: &[u64]| {
            let voters = first_meta_voters(ids(), &query_only.iter().copied().map(NodeId).collect());
            voters.into_iter().map(|(replica, node)| (replica.0, node.0)).collect::<Vec<_>>()
        };
        assert_eq!(voters(&[]), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(voters(&[1]), [(2, 2), (3, 3), (4, 4)]);
        assert_eq!(voters(&[1, 4]), [(2, 2)]);
    }

    #[test]
    fn group_0_has_an_odd_number_of_voters() {
        assert_eq!((1..=7).map(meta_voters).collect::<Vec<_>>(), [1, 1, 3, 3, 5, 5, 5]);
    }
}
