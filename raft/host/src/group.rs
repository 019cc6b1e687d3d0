//! The handle of one running group.

use crate::copies::Copies;
use crate::handle::{Change, RaftHandle};
use crate::network::Network;
use crate::read_index::ReadIndex;
use crate::state_machine::{CheckpointCell, Driver, Published, advance};
use crate::{Error, Location, Mark, Members, MembershipId, Part, Progress, Standing};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_log_store::TypeConfig;
use vecraft_types::{GroupId, LogPosition, ReplicaId};

pub(crate) type Raft<M> = openraft::Raft<TypeConfig, Driver<M>>;

/// A running group on this node. Clones are handles of the same group.
#[derive(Clone)]
pub struct Group {
    pub(crate) id: GroupId,
    pub(crate) me: ReplicaId,
    pub(crate) raft: Arc<dyn RaftHandle>,
    pub(crate) network: Network,
    pub(crate) read_index: ReadIndex,
    pub(crate) published: watch::Receiver<Published>,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) checkpoint: CheckpointCell,
    pub(crate) copies: Copies,
}

/// A proposal that was committed and applied.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Where in the log.
    pub position: LogPosition,
    /// The machine's answer.
    pub reply: Bytes,
}

/// The log.
impl Group {
    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// This replica's id.
    pub fn replica(&self) -> ReplicaId {
        self.me
    }

    /// Proposes a command; returns once it is on a majority's disk, applied and published here.
    ///
    /// # Errors
    /// [`Error::NotLeader`] and [`Error::Stopped`]: not applied by this call, unless the leader changed while it
    /// was on its way. [`Error::Deadline`], [`Error::Unconfirmed`]: unknown; ask again with the same request id (I10).
    pub async fn propose(&self, command: Bytes, deadline: Duration) -> Result<Proposed, Error> {
        let proposed = self.within(deadline, self.raft.propose(command));
        tokio::select! {
            biased;
            proposed = proposed => proposed,
            unconfirmed = self.left_alone() => Err(unconfirmed),
        }
    }

    /// Returns once this replica has everything it had before its last stop (I3). A group of several voters needs a
    /// majority for that; until then, answer only what may be old.
    ///
    /// # Errors
    /// [`Error::Deadline`].
    pub async fn recovered(&self, deadline: Duration) -> Result<(), Error> {
        self.raft.recovered(deadline).await
    }

    /// The position of this replica's newest durable checkpoint.
    pub fn checkpoint_position(&self) -> LogPosition {
        self.checkpoint.lock().as_ref().map_or(LogPosition(0), Mark::position)
    }

    /// Tells the group that everything up to `mark` is in synced files: the log below may go (I4), but for what
    /// followers may still need.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the group ended, [`Error::Deadline`] when openraft does not take note in time
    /// (the next checkpoint tries again).
    pub async fn checkpointed(&self, mark: &Mark) -> Result<(), Error> {
        advance(&self.checkpoint, mark);
        let is_alone = self.standing.borrow().members.is_alone(self.me);
        self.raft.purge_below(mark.clone(), is_alone).await
    }

    /// Returns when the replica has ended: shut down, or its machine or log failed (I24).
    pub async fn ended(&self) {
        let mut published = self.published.clone();
        while published.changed().await.is_ok() {}
    }

    /// Stops the replica; returns when its tasks have ended.
    pub async fn shutdown(&self) {
        self.network.inbox().close(self.id, self.me);
        self.raft.stop().await;
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let late = |_| Error::Deadline { group: self.id, waited_ms: deadline.as_millis() as u64 };
        tokio::time::timeout(deadline, work).await.map_err(late)?
    }
}

/// The members.
impl Group {
    /// Part, leader and members as this replica knows them, and every change of them.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Whether this replica believes that it leads. Only a read index proves it.
    pub fn is_leader(&self) -> bool {
        self.standing.borrow().part == Part::Leader
    }

    /// The leader, when this replica knows one.
    pub fn leader(&self) -> Option<Location> {
        self.standing.borrow().leader
    }

    /// The members in force here.
    pub fn members(&self) -> Members {
        self.standing.borrow().members.clone()
    }

    /// How far each follower is; empty on a replica that does not lead.
    pub fn progress(&self) -> Vec<Progress> {
        self.raft.progress()
    }

    /// Adds a replica that follows and does not count, if the members are still those of `expected`. Start it there
    /// first, with [`crate::Birth::Join`]. On the leader only, as all changes; after each, [`Group::members`] tells of it.
    ///
    /// # Errors
    /// [`Error::MembersChanged`], [`Error::NotLeader`], [`Error::Refused`], [`Error::Deadline`]: outcome unknown.
    pub async fn add_learner(
        &self,
        expected: MembershipId,
        learner: Location,
        deadline: Duration,
    ) -> Result<MembershipId, Error> {
        let members = self.members_as_leader()?;
        if let Some(known) = members.location(learner.replica) {
            return self.refused(format!("{known} is a member already, ids are never used twice (I1)"));
        }
        self.set_members(expected, Change::AddLearner(learner), deadline).await
    }

    /// Replaces the voters in one joint change (I2): learners become voters, voters that are not named leave for
    /// good. Returns once the new set alone decides.
    ///
    /// # Errors
    /// As [`Group::add_learner`]. Refused besides: no voter left, a majority removed at once, a voter that is no
    /// member, too few of the old or the new voters that follow closely. After [`Error::Deadline`] or a lost leader the change may be half done ([`Members::is_joint`]): the same
    /// call with the new `expected` finishes it.
    pub async fn change_voters(
        &self,
        expected: MembershipId,
        voters: &BTreeSet<ReplicaId>,
        deadline: Duration,
    ) -> Result<MembershipId, Error> {
        self.set_voters(expected, voters, false, deadline).await
    }

    pub(crate) async fn set_voters(
        &self,
        expected: MembershipId,
        voters: &BTreeSet<ReplicaId>,
        keeps_learners: bool,
        deadline: Duration,
    ) -> Result<MembershipId, Error> {
        let members = self.members_as_leader()?;
        if voters.is_empty() {
            return self.refused("no voter would be left".to_owned());
        }
        if let Some(stranger) = voters.iter().find(|voter| members.location(**voter).is_none()) {
            return self.refused(format!("replica {stranger} is no member; add it as a learner first"));
        }
        let leaving = members.voters.keys().filter(|voter| !voters.contains(voter)).count();
        if !members.is_joint && leaving > members.voters.len() / 2 {
            return self.refused(format!(
                "{leaving} of {} voters would leave at once: their acknowledged entries would rest on too few; remove fewer at a time",
                members.voters.len()
            ));
        }
        // The rest of a change under way is the only way out of it.
        if !members.is_joint {
            self.await_majority(&members, voters).await?;
        }
        let change = match keeps_learners {
            true => Change::VotersKeeping(voters.clone()),
            false => Change::Voters(voters.clone()),
        };
        self.set_members(expected, change, deadline).await
    }

    /// Removes a learner.
    ///
    /// # Errors
    /// As [`Group::add_learner`]; a voter is refused: change the voters first.
    pub async fn remove_learner(
        &self,
        expected: MembershipId,
        learner: ReplicaId,
        deadline: Duration,
    ) -> Result<MembershipId, Error> {
        if !self.members_as_leader()?.learners.contains_key(&learner) {
            return self.refused(format!("replica {learner} is no learner"));
        }
        self.set_members(expected, Change::RemoveLearner(learner), deadline).await
    }

    /// The members a change starts from; a follower may know old ones or none.
    fn members_as_leader(&self) -> Result<Members, Error> {
        let now = self.standing.borrow();
        match now.part {
            Part::Leader => Ok(now.members.clone()),
            _ => Err(Error::NotLeader { group: self.id, leader: now.leader }),
        }
    }

    /// Makes a change and waits until this replica's own standing tells of it: the next change is checked against that.
    async fn set_members(
        &self,
        expected: MembershipId,
        change: Change,
        deadline: Duration,
    ) -> Result<MembershipId, Error> {
        let mut standing = self.standing.clone();
        self.within(deadline, async {
            let set = self.raft.change(expected, change).await?;
            let is_seen = |now: &Standing| now.members.id.is_some_and(|id| id.position() >= set.position());
            let ended = |_| Error::Stopped { group: self.id, reason: "its core has ended".into() };
            standing.wait_for(is_seen).await.map(|_| set).map_err(ended)
        })
        .await
    }

    /// Hands leadership to another voter; returns once this replica has heard of its new leader. To itself: nothing to be
    /// done.
    ///
    /// # Errors
    /// [`Error::NotLeader`], [`Error::Refused`] when `to` is no voter, [`Error::Deadline`]: it may still happen.
    pub async fn transfer_leader(&self, to: ReplicaId, deadline: Duration) -> Result<(), Error> {
        let mut standing = self.standing.clone();
        if !self.members_as_leader()?.voters.contains_key(&to) {
            return self.refused(format!("replica {to} is no voter and cannot lead"));
        }
        // It leads already. openraft would take nothing more and wait for the successor, which a lone voter never gets.
        if to == self.replica() {
            return Ok(());
        }
        self.within(deadline, async {
            self.raft.transfer_leader(to).await?;
            let is_there = |now: &Standing| now.leader.is_some_and(|leader| leader.replica == to);
            let ended = |_| Error::Stopped { group: self.id, reason: "its core has ended".into() };
            standing.wait_for(is_there).await.map(|_| ()).map_err(ended)
        })
        .await
    }

    fn refused<T>(&self, why: String) -> Result<T, Error> {
        Err(Error::Refused { group: self.id, why })
    }
}
