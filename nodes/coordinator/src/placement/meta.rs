//! Group 0: a replica on every node, voted by the first three or five of those that keep copies. On query-only nodes it
//! follows, for ever.

use super::view::{MembersView, Step, View};
use super::voters;
use std::collections::BTreeSet;
use vecraft_state::meta::{NodeState, meta_voters};
use vecraft_types::{GroupId, NodeId, ReplicaId};

const META: GroupId = GroupId::META;

/// The next step of group 0.
pub fn steps(view: &View) -> Vec<Step> {
    next(view).into_iter().collect()
}

fn next(view: &View) -> Option<Step> {
    let group = view.groups.get(&META)?;
    let members = group.members.as_ref().filter(|members| members.is_committed)?;
    let stays = |node: &NodeId| {
        let state = view.nodes.get(node).map(|node| node.state);
        state.is_some_and(|state| state != NodeState::Removed)
    };
    if !members.is_joint {
        if let Some((replica, node)) = group.wanted.iter().find(|(r, node)| stays(node) && !members.has(**r))
        {
            return Some(Step::AddLearner { group: META, replica: *replica, node: *node });
        }
        // It is told that it is gone by its replica; that goes once the node has stopped.
        let mut gone = members.learners.iter().filter(|(_, node)| !stays(node));
        if let Some((replica, _)) = gone.find(|(_, node)| !view.is_alive(**node)) {
            return Some(Step::RemoveLearner { group: META, replica: *replica });
        }
        let mut gone = group.wanted.iter().filter(|(_, node)| !stays(node));
        if let Some((replica, _)) = gone.find(|(replica, _)| !members.has(**replica)) {
            return Some(Step::Unplace { group: META, replica: *replica });
        }
    }
    let desired = desired(view, members);
    match members.is_joint {
        true => voters::towards(view, META, members, &voters::finishable(members, &desired)),
        false => voters::towards(view, META, members, &desired),
    }
}

/// Whether as many nodes vote as should.
pub fn has_its_voters(view: &View, members: &MembersView) -> bool {
    let voting = members.voters.values().filter(|node| view.takes_copies(**node)).count();
    voting >= wanted_voters(view.takers())
}

/// How many of `takers` nodes vote. Of two both do: each acknowledged change is then on both disks.
fn wanted_voters(takers: usize) -> usize {
    if takers == 2 { 2 } else { meta_voters(takers) }
}

/// Voters stay voters when they may; places are filled by the lowest nodes that are ready.
fn desired(view: &View, members: &MembersView) -> BTreeSet<ReplicaId> {
    let size = wanted_voters(view.takers());
    let mut staying: Vec<(bool, NodeId, ReplicaId)> = members
        .voters
        .iter()
        .filter(|(_, node)| view.takes_copies(**node))
        .map(|(replica, node)| (view.is_lost(*node), *node, *replica))
        .collect();
    staying.sort_by_key(|(is_lost, node, replica)| (*is_lost, *replica != members.leader, *node));
    let living = staying.iter().filter(|(is_lost, ..)| !is_lost).count();
    let mut desired: Vec<ReplicaId> =
        staying.iter().take(living.min(size)).map(|(.., replica)| *replica).collect();
    let mut candidates: Vec<(NodeId, ReplicaId)> = members
        .learners
        .iter()
        .filter(|(_, node)| view.takes_copies(**node) && view.is_alive(**node))
        .map(|(replica, node)| (*node, *replica))
        .collect();
    candidates.sort_unstable();
    let ready =
        candidates.iter().map(|(_, replica)| *replica).filter(|replica| members.near.contains(replica));
    let ready: Vec<ReplicaId> = ready.take(size.saturating_sub(desired.len())).collect();
    if desired.len() + ready.len() < size && ready.len() < candidates.len() {
        // Somebody will soon be ready: then all changes in one step (I2).
        return members.voters.keys().copied().collect();
    }
    desired.extend(ready);
    // There is no elsewhere for these votes.
    let lost = staying.iter().skip(living).map(|(.., replica)| *replica);
    let missing = size.saturating_sub(desired.len());
    desired.extend(lost.take(missing));
    desired.into_iter().collect()
}
