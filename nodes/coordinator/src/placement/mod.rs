//! Which replicas should be where, and what is the next safe step towards that: pure planning (I1, I2).
//!
//! ```text
//! a replica moves:   place (new id) ─> its node starts it ─> add as learner ─> near the tip ─> one joint change
//!                    ─> the old one is no member ─> unplace ─> its node stops it and removes its files
//! ```
//! [`plan`] looks at one [`View`] and answers steps that may all be taken now, at most one of a group. It keeps nothing
//! between two views, so a new coordinator goes on where the old one stopped. What holds for every step:
//! - No change of voters unless a majority of the present and of the new ones is alive and near the tip, and never more
//!   than half of the present ones leave at once.
//! - A voter joins only when it is near the tip; a replica is unplaced only when its committed members lack it.
//! - A dead node keeps its replicas as long as there is no other node for them; so does a living one whose replica is out
//!   of service.
//! - A replica on a query-only node never votes and never leads. Every such node has one of every group, the simplest rule
//!   there is; they come last, so no copy waits for them, and none of them is thrown away because its node is silent.
//! - Who says of itself that it should not lead (a disk that hangs or is full, a damaged file, a node that stops) leads
//!   nothing as long as there is another.
//! - Nothing moves for balance while anything else is under way, and only when it makes the fullest node lighter by
//!   two than the emptiest: so moves end.
//!
//! What it does *not* do: it asks nobody and knows no clock; [`driver`] does.

mod announced;
pub mod driver;
mod look;
mod meta;
mod pool;
mod status;
#[cfg(test)]
mod tests;
mod view;
mod voters;

pub use announced::check_announced;
pub use driver::{Hosts, Limits, Steward};
pub use status::WAITS_FOR_A_NODE;
pub use view::{GroupView, MembersView, NodeView, Step, View};

use pool::Target;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_state::meta::NodeState;
use vecraft_types::{GroupId, NodeId};

/// Groups that may be under way to other nodes at one time: each costs a copy of its files.
const MOVES_MAX: usize = 4;

/// The next safe steps.
pub fn plan(view: &View) -> Vec<Step> {
    let targets = pool::targets(view);
    let mut steps = relief(view, &targets);
    let relieved: BTreeSet<GroupId> = steps.iter().filter_map(Step::group).collect();
    if !relieved.contains(&GroupId::META) {
        steps.extend(meta::steps(view));
    }
    let mut moving = 0;
    let mut is_at_rest = steps.is_empty();
    for (id, group) in view.pool() {
        let Some(target) = targets.get(&id) else { continue };
        let is_there = pool::is_there(group, target);
        is_at_rest &= is_there;
        // Those that have begun go on; new ones begin when there is room.
        if !is_there && group.members.is_some() && pool::has_begun(view, group, target) {
            moving += 1;
        }
    }
    for (id, group) in view.pool() {
        let Some(target) = targets.get(&id) else { continue };
        if group.members.is_none() || relieved.contains(&id) {
            continue;
        }
        if !pool::is_there(group, target) && !pool::has_begun(view, group, target) {
            if moving >= MOVES_MAX {
                continue;
            }
            moving += 1;
        }
        steps.extend(pool::step(view, id, group, target));
    }
    steps.extend(retired(view));
    let everybody_is_there = view.nodes.values().all(|node| !node.takes_copies() || node.is_alive);
    if steps.is_empty() && is_at_rest && everybody_is_there {
        steps.extend(pool::balance(view).or_else(|| pool::spread_leaders(view)));
    }
    steps
}

/// Groups whose leader should not lead and whose next one is there: before all else, their writes may be waiting.
fn relief(view: &View, targets: &BTreeMap<GroupId, Target>) -> Vec<Step> {
    let led = view.groups.iter().filter_map(|(id, group)| Some((*id, group.members.as_ref()?)));
    let relieve = |(id, members)| {
        voters::relieve(view, id, members, |node| match targets.get(&id) {
            Some(target) => target.copies.contains(&node),
            None => view.takes_copies(node),
        })
    };
    led.filter_map(relieve).collect()
}

/// Nodes that leave and hold nothing any more.
fn retired(view: &View) -> impl Iterator<Item = Step> {
    let leaving = view.nodes.iter().filter(|(_, node)| node.state == NodeState::Leaving);
    leaving.filter(|(id, _)| holds_nothing(view, **id)).map(|(id, _)| Step::Retire(*id))
}

fn holds_nothing(view: &View, node: NodeId) -> bool {
    view.groups.iter().all(|(id, group)| match (*id, &group.members) {
        // Its replica of group 0 tells it that it is gone; only its vote must be.
        (GroupId::META, Some(members)) => {
            members.is_committed && !members.is_joint && members.voters.values().all(|at| *at != node)
        }
        (GroupId::META, None) => false,
        _ => group.wanted.values().all(|at| *at != node),
    })
}

/// How many of its pool groups each node leads.
fn leaders(view: &View) -> BTreeMap<NodeId, usize> {
    let mut count = BTreeMap::new();
    for (_, group) in view.pool() {
        let at = group.members.as_ref().and_then(|members| members.voters.get(&members.leader));
        if let Some(node) = at {
            *count.entry(*node).or_insert(0) += 1;
        }
    }
    count
}
