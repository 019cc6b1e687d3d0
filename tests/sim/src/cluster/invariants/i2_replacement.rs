//! I2, replacement: a replica is replaced by one joint change of the members that its author had seen, once the newcomer
//! has caught up. There are never more voters than were formed, and never fewer; but one voter becomes as many as its
//! author said, all at once, each of them caught up.

use crate::invariants::{Check, broken, ensure};
use std::collections::BTreeSet;
use vecraft_raft_host::{Members, MembershipId};
use vecraft_types::{LogPosition, ReplicaId};

const NAME: &str = "I2";
/// Entries that a newcomer may lack when the change that makes it a voter gets its place in the log: those of the
/// coordinator's own limit, and what was proposed between its look and its change.
const LACKING_MAX: u64 = 100;

/// A change that somebody asked the leader for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The members that it was decided on.
    pub seen: MembershipId,
    /// The replicas that are to become voters, and where their logs ended.
    pub newcomers: Vec<(ReplicaId, u64)>,
    /// How many voters there are to be.
    pub voters: usize,
}

/// The members so far, in the order of the log.
#[derive(Debug, Default)]
pub struct Replacements {
    now: Members,
    /// The voters before the joint change under way, and how many there must be after it.
    before: BTreeSet<ReplicaId>,
    after: usize,
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
            (true, false) => ensure(has.len() == self.after && has.is_subset(&had), NAME, || {
                format!("{id}: {has:?} are the voters, there were {:?}", self.before)
            }),
            (true, true) => Err(broken(NAME, format!("{id}: {members:?} in the middle of {was:?}"))),
            (false, false) => {
                ensure(had == has, NAME, || format!("{id}: from {had:?} to {has:?} without a joint change"))?;
                self.guarded(id, seen).map(drop)
            }
            (false, true) => {
                let news: Vec<ReplicaId> = has.difference(&had).copied().collect();
                // One in the place of one; a lone voter grows, and nobody leaves.
                let grows = had.len() == 1 && news.len() > 1;
                ensure(news.len() == 1 || grows, NAME, || {
                    format!("{id}: {news:?} become voters at once beside {had:?}")
                })?;
                (self.after, self.before) = (if grows { has.len() } else { had.len() }, had);
                for newcomer in &news {
                    ensure(was.learners.contains_key(newcomer), NAME, || {
                        format!("{id}: {newcomer} becomes a voter and was no learner")
                    })?;
                }
                let asked = self.guarded(id, seen)?;
                let is_right = |asked: &Asked| {
                    asked.voters == self.after && news.iter().all(|new| asked.is_near(*new, id.position()))
                };
                ensure(asked.iter().any(is_right), NAME, || {
                    format!("{id}: {news:?} become voters and have not all caught up: {asked:?}")
                })
            }
        }
    }

    /// Those who asked for a change of just the members before it.
    fn guarded(&self, id: MembershipId, seen: MembershipId) -> Check<Vec<Asked>> {
        let asked: Vec<Asked> = self.asked.iter().filter(|asked| asked.seen == seen).cloned().collect();
        ensure(!asked.is_empty(), NAME, || {
            format!("{id} changes {seen}, which nobody who asked for it had seen; asked: {:?}", self.asked)
        })?;
        Ok(asked)
    }
}

impl Asked {
    fn is_near(&self, newcomer: ReplicaId, at: LogPosition) -> bool {
        let is_it = |(replica, end): &(ReplicaId, u64)| *replica == newcomer && end + LACKING_MAX >= at.0;
        self.newcomers.iter().any(is_it)
    }
}

fn voters(members: &Members) -> BTreeSet<ReplicaId> {
    members.voters.keys().copied().collect()
}
