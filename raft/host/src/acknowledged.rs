//! What each follower has acknowledged to this replica as its leader, and which of them lost it again (I1).
//!
//! An acknowledged entry counted for a majority. A follower that does not have it any more went back: somebody started it
//! on an older copy of its directory, or its disk forgot what it had synced. It must neither be helped in as if nothing
//! had happened nor vote, because a majority with it may lack what was acknowledged.
//!
//! ```text
//! append sent, "it has up to 90 by now" ──> answer: nothing at 90, conflict ──> it went back: said once, told to it
//! ```
//! What it had is read when an append is *sent*: an answer to an older question proves nothing. It is compared within one
//! leadership only: the next leader may make a follower cut off what was never committed. What this does *not* notice:
//! a log that went back while nobody led who had heard its acknowledgements.

use crate::{Group, Part};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_log_store::{LogId, Vote};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// One group's followers, as the replica here knows them. Clones are the same.
#[derive(Clone)]
pub struct Acknowledged {
    group: GroupId,
    followers: Arc<Mutex<BTreeMap<ReplicaId, Follower>>>,
}

struct Follower {
    /// Of the leadership in which it was heard.
    vote: Vote,
    upto: LogId,
    has_gone_back: bool,
}

impl Acknowledged {
    /// Nothing yet.
    pub fn new(group: GroupId) -> Acknowledged {
        Acknowledged { group, followers: Arc::default() }
    }

    /// A follower has all up to here on its disk.
    pub fn took(&self, follower: ReplicaId, vote: Vote, upto: LogId) {
        let mut followers = self.followers.lock();
        let known = followers.entry(follower).or_insert(Follower { vote, upto, has_gone_back: false });
        if known.vote != vote {
            // An answer from before, that comes late, says nothing of now.
            if known.vote < vote {
                *known = Follower { vote, upto, has_gone_back: false };
            }
        } else if known.upto <= upto {
            // All that it ever had: whatever it was, it has it again.
            (known.upto, known.has_gone_back) = (upto, false);
        }
    }

    /// What a follower has acknowledged in this leadership.
    pub fn upto(&self, follower: ReplicaId, vote: Vote) -> Option<LogId> {
        let followers = self.followers.lock();
        followers.get(&follower).filter(|known| known.vote == vote).map(|known| known.upto)
    }

    /// A follower lacks what it had acknowledged. Says so, once.
    pub fn went_back(&self, follower: ReplicaId, node: NodeId, lacks: LogId) {
        let mut followers = self.followers.lock();
        let Some(known) = followers.get_mut(&follower) else { return };
        if !std::mem::replace(&mut known.has_gone_back, true) {
            tracing::error!(
                group = %self.group, replica = %follower, %node, acknowledged = known.upto.index, lacks = lacks.index,
                "the log of a follower went back: it lacks entries that it had acknowledged, so an older copy of its \
                 directory was started, or its disk forgets what it synced. It does not count any more and gets nothing; \
                 replace the node by a new one on an empty directory (I1)"
            );
        }
    }

    /// Whether a follower lacks what it had acknowledged.
    pub fn has_gone_back(&self, follower: ReplicaId) -> bool {
        self.followers.lock().get(&follower).is_some_and(|known| known.has_gone_back)
    }
}

impl Group {
    /// Followers that lack what they acknowledged to this replica while it led; 0 on one that does not lead.
    pub fn gone_back(&self) -> u64 {
        let is_leader = self.standing().borrow().part == Part::Leader;
        self.progress().iter().filter(|p| is_leader && p.has_gone_back).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_log_store::LeaderId;

    fn vote(term: u64) -> Vote {
        Vote { leader_id: LeaderId { term, node_id: 1 }, committed: true }
    }

    fn entry(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId { term, node_id: 1 }, index)
    }

    #[test]
    fn i1_what_was_acknowledged_counts_in_its_leadership_and_until_it_is_there_again() {
        let known = Acknowledged::new(GroupId(1));
        let (follower, node) = (ReplicaId(7), NodeId(2));
        known.went_back(follower, node, entry(1, 1));
        assert!(!known.has_gone_back(follower), "of whom nothing was heard, nothing is known");
        known.took(follower, vote(3), entry(3, 90));
        known.took(follower, vote(3), entry(3, 80));
        assert_eq!(known.upto(follower, vote(3)), Some(entry(3, 90)), "answers may overtake each other");
        assert_eq!(known.upto(follower, vote(4)), None, "another leader may have made it cut its log");

        known.went_back(follower, node, entry(3, 90));
        known.took(follower, vote(3), entry(3, 20));
        assert!(known.has_gone_back(follower), "a part of what it had is not enough");
        known.took(follower, vote(3), entry(3, 90));
        assert!(!known.has_gone_back(follower));
        known.went_back(follower, node, entry(3, 90));
        known.took(follower, vote(2), entry(2, 200));
        assert!(known.has_gone_back(follower), "an answer to an earlier leadership that comes late");
        known.took(follower, vote(5), entry(5, 10));
        assert!(!known.has_gone_back(follower));
    }
}
