//! One group's way from the voters it has to those it should have.

use super::view::{MembersView, Step, View};
use std::collections::BTreeSet;
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// The next safe change towards `desired`, which are all members; none when nothing is to be done, or nothing is safe.
pub fn towards(
    view: &View,
    group: GroupId,
    members: &MembersView,
    desired: &BTreeSet<ReplicaId>,
) -> Option<Step> {
    let present: BTreeSet<ReplicaId> = members.voters.keys().copied().collect();
    if desired.is_empty() || (present == *desired && !members.is_joint) {
        return None;
    }
    let joining: BTreeSet<ReplicaId> = desired.difference(&present).copied().collect();
    let is_ready = |replica: &ReplicaId| {
        let node = members.learners.get(replica);
        members.near.contains(replica) && node.is_some_and(|node| view.is_alive(*node))
    };
    // All that join do so at once: four voters with one dead stop at the next failure (I2).
    if !joining.iter().all(is_ready) || !has_majority(view, members, &present) {
        return None;
    }
    let leaving = leaving_now(view, members, desired);
    let next: BTreeSet<ReplicaId> = present.difference(&leaving).chain(&joining).copied().collect();
    if leaving.contains(&members.leader) && !members.is_joint {
        // One that should not lead leads rather than that the node cannot go.
        let heirs = || present.intersection(&next).filter(|voter| is_there(view, members, **voter));
        let heir = heirs().find(|voter| is_heir(view, group, members, **voter));
        return match heir.or_else(|| heirs().next()) {
            Some(heir) => Some(Step::Lead { group, to: *heir }),
            // Nobody who votes now stays: the new ones vote beside the old ones first.
            None if !joining.is_empty() => {
                checked(view, group, members, present.union(&joining).copied().collect())
            }
            None => None,
        };
    }
    checked(view, group, members, next)
}

/// Never more than half at once. Dead ones go first, the leader last.
fn leaving_now(view: &View, members: &MembersView, desired: &BTreeSet<ReplicaId>) -> BTreeSet<ReplicaId> {
    let mut leaving: Vec<(ReplicaId, NodeId)> = members
        .voters
        .iter()
        .filter(|(replica, _)| !desired.contains(replica))
        .map(|(replica, node)| (*replica, *node))
        .collect();
    leaving.sort_by_key(|(replica, node)| (view.is_alive(*node), *replica == members.leader));
    // In the middle of a change the host lets the rest of it through, whatever its size: it was checked before.
    let at_once = if members.is_joint { leaving.len() } else { members.voters.len() / 2 };
    leaving.into_iter().take(at_once).map(|(replica, _)| replica).collect()
}

fn checked(view: &View, group: GroupId, members: &MembersView, voters: BTreeSet<ReplicaId>) -> Option<Step> {
    has_majority(view, members, &voters).then_some(Step::SetVoters { group, voters })
}

/// Whether more than half of these follow closely. A node that lives is not enough: its replica may be out of service, or
/// still be fetching a copy, and a majority that acknowledges nothing decides nothing, the change itself included (I2).
fn has_majority(view: &View, members: &MembersView, voters: &BTreeSet<ReplicaId>) -> bool {
    let node = |replica: &ReplicaId| members.voters.get(replica).or_else(|| members.learners.get(replica));
    let follows = |replica: &&ReplicaId| {
        let counts = **replica == members.leader || members.near.contains(*replica);
        counts && node(replica).is_some_and(|node| view.is_alive(*node))
    };
    voters.iter().filter(follows).count() > voters.len() / 2
}

/// Whether a voter could lead next: alive and near the tip.
fn is_there(view: &View, members: &MembersView, voter: ReplicaId) -> bool {
    let node = members.voters.get(&voter);
    voter != members.leader && members.near.contains(&voter) && node.is_some_and(|node| view.is_alive(*node))
}

/// Whether a voter may lead next: it could, and nothing speaks against it.
pub fn is_heir(view: &View, group: GroupId, members: &MembersView, voter: ReplicaId) -> bool {
    let is_fit = members.voters.get(&voter).is_some_and(|node| view.is_fit(*node, group));
    is_there(view, members, voter) && is_fit
}

/// Leadership to another voter of `staying` when the leader's node should not lead; none when there is nobody better.
pub fn relieve(
    view: &View,
    group: GroupId,
    members: &MembersView,
    staying: impl Fn(NodeId) -> bool,
) -> Option<Step> {
    let leads = members.voters.get(&members.leader)?;
    if view.is_fit(*leads, group) {
        return None;
    }
    let mut heirs = members.voters.iter().filter(|(voter, _)| is_heir(view, group, members, **voter));
    let (heir, _) = heirs.find(|(_, node)| staying(**node))?;
    Some(Step::Lead { group, to: *heir })
}

/// A change that stopped half way is finished with members only; who else should vote comes after it.
pub fn finishable(members: &MembersView, desired: &BTreeSet<ReplicaId>) -> BTreeSet<ReplicaId> {
    let voting: BTreeSet<ReplicaId> =
        desired.iter().copied().filter(|replica| members.voters.contains_key(replica)).collect();
    if voting.is_empty() { members.voters.keys().copied().collect() } else { voting }
}
