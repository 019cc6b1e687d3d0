//! From one voter to all, under load, as the coordinator does it: every newcomer a learner first, then all of them voters by
//! one joint change when each is near the tip, guarded by the members that were seen (I2). From two voters to three one
//! by one would be a group that stops with the first death.

use super::invariants::i2_replacement::Asked;
use super::machine::World;
use super::replacing::{DEADLINE, is_near};
use super::seats::Front;
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vecraft_raft_host::{Error, Location};
use vecraft_types::{NodeId, ReplicaId};

/// Two coordinators at the same work, as while one takes over from another.
pub async fn grow_twice(world: World, newcomers: BTreeMap<ReplicaId, NodeId>, rng: Rng) {
    let rival = rng.fork(1);
    tokio::join!(grow(&world, &newcomers, rng), grow(&world, &newcomers, rival));
    world.book.note(format!("one voter has become {}", newcomers.len() + 1));
    world.book.with(|pages| pages.figures.grown += 1);
}

/// Works on it until it is done.
async fn grow(world: &World, newcomers: &BTreeMap<ReplicaId, NodeId>, mut rng: Rng) {
    loop {
        tokio::time::sleep(Duration::from_millis(rng.between(50, 400))).await;
        let leaders = world.seats.leaders();
        let Some(front) = rng.pick(&leaders).cloned() else { continue };
        // What failed is looked at anew in the next round.
        if let Some(Ok(true)) = front.answer(step(world, &front, newcomers)).await {
            return;
        }
    }
}

/// The next step; true when nothing is left to be done.
async fn step(world: &World, front: &Front, newcomers: &BTreeMap<ReplicaId, NodeId>) -> Result<bool, Error> {
    let group = &front.group;
    group.read_index().await?;
    let members = group.members();
    let Some(expected) = members.id else { return Ok(false) };
    let wanted: BTreeSet<ReplicaId> = members.voters.keys().chain(newcomers.keys()).copied().collect();
    let ends = newcomers.keys().map(|new| (*new, world.seats.log_end(*new))).collect();
    let asked = Asked { seen: expected, newcomers: ends, voters: wanted.len() };
    world.book.with(|pages| pages.replacements.asks(asked));
    if let Some((new, node)) = newcomers.iter().find(|(new, _)| members.location(**new).is_none()) {
        let learner = Location { replica: *new, node: *node };
        group.add_learner(expected, learner, DEADLINE).await?;
        return Ok(false);
    }
    if !members.is_joint && newcomers.keys().all(|new| members.voters.contains_key(new)) {
        return Ok(true);
    }
    if members.is_joint || newcomers.keys().all(|new| is_near(group, *new)) {
        group.change_voters(expected, &wanted, DEADLINE).await?;
    }
    Ok(false)
}
