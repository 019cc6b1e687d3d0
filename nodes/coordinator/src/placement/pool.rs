//! The pool's groups: on which nodes each should be, and its next step.

use super::view::{GroupView, Step, View};
use super::voters;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// On which nodes a group should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its replicas vote here.
    pub copies: BTreeSet<NodeId>,
    /// Query-only nodes: its replicas follow here.
    pub learners: BTreeSet<NodeId>,
}

/// On which nodes each pool group should be. What is there stays there when it may.
pub fn targets(view: &View) -> BTreeMap<GroupId, Target> {
    let mut load = loads(view);
    let mut target =
        |id, group| Target { copies: copies_of(view, id, group, &mut load), learners: learners(view, group) };
    view.pool().map(|(id, group)| (id, target(id, group))).collect()
}

/// Every query-only node; a silent one keeps what it has, and gets nothing before it answers.
fn learners(view: &View, group: &GroupView) -> BTreeSet<NodeId> {
    let holds = |node: &NodeId| group.wanted.values().any(|at| at == node);
    view.query_only().filter(|node| holds(node) || view.is_alive(*node)).collect()
}

/// Copies wanted on each node that takes any.
fn loads(view: &View) -> BTreeMap<NodeId, usize> {
    let mut load: BTreeMap<NodeId, usize> =
        view.nodes.keys().filter(|node| view.takes_copies(**node)).map(|node| (*node, 0)).collect();
    for node in view.pool().flat_map(|(_, group)| group.wanted.values()) {
        if let Some(load) = load.get_mut(node) {
            *load += 1;
        }
    }
    load
}

/// Copies that each group should have.
pub fn copies(view: &View) -> usize {
    view.replication.min(view.takers()).max(1)
}

fn copies_of(
    view: &View,
    id: GroupId,
    group: &GroupView,
    load: &mut BTreeMap<NodeId, usize>,
) -> BTreeSet<NodeId> {
    let size = copies(view);
    let holders: BTreeSet<NodeId> =
        group.wanted.values().copied().filter(|node| view.takes_copies(*node)).collect();
    let mut target: BTreeSet<NodeId> =
        holders.iter().copied().filter(|node| !view.has_lost(*node, id)).collect();
    while target.len() > size {
        // The dead first, then the fullest: after a move for balance that is the one it was made for.
        let leaving =
            target.iter().copied().max_by_key(|node| (!view.is_alive(*node), load.get(node).copied(), *node));
        let Some(leaving) = leaving else { break };
        target.remove(&leaving);
        load.entry(leaving).and_modify(|load| *load -= 1);
    }
    while target.len() < size {
        // Where one left service nothing is made before the node has removed it.
        let is_free = |node: &NodeId| view.is_alive(*node) && !view.is_broken(*node, id);
        let free = load.iter().filter(|(node, _)| is_free(node) && !holders.contains(node));
        let free = free.filter(|(node, _)| !target.contains(node));
        let Some((node, _)) = free.min_by_key(|(node, load)| (**load, **node)) else { break };
        let node = *node;
        target.insert(node);
        load.entry(node).and_modify(|load| *load += 1);
    }
    // There is no elsewhere for these. One that is out of service on a living node is let go all the same when those that
    // serve are a majority of all copies without it: they decide as much as before, and once it is removed its node has
    // room for a new one.
    let decide = 2 * target.len() > size;
    let stays = |node: &&NodeId| view.is_lost(**node) || (view.is_broken(**node, id) && !decide);
    let missing = size.saturating_sub(target.len());
    target.extend(holders.iter().filter(stays).take(missing).copied().collect::<Vec<_>>());
    target
}

/// The wanted replicas on some nodes.
fn wanted_on(group: &GroupView, nodes: &BTreeSet<NodeId>) -> BTreeSet<ReplicaId> {
    group.wanted.iter().filter(|(_, node)| nodes.contains(node)).map(|(replica, _)| *replica).collect()
}

/// Whether the group is exactly where it should be.
pub fn is_there(group: &GroupView, target: &Target) -> bool {
    let Some(members) = &group.members else { return false };
    let wanted: BTreeSet<NodeId> = group.wanted.values().copied().collect();
    wanted.iter().eq(target.copies.union(&target.learners))
        && !members.is_joint
        && members.learners.keys().eq(&wanted_on(group, &target.learners))
        && members.voters.keys().eq(&wanted_on(group, &target.copies))
}

/// Whether something has been done for the group already: a replica beside its members.
pub fn has_begun(view: &View, group: &GroupView, target: &Target) -> bool {
    let Some(members) = &group.members else { return false };
    let is_new = |(replica, node): (&ReplicaId, &NodeId)| {
        let votes_soon =
            target.copies.contains(node) && view.takes_copies(*node) && !members.voters.contains_key(replica);
        votes_soon || (target.learners.contains(node) && !members.has(*replica))
    };
    members.is_joint || group.wanted.iter().any(is_new)
}

/// The next step of a group towards its nodes.
pub fn step(view: &View, id: GroupId, group: &GroupView, target: &Target) -> Option<Step> {
    // What is not committed may still be undone by another leader: nothing is built on it.
    let members = group.members.as_ref().filter(|members| members.is_committed)?;
    let place_one = |nodes: &BTreeSet<NodeId>| {
        let lacks = |node: &&NodeId| group.wanted.values().all(|at| at != *node);
        nodes.iter().find(lacks).map(|node| Step::Place { group: id, node: *node })
    };
    let add_one = |replicas: &BTreeSet<ReplicaId>| {
        let replica = *replicas.iter().find(|replica| !members.has(**replica))?;
        Some(Step::AddLearner { group: id, replica, node: *group.wanted.get(&replica)? })
    };
    if let Some(step) = place_one(&target.copies) {
        return Some(step);
    }
    let (copies, learners) = (wanted_on(group, &target.copies), wanted_on(group, &target.learners));
    if members.is_joint {
        return voters::towards(view, id, members, &voters::finishable(members, &copies));
    }
    let is_wanted = |replica: &ReplicaId| copies.contains(replica) || learners.contains(replica);
    if let Some(replica) = members.learners.keys().find(|replica| !is_wanted(replica)) {
        return Some(Step::RemoveLearner { group: id, replica: *replica });
    }
    if let Some(step) = add_one(&copies).or_else(|| voters::towards(view, id, members, &copies)) {
        return Some(step);
    }
    let gone = group.wanted.keys().find(|replica| !is_wanted(replica) && !members.has(**replica));
    let unplace = gone.map(|replica| Step::Unplace { group: id, replica: *replica });
    // Last, so that copies wait for nothing that only reads.
    unplace.or_else(|| place_one(&target.learners)).or_else(|| add_one(&learners))
}

/// One replica from the fullest node to the emptiest, when that makes a difference.
pub fn balance(view: &View) -> Option<Step> {
    let load = loads(view);
    let (emptiest, least) =
        load.iter().filter(|(node, _)| view.is_alive(**node)).min_by_key(|(node, load)| (**load, **node))?;
    let (fullest, most) = load.iter().max_by_key(|(node, load)| (**load, Reverse(**node)))?;
    if *most < *least + 2 {
        return None;
    }
    let is_on = |group: &GroupView, node: &NodeId| group.wanted.values().any(|at| at == node);
    let leads = |group: &GroupView| {
        let members = group.members.as_ref();
        members.is_some_and(|members| members.voters.get(&members.leader) == Some(fullest))
    };
    let movable = view.pool().filter(|(_, group)| is_on(group, fullest) && !is_on(group, emptiest));
    let (group, _) = movable.min_by_key(|(id, group)| (leads(group), *id))?;
    Some(Step::Place { group, node: *emptiest })
}

/// One leader from the node that leads most to one that leads fewer by two.
pub fn spread_leaders(view: &View) -> Option<Step> {
    let count = super::leaders(view);
    let of = |node: &NodeId| count.get(node).copied().unwrap_or(0);
    let mut moves = Vec::new();
    for (id, group) in view.pool() {
        let Some(members) = group.members.as_ref().filter(|members| members.is_committed) else { continue };
        let Some(from) = members.voters.get(&members.leader) else { continue };
        for (replica, node) in &members.voters {
            let is_steady = view.nodes.get(node).is_some_and(|node| node.is_steady);
            if is_steady && of(node) + 2 <= of(from) && voters::is_heir(view, id, members, *replica) {
                moves.push((of(from) - of(node), Reverse(id), *replica));
            }
        }
    }
    let (_, Reverse(group), to) = moves.into_iter().max()?;
    Some(Step::Lead { group, to })
}
