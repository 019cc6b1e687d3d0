//! I2, replacement: a replica is replaced by one joint change of the members that its author had seen, once the newcomer
//! has caught up. There are never more voters than were formed, and never fewer.

use crate::invariants::{Check, broken, ensure};
use std::collections::BTreeSet;
use vecraft_raft_host::{Members, MembershipId};
use vecraft_types::{LogPosition, ReplicaId};

const NAME: &str = "I2";
/// Entries that a newcomer may lack when the change that makes it a voter gets its place in the log: those of the
/// coordinator's own limit, and what was proposed between its look and its change.
const LACKING_MAX: u64 = 100;

/// A change that somebody asked the leader for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The members that it was decided on.
    pub seen: MembershipId,
    /// The replica that is to become a voter, and where its log ended.
    pub newcomer: Option<(ReplicaId, u64)>,
}

/// The members so far, in the order of the log.
#[derive(Debug, Default)]
pub struct Replacements {
    now: Members,
    /// The voters before the joint change under way.
    before: BTreeSet<ReplicaId>,
    asked: Vec<Asked>,
}

impl Replacements {
    /// Somebody is about to ask.
    pub fn asks(&mut self, asked: Asked) {
        self.asked.push(asked);
    }

    /// Looks at the members in force at an entry that is applied for the first time; entries come in log order.
    pub fn applied(&mut self, members: &Members) -> Check {
        let Some(id) = members.id.filter(|id| self.now.id != Some(*id)) else { return Ok(()) };
        let was = std::mem::replace(&mut self.now, members.clone());
        let Some(seen) = was.id else { return Ok(()) };
        let (had, has) = (voters(&was), voters(members));
        match (was.is_joint, members.is_joint) {
            // The second half of a joint change, which the leader proposes by itself or somebody finishes.
            (true, false) => ensure(has.len() == self.before.len() && has.is_subset(&had), NAME, || {
                format!("{id}: {has:?} are the voters, there were {:?}", self.before)
            }),
            (true, true) => Err(broken(NAME, format!("{id}: {members:?} in the middle of {was:?}"))),
            (false, false) => {
                ensure(had == has, NAME, || format!("{id}: from {had:?} to {has:?} without a joint change"))?;
                self.guarded(id, seen).map(drop)
            }
            (false, true) => {
                self.before = had.clone();
                let news: Vec<ReplicaId> = has.difference(&had).copied().collect();
                let [newcomer] = news[..] else {
                    return Err(broken(NAME, format!("{id}: {news:?} become voters at once beside {had:?}")));
                };
                ensure(was.learners.contains_key(&newcomer), NAME, || {
                    format!("{id}: {newcomer} becomes a voter and was no learner")
                })?;
                let asked = self.guarded(id, seen)?;
                ensure(asked.iter().any(|asked| asked.is_near(newcomer, id.position())), NAME, || {
                    format!("{id}: {newcomer} becomes a voter and has not caught up: {asked:?}")
                })
            }
        }
    }

    /// Those who asked for a change of just the members before it.
    fn guarded(&self, id: MembershipId, seen: MembershipId) -> Check<Vec<Asked>> {
        let asked: Vec<Asked> = self.asked.iter().filter(|asked| asked.seen == seen).copied().collect();
        ensure(!asked.is_empty(), NAME, || {
            format!("{id} changes {seen}, which nobody who asked for it had seen; asked: {:?}", self.asked)
        })?;
        Ok(asked)
    }
}

impl Asked {
    fn is_near(&self, newcomer: ReplicaId, at: LogPosition) -> bool {
        self.newcomer.is_some_and(|(replica, end)| replica == newcomer && end + LACKING_MAX >= at.0)
    }
}

fn voters(members: &Members) -> BTreeSet<ReplicaId> {
    members.voters.keys().copied().collect()
}
