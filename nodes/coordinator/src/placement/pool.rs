//! The pool's groups: on which nodes each should be, and its next step.

use super::view::{GroupView, Step, View};
use super::voters;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// On which nodes each pool group should be. What is there stays there when it may.
pub fn targets(view: &View) -> BTreeMap<GroupId, BTreeSet<NodeId>> {
    let mut load = loads(view);
    view.pool().map(|(id, group)| (id, target(view, group, &mut load))).collect()
}

/// Replicas wanted on each node that takes any.
fn loads(view: &View) -> BTreeMap<NodeId, usize> {
    let mut load: BTreeMap<NodeId, usize> =
        view.nodes.keys().filter(|node| view.is_active(**node)).map(|node| (*node, 0)).collect();
    for node in view.pool().flat_map(|(_, group)| group.wanted.values()) {
        if let Some(load) = load.get_mut(node) {
            *load += 1;
        }
    }
    load
}

/// Replicas that each group should have.
pub fn copies(view: &View) -> usize {
    view.replication.min(view.active_count()).max(1)
}

fn target(view: &View, group: &GroupView, load: &mut BTreeMap<NodeId, usize>) -> BTreeSet<NodeId> {
    let size = copies(view);
    let holders: BTreeSet<NodeId> =
        group.wanted.values().copied().filter(|node| view.is_active(*node)).collect();
    let mut target: BTreeSet<NodeId> = holders.iter().copied().filter(|node| !view.is_lost(*node)).collect();
    while target.len() > size {
        // The dead first, then the fullest: after a move for balance that is the one it was made for.
        let leaving =
            target.iter().copied().max_by_key(|node| (!view.is_alive(*node), load.get(node).copied(), *node));
        let Some(leaving) = leaving else { break };
        target.remove(&leaving);
        load.entry(leaving).and_modify(|load| *load -= 1);
    }
    while target.len() < size {
        let free = load.iter().filter(|(node, _)| view.is_alive(**node) && !holders.contains(node));
        let free = free.filter(|(node, _)| !target.contains(node));
        let Some((node, _)) = free.min_by_key(|(node, load)| (**load, **node)) else { break };
        let node = *node;
        target.insert(node);
        load.entry(node).and_modify(|load| *load += 1);
    }
    // There is no elsewhere for these.
    let lost = holders.iter().filter(|node| view.is_lost(**node));
    let missing = size.saturating_sub(target.len());
    target.extend(lost.take(missing).copied().collect::<Vec<_>>());
    target
}

/// Whether the group is exactly where it should be.
pub fn is_there(group: &GroupView, target: &BTreeSet<NodeId>) -> bool {
    let Some(members) = &group.members else { return false };
    let wanted: BTreeSet<NodeId> = group.wanted.values().copied().collect();
    wanted == *target
        && !members.is_joint
        && members.learners.is_empty()
        && members.voters.keys().eq(group.wanted.keys())
}

/// Whether something has been done for the group already: a replica beside its voters.
pub fn has_begun(view: &View, group: &GroupView, target: &BTreeSet<NodeId>) -> bool {
    let Some(members) = &group.members else { return false };
    let is_new = |(replica, node): (&ReplicaId, &NodeId)| {
        target.contains(node) && view.is_active(*node) && !members.voters.contains_key(replica)
    };
    members.is_joint || group.wanted.iter().any(is_new)
}

/// The next step of a group towards its nodes.
pub fn step(view: &View, id: GroupId, group: &GroupView, target: &BTreeSet<NodeId>) -> Option<Step> {
    // What is not committed may still be undone by another leader: nothing is built on it.
    let members = group.members.as_ref().filter(|members| members.is_committed)?;
    let holds = |node: &NodeId| group.wanted.values().any(|at| at == node);
    if let Some(node) = target.iter().find(|node| !holds(node)) {
        return Some(Step::Place { group: id, node: *node });
    }
    let desired: BTreeSet<ReplicaId> =
        group.wanted.iter().filter(|(_, node)| target.contains(node)).map(|(replica, _)| *replica).collect();
    if members.is_joint {
        return voters::towards(view, id, members, &voters::finishable(members, &desired));
    }
    if let Some(replica) = members.learners.keys().find(|replica| !desired.contains(replica)) {
        return Some(Step::RemoveLearner { group: id, replica: *replica });
    }
    if let Some(replica) = desired.iter().find(|replica| !members.has(**replica)) {
        let node = *group.wanted.get(replica)?;
        return Some(Step::AddLearner { group: id, replica: *replica, node });
    }
    if let Some(step) = voters::towards(view, id, members, &desired) {
        return Some(step);
    }
    let gone = group.wanted.keys().find(|replica| !desired.contains(replica) && !members.has(**replica))?;
    Some(Step::Unplace { group: id, replica: *gone })
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
