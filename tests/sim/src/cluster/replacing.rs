//! Putting a new replica in the place of a wiped one, as the coordinator does it: learner first, then one joint change,
//! guarded by the members that were seen (I2).

use super::bug::Bug;
use super::invariants::i2_replacement::Asked;
use super::machine::World;
use super::seats::Front;
use crate::rng::Rng;
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_raft_host::{Error, Group, Location, Progress};
use vecraft_types::{NodeId, ReplicaId};

/// Entries that a learner may lack when it becomes a voter.
const LAG_MAX: u64 = 20;
pub(super) const DEADLINE: Duration = Duration::from_secs(3);
/// Between looking and doing, with [`Bug::ReplaceUnguarded`].
const DAWDLING: Duration = Duration::from_millis(300);

/// Two coordinators at the same work, as while one takes over from another: what either has seen may be old.
pub async fn replace_twice(world: World, node: u64, old: ReplicaId, new: ReplicaId, rng: Rng) {
    let rival = rng.fork(1);
    tokio::join!(replace(&world, node, old, new, rng), replace(&world, node, old, new, rival));
    world.book.note(format!("replica {new} is in the place of {old}"));
    world.book.with(|pages| pages.figures.replaced += 1);
}

/// Works on it until it is done.
async fn replace(world: &World, node: u64, old: ReplicaId, new: ReplicaId, mut rng: Rng) {
    loop {
        tokio::time::sleep(Duration::from_millis(rng.between(50, 400))).await;
        let leaders = world.seats.leaders();
        let Some(front) = rng.pick(&leaders).cloned() else { continue };
        // What failed is looked at anew in the next round.
        if let Some(Ok(true)) = front.answer(step(world, &front, node, old, new)).await {
            return;
        }
    }
}

/// Whether the leader sees a follower near the tip.
pub(super) fn is_near(group: &Group, replica: ReplicaId) -> bool {
    let is_near = |progress: &Progress| progress.follower.replica == replica && progress.lag <= LAG_MAX;
    group.progress().iter().any(is_near)
}

/// The next step; true when nothing is left to be done.
async fn step(
    world: &World,
    front: &Front,
    node: u64,
    old: ReplicaId,
    new: ReplicaId,
) -> Result<bool, Error> {
    let group = &front.group;
    group.read_index().await?;
    let members = group.members();
    let Some(mut expected) = members.id else { return Ok(false) };
    let wanted: BTreeSet<ReplicaId> =
        members.voters.keys().copied().filter(|id| *id != old).chain([new]).collect();
    let newcomers = vec![(new, world.seats.log_end(new))];
    let asked = Asked { seen: expected, newcomers, voters: wanted.len() };
    world.book.with(|pages| pages.replacements.asks(asked));
    if world.bug == Some(Bug::ReplaceUnguarded) {
        tokio::time::sleep(DAWDLING).await;
        expected = group.members().id.unwrap_or(expected);
    }
    if members.location(new).is_none() {
        let learner = Location { replica: new, node: NodeId(node) };
        group.add_learner(expected, learner, DEADLINE).await?;
        return Ok(false);
    }
    if members.is_joint {
        group.change_voters(expected, &wanted, DEADLINE).await?;
        return Ok(false);
    }
    if !members.voters.contains_key(&new) {
        if is_near(group, new) || world.bug == Some(Bug::ReplaceTooEarly) {
            let first = match world.bug {
                Some(Bug::ReplaceInTwoSteps) => members.voters.keys().copied().chain([new]).collect(),
                _ => wanted,
            };
            group.change_voters(expected, &first, DEADLINE).await?;
        }
        return Ok(false);
    }
    if members.voters.contains_key(&old) {
        group.change_voters(expected, &wanted, DEADLINE).await?;
        return Ok(false);
    }
    if members.learners.contains_key(&old) {
        group.remove_learner(expected, old, DEADLINE).await?;
        return Ok(false);
    }
    Ok(true)
}
