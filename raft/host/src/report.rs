//! A group in the coordinator's words: how it stands, and changes of its members as it asks for them.

use crate::{Error, Group, Location, MembershipId, Part, Progress};
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_rpc::codec;
use vecraft_rpc::membership::{GroupChange, GroupReport};
use vecraft_types::ReplicaId;

/// Entries that a follower may lack and still count as near: less than a second of writes.
const NEAR_ENTRIES: u64 = 512;
/// A follower that has not answered for this long is not near, whatever it had.
const NEAR_HEARD_MS: u64 = 2_000;

/// The voters that a leader hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How many, the leader included; in a change under way, of both sets.
    pub voters: u64,
    /// They are a majority; in a change under way, of each set.
    pub is_majority: bool,
}

/// Whether a follower lacks almost nothing and has answered lately.
pub(crate) fn is_near(p: &Progress) -> bool {
    p.matched.0 > 0 && p.lag <= NEAR_ENTRIES && is_heard(p)
}

/// One whose log went back acknowledges nothing, whatever it answers (I1).
fn is_heard(p: &Progress) -> bool {
    !p.has_gone_back && p.heard_ms_ago.is_some_and(|heard| heard <= NEAR_HEARD_MS)
}

impl Group {
    /// How the group stands; none unless this replica leads it and knows its members.
    pub fn report(&self) -> Option<GroupReport> {
        let standing = self.standing();
        let now = standing.borrow().clone();
        let id = now.members.id.filter(|_| now.part == Part::Leader)?;
        let progress = self.progress();
        let near = progress.iter().filter(|p| is_near(p)).map(|p| p.follower.replica);
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

    /// Who answered lately; none unless this replica leads. Without a majority of every set that must agree it will soon
    /// stop leading, and nothing is acknowledged meanwhile.
    pub fn heard(&self) -> Option<Heard> {
        let standing = self.standing();
        let now = standing.borrow().clone();
        if now.part != Part::Leader {
            return None;
        }
        let progress = self.progress();
        let answered = progress.iter().filter(|p| p.is_voter && is_heard(p)).map(|p| p.follower.replica);
        let heard: BTreeSet<ReplicaId> =
            answered.chain(now.members.voters.contains_key(&self.me).then_some(self.me)).collect();
        let agrees = |set: &BTreeSet<ReplicaId>| 2 * set.intersection(&heard).count() > set.len();
        Some(Heard { voters: heard.len() as u64, is_majority: now.members.sets.iter().all(agrees) })
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
