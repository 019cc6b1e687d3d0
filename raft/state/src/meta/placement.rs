//! Who is in the cluster, and where each group's replicas should be: the *wanted* side of membership (I1, I2).
//!
//! ```text
//! a node:     Expected ── admitted ──> Active <──> Draining ──> Leaving ──> Removed, for ever
//! a replica:  placed (a new id) ──> added and promoted by its group ──> let go by its group ──> row taken away
//! ```
//! What holds at all times: an id of a node or replica is never given twice; a group never loses its last replica; a
//! plan that was made for other replicas of a group than those that stand here is refused (its version is older).
//! Whether a replica runs, and whether its group counts it, is not known here.

use super::state::take;
use super::{MetaOutcome, MetaState, NodeRow};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{Error, GroupId, NodeId, ReplicaId, Result};

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// An operator announced it; it has not come yet.
    Expected,
    /// It takes replicas.
    Active,
    /// Its replicas move away; it stays.
    Draining,
    /// Its replicas move away, and then it is removed.
    Leaving,
    /// It is gone. Its id is not given again.
    Removed,
}

impl NodeState {
    /// In the words of the command line.
    pub fn name(self) -> &'static str {
        match self {
            NodeState::Expected => "expected",
            NodeState::Active => "active",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
            NodeState::Removed => "removed",
        }
    }
}

/// What is known of a node beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Where it stands.
    pub state: NodeState,
    /// Random bits that its directory drew before it asked to join: the same directory may ask again, another one may
    /// not (I1). Zero for the nodes that formed the cluster.
    pub directory: u128,
}

/// See the [module](self). A part of [`MetaState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Replicas with lower ids were made with the cluster. All others join a group that exists (I1).
    pub formed_below: ReplicaId,
    /// Copies wanted of each pool group; zero until the first leader has told what its configuration says.
    pub replication: u32,
    /// Every node there ever was.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// How often a group's wanted replicas have changed.
    pub versions: BTreeMap<GroupId, u64>,
    /// Nodes whose replicas follow and never vote: they answer reads. Settled when a node joins. Not a part of this record's
    /// bytes: a checkpoint has it behind, where earlier programs wrote nothing.
    #[serde(skip)]
    pub query_only: BTreeSet<NodeId>,
}

impl Placement {
    /// How a cluster of programs before this record looked: all nodes active, all replicas made with the cluster.
    pub(super) fn of_formed(root: &super::MetaRoot) -> Placement {
        let active = NodeRecord { state: NodeState::Active, directory: 0 };
        Placement {
            formed_below: ReplicaId(root.next.replica),
            nodes: root.nodes.keys().map(|node| (*node, active)).collect(),
            ..Placement::default()
        }
    }

    /// Where a node stands; none when nobody ever heard of it.
    pub fn state_of(&self, node: NodeId) -> Option<NodeState> {
        self.nodes.get(&node).map(|record| record.state)
    }

    /// Whether replicas on a node may vote and count as copies.
    pub fn keeps_copies(&self, node: NodeId) -> bool {
        !self.query_only.contains(&node)
    }

    /// Whether a node with this empty directory could ever join under this id (I1). A refusal holds for ever, so any
    /// replica may give it from what it has applied, whoever leads.
    ///
    /// # Errors
    /// The id was removed, or is that of a node with another directory.
    pub fn check_joining(&self, id: NodeId, directory: u128) -> Result<()> {
        match self.nodes.get(&id) {
            Some(NodeRecord { state: NodeState::Removed, .. }) => Err(was_removed(id)),
            None | Some(NodeRecord { state: NodeState::Expected, .. }) => Ok(()),
            Some(record) if record.directory == directory => Ok(()),
            Some(_) => Err(Error::invalid(format!(
                "node {id} is in the cluster with another directory than this empty one: a node that lost its directory \
                 must not come back under its old identity (I1). Bring the directory back, or give the node up with \
                 `vecraft node remove {id}` and join with a new id: vecraft node add NEW_ID HOST:NODE_PORT. When the other \
                 nodes have no majority without it: vecraft node recover --help"
            ))),
        }
    }

    /// The version of a group's wanted replicas.
    pub fn version_of(&self, group: GroupId) -> u64 {
        self.versions.get(&group).copied().unwrap_or(0)
    }
}

impl MetaState {
    /// An operator announces a node.
    pub(super) fn expect_node(&mut self, node: NodeRow) -> Result<MetaOutcome> {
        let id = node.id;
        if id.0 == 0 || node.address.is_empty() {
            return Err(Error::invalid("a node needs an id from 1 and the address of its node port"));
        }
        match self.placement.state_of(id) {
            Some(NodeState::Removed) => Err(was_removed(id)),
            None | Some(NodeState::Expected) => {
                self.root.nodes.insert(id, node);
                let record = NodeRecord { state: NodeState::Expected, directory: 0 };
                self.placement.nodes.insert(id, record);
                Ok(MetaOutcome::Done)
            }
            Some(state) => {
                Err(Error::invalid(format!("node {id} is in the cluster already ({})", state.name())))
            }
        }
    }

    /// A node with an empty directory asks to join: it gets its replica of group 0 (I1).
    pub(super) fn admit_node(
        &mut self,
        node: NodeRow,
        directory: u128,
        is_listed: bool,
        is_query_only: bool,
    ) -> Result<MetaOutcome> {
        let id = node.id;
        if id.0 == 0 || directory == 0 {
            return Err(Error::invalid("a node that joins needs an id from 1 and a directory of its own"));
        }
        self.placement.check_joining(id, directory)?;
        match self.placement.nodes.get(&id).copied() {
            None if !is_listed => Err(Error::invalid(format!(
                "the cluster expects no node {id}: announce it first with: vecraft node add {id} HOST:NODE_PORT"
            ))),
            None | Some(NodeRecord { state: NodeState::Expected, .. }) => {
                let replica = take(&mut self.root.next.replica, 1).ok_or_else(super::cluster::used_up)?;
                let replica = ReplicaId(replica);
                self.root.nodes.insert(id, node);
                self.root.groups.entry(GroupId::META).or_default().replicas.insert(replica, id);
                self.bump(GroupId::META);
                let record = NodeRecord { state: NodeState::Active, directory };
                self.placement.nodes.insert(id, record);
                if is_query_only {
                    self.placement.query_only.insert(id);
                }
                Ok(MetaOutcome::Replicas(replica))
            }
            Some(_) => {
                let row = self.root.groups.get(&GroupId::META);
                let own = row.and_then(|row| row.replicas.iter().find(|(_, at)| **at == id));
                let (replica, _) =
                    own.ok_or_else(|| Error::internal(format!("node {id} has no replica of group 0")))?;
                Ok(MetaOutcome::Replicas(*replica))
            }
        }
    }

    /// Moves a node to another state; see the picture of the [module](self).
    pub(super) fn set_node(&mut self, id: NodeId, to: NodeState) -> Result<MetaOutcome> {
        let unknown = || Error::invalid(format!("there is no node {id}"));
        let from = self.placement.state_of(id).ok_or_else(unknown)?;
        if from == to {
            return Ok(MetaOutcome::Done);
        }
        match (from, to) {
            (NodeState::Removed, _) => return Err(was_removed(id)),
            (NodeState::Expected, NodeState::Leaving | NodeState::Removed) => {
                self.set(id, NodeState::Removed)
            }
            (NodeState::Draining | NodeState::Leaving, NodeState::Active) => self.set(id, to),
            (_, NodeState::Draining | NodeState::Leaving) if from != NodeState::Expected => {
                self.check_leaving(id)?;
                self.set(id, to);
            }
            (NodeState::Leaving, NodeState::Removed) if !self.holds_pool_replicas(id) => self.set(id, to),
            (NodeState::Leaving, NodeState::Removed) => {
                return Err(Error::invalid(format!("node {id} still holds replicas")));
            }
            _ => {
                let text = format!("node {id} is {} and cannot become {}", from.name(), to.name());
                return Err(Error::invalid(text));
            }
        }
        Ok(MetaOutcome::Done)
    }

    fn set(&mut self, id: NodeId, state: NodeState) {
        if let Some(record) = self.placement.nodes.get_mut(&id) {
            record.state = state;
        }
    }

    /// The last one cannot go, nor so many at once that what was acknowledged would rest on too few. Query-only nodes go
    /// whenever they like, and are no place for others' copies.
    fn check_leaving(&self, id: NodeId) -> Result<()> {
        if !self.placement.keeps_copies(id) {
            return Ok(());
        }
        let in_state = |wanted: &[NodeState]| {
            let nodes = self.placement.nodes.iter().filter(|(_, record)| wanted.contains(&record.state));
            let nodes = nodes.map(|(node, _)| *node);
            nodes.filter(|node| self.placement.keeps_copies(*node)).collect::<Vec<_>>()
        };
        let active = in_state(&[NodeState::Active]);
        if active.iter().all(|node| *node == id) {
            return Err(Error::invalid(format!(
                "node {id} is the last one that takes replicas: its data would have no place to go"
            )));
        }
        let going = in_state(&[NodeState::Draining, NodeState::Leaving]);
        let mut going: Vec<_> =
            going.into_iter().filter(|node| *node != id && self.holds_pool_replicas(*node)).collect();
        let present = in_state(&[NodeState::Active, NodeState::Draining, NodeState::Leaving]).len();
        going.push(id);
        if going.len() > present / 2 {
            let others: Vec<String> =
                going.iter().filter(|node| **node != id).map(ToString::to_string).collect();
            return Err(Error::invalid(format!(
                "{} of {present} nodes would leave at once, and what was acknowledged would rest on too few: wait until \
                 node {} is empty",
                going.len(),
                others.join(" and node ")
            )));
        }
        Ok(())
    }

    /// Whether a pool group is wanted on the node.
    pub fn holds_pool_replicas(&self, node: NodeId) -> bool {
        let pool = self.root.groups.iter().filter(|(group, _)| **group != GroupId::META);
        pool.flat_map(|(_, row)| row.replicas.values()).any(|at| *at == node)
    }

    /// A new replica of a pool group (I1): a new id, on a node that has none.
    pub(super) fn place_replica(
        &mut self,
        group: GroupId,
        node: NodeId,
        version: u64,
    ) -> Result<MetaOutcome> {
        self.check_version(group, version)?;
        if group == GroupId::META {
            return Err(Error::invalid("replicas of group 0 come with their nodes"));
        }
        if self.placement.state_of(node) != Some(NodeState::Active) {
            return Err(Error::invalid(format!("node {node} takes no replicas")));
        }
        let row = self.root.groups.get_mut(&group);
        let row = row.ok_or_else(|| Error::invalid(format!("there is no group {group}")))?;
        if row.replicas.values().any(|at| *at == node) {
            return Err(Error::invalid(format!("node {node} has a replica of group {group}")));
        }
        let replica = take(&mut self.root.next.replica, 1).ok_or_else(super::cluster::used_up)?;
        row.replicas.insert(ReplicaId(replica), node);
        self.bump(group);
        Ok(MetaOutcome::Replicas(ReplicaId(replica)))
    }

    /// A replica that its group has let go of is wanted no more.
    pub(super) fn unplace_replica(
        &mut self,
        group: GroupId,
        replica: ReplicaId,
        version: u64,
    ) -> Result<MetaOutcome> {
        self.check_version(group, version)?;
        let row = self.root.groups.get_mut(&group);
        let row = row.ok_or_else(|| Error::invalid(format!("there is no group {group}")))?;
        let is_copy = |node: &NodeId| self.placement.keeps_copies(*node);
        let left = row.replicas.iter().filter(|(other, at)| **other != replica && is_copy(at)).count();
        if left == 0 && row.replicas.get(&replica).is_none_or(is_copy) {
            return Err(Error::invalid(format!("replica {replica} is the last one of group {group}")));
        }
        row.replicas.remove(&replica);
        self.bump(group);
        Ok(MetaOutcome::Done)
    }

    /// Copies wanted of each pool group.
    pub(super) fn set_replication(&mut self, replication: u32) -> Result<MetaOutcome> {
        if replication == 0 {
            return Err(Error::invalid("replication is 0, at least 1 is needed"));
        }
        self.placement.replication = replication;
        Ok(MetaOutcome::Done)
    }

    fn check_version(&self, group: GroupId, planned_for: u64) -> Result<()> {
        let stands = self.placement.version_of(group);
        if planned_for == stands {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the plan was made for version {planned_for} of group {group}'s replicas, which are at {stands}"
        )))
    }

    pub(super) fn bump(&mut self, group: GroupId) {
        *self.placement.versions.entry(group).or_insert(0) += 1;
    }

    /// Nodes and replicas as wanted.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }
}

fn was_removed(id: NodeId) -> Error {
    Error::invalid(format!("node {id} was removed, and ids of nodes are never used again: choose a new one"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::meta::{ClusterId, MetaChange, MetaCommand};
    use vecraft_types::Timestamp;

    fn row(id: u64) -> NodeRow {
        NodeRow { id: NodeId(id), address: format!("host{id}:1") }
    }

    fn apply(state: &mut MetaState, change: MetaChange) -> Result<MetaOutcome> {
        state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome
    }

    fn formed(nodes: u64) -> MetaState {
        let mut state = MetaState::default();
        let nodes = (1..=nodes).map(row).collect();
        let form = MetaChange::Form { cluster: ClusterId(7), nodes, replication: 3, pool_groups: 2 };
        apply(&mut state, form).unwrap();
        state
    }

    fn set(state: &mut MetaState, node: u64, to: NodeState) -> Result<MetaOutcome> {
        apply(state, MetaChange::SetNode { node: NodeId(node), state: to })
    }

    fn words(outcome: Result<MetaOutcome>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn i1_a_node_joins_once_with_one_directory_and_new_ids() {
        let mut state = formed(1);
        let admit = |state: &mut MetaState, id, directory, is_listed| {
            apply(state, MetaChange::AdmitNode { node: row(id), directory, is_listed })
        };
        assert!(words(admit(&mut state, 2, 5, false)).contains("vecraft node add 2"));
        apply(&mut state, MetaChange::ExpectNode(row(2))).unwrap();
        let first = admit(&mut state, 2, 5, false).unwrap();
        let MetaOutcome::Replicas(replica) = first else { panic!("{first:?}") };
        assert!(replica >= state.placement().formed_below);
        assert_eq!(
            admit(&mut state, 2, 5, false).unwrap(),
            MetaOutcome::Replicas(replica),
            "the answer got lost"
        );
        assert!(
            words(admit(&mut state, 2, 6, true)).contains("vecraft node remove 2"),
            "its directory was wiped"
        );
        assert!(words(admit(&mut state, 1, 6, true)).contains("vecraft node remove 1"));
        let listed = admit(&mut state, 3, 9, true).unwrap();
        assert_eq!(listed, MetaOutcome::Replicas(ReplicaId(replica.0 + 1)));
        assert_eq!(state.root().groups[&GroupId::META].replicas.len(), 3);
        set(&mut state, 2, NodeState::Leaving).unwrap();
        set(&mut state, 2, NodeState::Removed).unwrap();
        assert!(words(admit(&mut state, 2, 5, true)).contains("never used again"));
        assert!(words(apply(&mut state, MetaChange::ExpectNode(row(2)))).contains("never used again"));
    }

    #[test]
    fn a_query_only_node_is_no_elsewhere_and_goes_when_it_likes() {
        let mut state = formed(1);
        let admit = MetaChange::AdmitQueryOnly { node: row(2), directory: 5, is_listed: true };
        apply(&mut state, admit.clone()).unwrap();
        assert!(!state.placement().keeps_copies(NodeId(2)) && state.placement().keeps_copies(NodeId(1)));
        assert_eq!(apply(&mut state, admit).unwrap(), MetaOutcome::Replicas(ReplicaId(4)), "asked again");
        assert!(words(set(&mut state, 1, NodeState::Leaving)).contains("last one"));
        let group = GroupId(1);
        let place = MetaChange::PlaceReplica { group, node: NodeId(2), version: 0 };
        let MetaOutcome::Replicas(learner) = apply(&mut state, place).unwrap() else { panic!() };
        let copy = *state.root().groups[&group].replicas.keys().next().unwrap();
        let unplace = |replica| MetaChange::UnplaceReplica { group, replica, version: 1 };
        assert!(words(apply(&mut state, unplace(copy))).contains("last one of group 1"));
        apply(&mut state, unplace(learner)).unwrap();
        // Neither does it make a majority that may leave at once.
        let admit = |id| MetaChange::AdmitNode { node: row(id), directory: 9, is_listed: true };
        apply(&mut state, admit(3)).unwrap();
        apply(&mut state, admit(4)).unwrap();
        set(&mut state, 1, NodeState::Leaving).unwrap();
        assert!(words(set(&mut state, 3, NodeState::Leaving)).contains("2 of 3 nodes"));
        set(&mut state, 2, NodeState::Leaving).unwrap();
    }

    #[test]
    fn the_last_node_and_a_majority_at_once_may_not_leave() {
        let mut state = formed(3);
        set(&mut state, 2, NodeState::Leaving).unwrap();
        let refused = words(set(&mut state, 3, NodeState::Leaving));
        assert!(refused.contains("2 of 3 nodes") && refused.contains("node 2 is empty"), "{refused}");
        assert!(words(set(&mut state, 2, NodeState::Removed)).contains("still holds replicas"));
        set(&mut state, 2, NodeState::Active).unwrap();
        let mut alone = formed(1);
        assert!(words(set(&mut alone, 1, NodeState::Leaving)).contains("last one"));
        assert!(words(set(&mut alone, 9, NodeState::Leaving)).contains("no node 9"));
    }

    #[test]
    fn i2_a_late_plan_changes_nothing_and_ids_of_replicas_are_new() {
        let mut state = formed(4);
        let group = GroupId(1);
        let free = (1..=4)
            .map(NodeId)
            .find(|node| !state.root().groups[&group].replicas.values().any(|at| at == node));
        let place = |version| MetaChange::PlaceReplica { group, node: free.unwrap(), version };
        let below = state.root().next.replica;
        assert_eq!(apply(&mut state, place(0)).unwrap(), MetaOutcome::Replicas(ReplicaId(below)));
        assert!(words(apply(&mut state, place(0))).contains("version 0"));
        assert!(words(apply(&mut state, place(1))).contains("has a replica"));
        let leaving = *state.root().groups[&group].replicas.keys().next().unwrap();
        let unplace = |replica, version| MetaChange::UnplaceReplica { group, replica, version };
        assert!(apply(&mut state, unplace(leaving, 0)).is_err());
        apply(&mut state, unplace(leaving, 1)).unwrap();
        assert_eq!(state.root().groups[&group].replicas.len(), 3);
        for (version, replica) in (2..4).zip(state.root().groups[&group].replicas.clone().into_keys()) {
            apply(&mut state, unplace(replica, version)).unwrap();
        }
        let last = *state.root().groups[&group].replicas.keys().next().unwrap();
        assert!(words(apply(&mut state, unplace(last, 4))).contains("last one of group 1"));
        assert!(
            words(apply(
                &mut state,
                MetaChange::PlaceReplica { group: GroupId::META, node: NodeId(1), version: 0 }
            ))
            .contains("group 0")
        );
    }
}
