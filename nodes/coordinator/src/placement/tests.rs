//! The planner against a cluster that does what it is told, while nodes die, come back, join and leave.
#![allow(clippy::unwrap_used)]

mod failures;
mod histories;
mod nodes;

use super::*;
use std::collections::BTreeSet;
use vecraft_runtime::random::{Random, SeededRandom};
use vecraft_types::ReplicaId;

/// A cluster in which a step that is taken is done at once, and learners are near one round after they were added.
struct World {
    view: View,
    next_replica: u64,
    random: SeededRandom,
}

fn node(state: NodeState) -> NodeView {
    NodeView { state, is_query_only: false, is_alive: true, silent: None, is_lost: false, is_steady: true }
}

impl World {
    fn new(nodes: u64, groups: u64, replication: usize, seed: u64) -> World {
        let view = View {
            replication,
            nodes: (1..=nodes).map(|id| (NodeId(id), node(NodeState::Active))).collect(),
            groups: BTreeMap::new(),
            unfit: BTreeSet::new(),
            broken: BTreeMap::new(),
        };
        let mut world = World { view, next_replica: 1, random: SeededRandom::new(seed) };
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let meta: Vec<bool> =
            (0..all.len()).map(|at| at < vecraft_state::meta::meta_voters(all.len())).collect();
        world.group(GroupId::META, &all, &meta);
        for group in 1..=groups {
            let copies = replication.min(all.len());
            let on: Vec<NodeId> = (0..copies).map(|at| all[(group as usize + at) % all.len()]).collect();
            world.group(GroupId(group), &on, &vec![true; copies]);
        }
        world
    }

    fn group(&mut self, id: GroupId, nodes: &[NodeId], votes: &[bool]) {
        let mut members = MembersView { is_committed: true, ..MembersView::default() };
        let mut wanted = BTreeMap::new();
        for (node, votes) in nodes.iter().zip(votes) {
            let replica = self.new_replica();
            wanted.insert(replica, *node);
            let kind = if *votes { &mut members.voters } else { &mut members.learners };
            kind.insert(replica, *node);
            members.near.insert(replica);
        }
        members.leader = *members.voters.keys().next().unwrap();
        self.view.groups.insert(id, GroupView { wanted, members: Some(members) });
    }

    fn new_replica(&mut self) -> ReplicaId {
        self.next_replica += 1;
        ReplicaId(self.next_replica)
    }

    fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// A node joins: the metastore wants a replica of group 0 on it.
    fn join(&mut self, id: u64) {
        let replica = self.new_replica();
        self.view.nodes.insert(NodeId(id), node(NodeState::Active));
        self.view.groups.get_mut(&GroupId::META).unwrap().wanted.insert(replica, NodeId(id));
    }

    /// One whose replicas never vote.
    fn join_query_only(&mut self, id: u64) {
        self.join(id);
        self.view.nodes.get_mut(&NodeId(id)).unwrap().is_query_only = true;
    }

    fn is_query_only(&self, node: NodeId) -> bool {
        self.view.nodes[&node].is_query_only
    }

    fn set(&mut self, id: u64, state: NodeState) {
        self.view.nodes.get_mut(&NodeId(id)).unwrap().state = state;
    }

    fn kill(&mut self, id: u64, is_lost: bool) {
        let node = self.view.nodes.get_mut(&NodeId(id)).unwrap();
        (node.is_alive, node.is_lost, node.is_steady) = (false, is_lost, false);
    }

    fn revive(&mut self, id: u64) {
        let node = self.view.nodes.get_mut(&NodeId(id)).unwrap();
        (node.is_alive, node.is_lost, node.is_steady) = (true, false, true);
    }

    /// A node's replica of a group goes out of service.
    fn break_replica(&mut self, id: u64, group: u64) {
        self.view.broken.insert((NodeId(id), GroupId(group)), "a damaged file".to_owned());
    }

    /// Majorities elect leaders, living followers catch up, removed nodes stop.
    fn settle(&mut self) {
        let nodes = &mut self.view.nodes;
        nodes
            .values_mut()
            .filter(|node| node.state == NodeState::Removed)
            .for_each(|node| node.is_alive = false);
        let alive: BTreeSet<NodeId> =
            nodes.iter().filter(|(_, node)| node.is_alive).map(|(id, _)| *id).collect();
        let broken = &self.view.broken;
        for (id, group) in &mut self.view.groups {
            let alive = |node: &NodeId| alive.contains(node) && !broken.contains_key(&(*node, *id));
            let members = group.members.as_mut().unwrap();
            let living = members.voters.iter().filter(|(_, node)| alive(node));
            let living: Vec<ReplicaId> = living.map(|(replica, _)| *replica).collect();
            if living.len() > members.voters.len() / 2 && !living.contains(&members.leader) {
                members.leader = living[0];
            }
            let all = members.voters.iter().chain(&members.learners);
            members.near = all.filter(|(_, node)| alive(node)).map(|(replica, _)| *replica).collect();
        }
    }

    /// Nodes remove what is wanted no more, now and then.
    fn remove_unwanted(&mut self) {
        let random = &self.random;
        let groups = &self.view.groups;
        self.view.broken.retain(|(node, group), _| {
            groups[group].wanted.values().any(|at| at == node) || !random.next_u64().is_multiple_of(3)
        });
    }

    fn has_majority(&self, group: GroupId) -> bool {
        let members = self.view.groups[&group].members.as_ref().unwrap();
        let serves =
            |node: &&NodeId| self.view.is_alive(**node) && !self.view.broken.contains_key(&(**node, group));
        members.voters.values().filter(serves).count() > members.voters.len() / 2
    }

    /// What the planner sees: nobody hears of a group that nobody leads.
    fn seen(&self) -> View {
        let mut view = self.view.clone();
        for (id, group) in &mut view.groups {
            if !self.has_majority(*id) {
                group.members = None;
            }
        }
        view
    }

    /// Takes a step, checking that it harms nobody.
    fn take(&mut self, step: &Step) {
        let replica = self.new_replica();
        let view = self.view.clone();
        let alive = |node: &NodeId| view.is_alive(*node);
        match step {
            Step::Place { group, node } => {
                let is_broken = |node| view.broken.contains_key(&(node, *group));
                let is_active = view.nodes[node].state == NodeState::Active;
                assert!(is_active && view.is_alive(*node), "{step:?}");
                let group = self.view.groups.get_mut(group).unwrap();
                assert!(
                    group.wanted.values().all(|at| at != node),
                    "two replicas of a group on one node: {step:?}"
                );
                assert!(!is_broken(*node), "one that left service is there: {step:?}");
                group.wanted.insert(replica, *node);
            }
            Step::AddLearner { group, replica, node } => {
                let group = self.view.groups.get_mut(group).unwrap();
                assert_eq!(group.wanted.get(replica), Some(node), "{step:?}");
                assert!(
                    group.members.as_mut().unwrap().learners.insert(*replica, *node).is_none(),
                    "{step:?}"
                );
            }
            Step::RemoveLearner { group, replica } => {
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                assert!(members.learners.remove(replica).is_some(), "{step:?}");
            }
            Step::SetVoters { group, voters } => {
                assert!(self.has_majority(*group), "a change without a majority: {step:?}");
                let is_meta = *group == GroupId::META;
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                let old = members.voters.clone();
                let leaving = old.keys().filter(|replica| !voters.contains(replica)).count();
                assert!(leaving <= old.len() / 2, "{leaving} of {} leave at once", old.len());
                assert!(!voters.is_empty());
                let mut new = BTreeMap::new();
                for voter in voters {
                    let at = old.get(voter).copied().or_else(|| members.learners.remove(voter)).unwrap();
                    assert!(
                        old.contains_key(voter) || members.near.contains(voter),
                        "it lags and joins: {step:?}"
                    );
                    new.insert(*voter, at);
                }
                let follows =
                    |(replica, node): &(&ReplicaId, &NodeId)| alive(node) && members.near.contains(replica);
                assert!(new.iter().filter(follows).count() > new.len() / 2, "dead majority: {step:?}");
                if is_meta {
                    let kept = old.iter().filter(|(replica, _)| !voters.contains(replica));
                    members.learners.extend(kept.map(|(replica, node)| (*replica, *node)));
                }
                assert!(new.values().all(|node| !view.nodes[node].is_query_only), "it votes: {step:?}");
                members.voters = new;
                assert!(members.voters.contains_key(&members.leader), "the leader was taken away: {step:?}");
            }
            Step::Unplace { group, replica } => {
                let group = self.view.groups.get_mut(group).unwrap();
                assert!(!group.members.as_ref().unwrap().has(*replica), "it still counts: {step:?}");
                assert!(group.wanted.remove(replica).is_some() && !group.wanted.is_empty(), "{step:?}");
            }
            Step::Lead { group, to } => {
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                assert!(alive(&members.voters[to]) && members.near.contains(to), "{step:?}");
                members.leader = *to;
            }
            Step::Retire(node) => {
                let holds = self.view.pool().any(|(_, group)| group.wanted.values().any(|at| at == node));
                assert!(!holds, "{step:?}");
                self.view.nodes.get_mut(node).unwrap().state = NodeState::Removed;
            }
        }
    }

    fn round(&mut self) -> usize {
        self.settle();
        let mut steps = plan(&self.seen());
        let count = steps.len();
        // Some fail, as in life.
        steps.retain(|_| self.below(5) > 0);
        for step in &steps {
            self.take(step);
        }
        let removing = self.view.broken.len();
        self.remove_unwanted();
        count + (removing - self.view.broken.len())
    }

    /// Goes on until nothing is left to do.
    fn finish(&mut self) -> usize {
        let limit = 400 * (self.view.groups.len() + self.view.nodes.len());
        for taken in 0..limit {
            if self.round() == 0 {
                return taken;
            }
        }
        panic!("it never ends: {:#?}", plan(&self.seen()));
    }

    /// The same, and every node has removed what is wanted no more.
    fn finish_removing(&mut self) {
        for _ in 0..1_000 {
            if self.finish() == 0 && self.view.broken.is_empty() {
                return;
            }
            self.remove_unwanted();
        }
        panic!("never removed: {:?}", self.view.broken);
    }

    fn on(&self, group: u64) -> Vec<u64> {
        let members = self.view.groups[&GroupId(group)].members.as_ref().unwrap();
        let mut nodes: Vec<u64> = members.voters.values().map(|node| node.0).collect();
        nodes.sort_unstable();
        nodes
    }

    /// The nodes on which a group's learners are.
    fn following(&self, group: u64) -> Vec<u64> {
        let members = self.view.groups[&GroupId(group)].members.as_ref().unwrap();
        let mut nodes: Vec<u64> = members.learners.values().map(|node| node.0).collect();
        nodes.sort_unstable();
        nodes
    }

    fn loads(&self) -> BTreeMap<u64, usize> {
        let active = self.view.nodes.keys().filter(|node| self.view.takes_copies(**node));
        let held = |node: &NodeId| {
            self.view.pool().filter(|(_, group)| group.wanted.values().any(|at| at == node)).count()
        };
        active.map(|node| (node.0, held(node))).collect()
    }
}
