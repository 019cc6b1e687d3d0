//! A group in the coordinator's words: how it stands, and changes of its members as it asks for them.

use crate::{Error, Group, Location, MembershipId, Part};
use std::time::Duration;
use vecraft_rpc::codec;
use vecraft_rpc::membership::{GroupChange, GroupReport};

/// Entries that a follower may lack and still count as near: less than a second of writes.
const NEAR_ENTRIES: u64 = 512;
/// A follower that has not answered for this long is not near, whatever it had.
const NEAR_HEARD_MS: u64 = 2_000;

impl Group {
    /// How the group stands; none unless this replica leads it and knows its members.
    pub fn report(&self) -> Option<GroupReport> {
        let standing = self.standing();
        let now = standing.borrow().clone();
        let id = now.members.id.filter(|_| now.part == Part::Leader)?;
        let progress = self.progress();
        let is_near = |p: &crate::Progress| {
            p.matched.0 > 0
                && p.lag <= NEAR_ENTRIES
                && p.heard_ms_ago.is_some_and(|heard| heard <= NEAR_HEARD_MS)
        };
        let near = progress.iter().copied().filter(is_near).map(|p| p.follower.replica);
        Some(GroupReport {
            group: self.id,
            leader: self.me,
            guard: codec::encode(&id).ok()?,
            near: near.chain([self.me]).collect(),
            is_committed: self.published() >= id.position(),
            voters: now.members.voters,
            learners: now.members.learners,
            is_joint: now.members.is_joint,
            behind: progress.iter().map(|p| (p.follower.replica, p.lag)).collect(),
        })
    }

    /// Voters that answered lately, this one included; none unless this replica leads. Fewer than a majority: it will
    /// soon stop leading, and nothing is acknowledged meanwhile.
    pub fn voters_heard(&self) -> Option<u64> {
        let standing = self.standing();
        let now = standing.borrow().clone();
        if now.part != Part::Leader {
            return None;
        }
        let heard =
            |p: &crate::Progress| p.is_voter && p.heard_ms_ago.is_some_and(|heard| heard <= NEAR_HEARD_MS);
        let others = self.progress().iter().filter(|p| heard(p)).count() as u64;
        Some(others + u64::from(now.members.voters.contains_key(&self.me)))
    }

    /// Does what the coordinator asks, if the members are still those of `guard` (I2).
    ///
    /// # Errors
    /// As the single changes: [`Group::add_learner`], [`Group::change_voters`], [`Group::transfer_leader`].
    pub async fn change(&self, guard: &[u8], change: GroupChange, deadline: Duration) -> Result<(), Error> {
        let unreadable = |why: codec::Error| Error::Refused { group: self.id, why: why.to_string() };
        let expected: MembershipId = codec::decode(guard).map_err(unreadable)?;
        match change {
            GroupChange::AddLearner { replica, node } => {
                self.add_learner(expected, Location { replica, node }, deadline).await.map(drop)
            }
            GroupChange::RemoveLearner(replica) => {
                self.remove_learner(expected, replica, deadline).await.map(drop)
            }
            GroupChange::Voters { voters, keeps_learners } => {
                self.set_voters(expected, &voters, keeps_learners, deadline).await.map(drop)
            }
            GroupChange::Lead(to) => self.transfer_leader(to, deadline).await,
        }
    }
}
