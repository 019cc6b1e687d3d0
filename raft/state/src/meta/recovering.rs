//! The one change that no majority asked for: a cluster goes on with a single node, under a new cluster id (I1).
//!
//! An operator who has lost the majority for good has this written into the log of the node that is left, while it is
//! stopped. The others are removed for ever and their replicas are wanted no more; under the new id none of them, nor
//! any other directory of the old cluster, is spoken to again.
//!
//! The catalogue that is left may be older than the rows beside it: what was made last may be known to shards of the pool,
//! and not to it. So ids go on counting far beyond those that it knows: under a new collection no rows of another one
//! appear, and no row gets the key of another one. Shards of collections that it does not know are kept (I11).

use super::{ClusterId, MetaOutcome, MetaState, NodeState};
use vecraft_types::{CollectionId, Error, GroupId, NodeId, Result};

/// So many ids of each kind are passed over: more than any lost history gave.
const PASSED_OVER: u64 = 1 << 24;
/// Keys of rows are given in blocks, and many more of them.
const ROWS_PASSED_OVER: u64 = 1 << 40;

impl MetaState {
    /// The same cluster id again is a repeated attempt and succeeds without effect.
    pub(super) fn recover(&mut self, cluster: ClusterId, survivor: NodeId) -> Result<MetaOutcome> {
        if self.root.cluster == Some(cluster) {
            return Ok(MetaOutcome::Done);
        }
        self.check_recovery(survivor)?;
        self.root.cluster = Some(cluster);
        self.pass_over();
        let groups: Vec<GroupId> = self.root.groups.keys().copied().collect();
        for row in self.root.groups.values_mut() {
            row.replicas.retain(|_, node| *node == survivor);
        }
        for group in groups {
            self.bump(group);
        }
        for (node, record) in &mut self.placement.nodes {
            match record.state {
                _ if *node == survivor => record.state = NodeState::Active,
                // It has never been here: what it may be is what it always was.
                NodeState::Expected => {}
                _ => record.state = NodeState::Removed,
            }
        }
        Ok(MetaOutcome::Done)
    }

    /// Gives no id that the lost history may have given.
    fn pass_over(&mut self) {
        let next = &mut self.root.next;
        let from = CollectionId(next.collection);
        for id in [&mut next.collection, &mut next.partition, &mut next.index, &mut next.replica] {
            *id = id.saturating_add(PASSED_OVER);
        }
        next.row = next.row.saturating_add(ROWS_PASSED_OVER);
        self.unseen.insert(from, CollectionId(next.collection));
    }

    /// Whether a node could go on alone: it belongs to the cluster, and every group has a replica there.
    ///
    /// # Errors
    /// Why not, with the groups that it lacks.
    pub fn check_recovery(&self, survivor: NodeId) -> Result<()> {
        match self.placement.state_of(survivor) {
            Some(NodeState::Active | NodeState::Draining | NodeState::Leaving) => {}
            state => {
                let state = state.map_or("not in the cluster", NodeState::name);
                return Err(Error::invalid(format!("node {survivor} is {state} and cannot stand for it")));
            }
        }
        if !self.placement.keeps_copies(survivor) {
            return Err(Error::invalid(format!(
                "node {survivor} is query-only: its replicas never voted and may lack what was acknowledged. Choose a node \
                 that keeps copies"
            )));
        }
        let lacks =
            self.root.groups.iter().filter(|(_, row)| !row.replicas.values().any(|at| *at == survivor));
        let lacks: Vec<String> = lacks.map(|(group, _)| group.to_string()).collect();
        if lacks.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "node {survivor} has no replica of group {}: all rows of their shards would be lost. Choose a node that has all",
            lacks.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::meta::{MetaChange, MetaCommand, NodeRow};
    use vecraft_types::Timestamp;

    fn apply(state: &mut MetaState, change: MetaChange) -> Result<MetaOutcome> {
        state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome
    }

    fn formed(nodes: u64, replication: u32) -> MetaState {
        let mut state = MetaState::default();
        let nodes =
            (1..=nodes).map(|id| NodeRow { id: NodeId(id), address: format!("host{id}:1") }).collect();
        let form = MetaChange::Form { cluster: ClusterId(7), nodes, replication, pool_groups: 4 };
        apply(&mut state, form).unwrap();
        state
    }

    fn recover(cluster: u128, survivor: u64) -> MetaChange {
        MetaChange::Recover { cluster: ClusterId(cluster), survivor: NodeId(survivor) }
    }

    #[test]
    fn a_query_only_node_does_not_stand_for_the_cluster() {
        let mut state = formed(1, 1);
        let node = NodeRow { id: NodeId(2), address: "h:1".to_owned() };
        apply(&mut state, MetaChange::AdmitQueryOnly { node, directory: 5, is_listed: true }).unwrap();
        for group in 1..=4 {
            let (group, node) = (GroupId(group), NodeId(2));
            apply(&mut state, MetaChange::PlaceReplica { group, node, version: 0 }).unwrap();
        }
        let why = apply(&mut state, recover(8, 2)).unwrap_err().to_string();
        assert!(why.contains("node 2 is query-only"), "{why}");
        apply(&mut state, recover(8, 1)).unwrap();
    }

    #[test]
    fn i1_one_node_goes_on_under_a_new_id_and_the_others_are_gone_for_ever() {
        let mut state = formed(3, 3);
        let next = state.root().next.clone();
        apply(&mut state, recover(8, 2)).unwrap();
        let once = state.clone();
        apply(&mut state, recover(8, 2)).unwrap();
        assert_eq!(state.root().cluster, Some(ClusterId(8)));
        // What a lost history may have given is not given again, and its shards are not taken for dropped ones.
        let now = &state.root().next;
        for (now, then) in [
            (now.collection, next.collection),
            (now.partition, next.partition),
            (now.index, next.index),
            (now.replica, next.replica),
        ] {
            assert_eq!(now, then + PASSED_OVER, "once, not with each attempt");
        }
        assert_eq!(now.row, next.row + ROWS_PASSED_OVER);
        let is_dropped = |id| state.is_dropped(CollectionId(id));
        assert!(
            !is_dropped(next.collection) && !is_dropped(now.collection - 1) && !is_dropped(now.collection)
        );
        assert_eq!(state.root().groups, once.root().groups, "a repeated attempt changes nothing");
        for row in state.root().groups.values() {
            assert!(row.replicas.len() == 1 && row.replicas.values().all(|at| *at == NodeId(2)));
        }
        for gone in [1, 3] {
            assert!(state.placement().check_joining(NodeId(gone), 5).is_err());
            let announced = MetaChange::ExpectNode(NodeRow { id: NodeId(gone), address: "h:1".to_owned() });
            assert!(apply(&mut state, announced).is_err());
        }
        let announced = MetaChange::ExpectNode(NodeRow { id: NodeId(4), address: "h:1".to_owned() });
        apply(&mut state, announced).unwrap();
    }

    #[test]
    fn a_node_that_lacks_groups_or_is_no_member_cannot_stand_for_the_cluster() {
        let mut state = formed(4, 3);
        let why = apply(&mut state, recover(8, 1)).unwrap_err().to_string();
        assert!(why.contains("no replica of group 2:"), "{why}");
        assert!(apply(&mut state, recover(8, 9)).is_err());
        assert_eq!(state.root().cluster, Some(ClusterId(7)));
    }
}
