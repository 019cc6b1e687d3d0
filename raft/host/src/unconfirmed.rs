//! When a proposal that waits has nobody left who could confirm it.
//!
//! ```text
//! proposed ── lease over ── no majority heard for LEFT_ALONE ──> Unconfirmed: it may be done, or be done yet (I10)
//!      └───── another leads, and nothing was heard of it here for LEFT_ALONE ──┘
//! ```
//! A leader whose lease is over refuses what comes then at once, but what it took before stays in its log, and openraft
//! answers it only when it is committed or another leader's log took its place: without a majority, never. Whoever waits
//! for it is told within seconds, and asks again under the same name. It takes nothing back: the entry goes on.

use crate::{Error, Group, Members, Part, Progress};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::ReplicaId;

/// As long as an election takes. Whoever asks again under the same name loses nothing when it was too short.
const LEFT_ALONE: Duration = Duration::from_secs(2);
/// How often is looked, of what waits for so long.
const LOOK: Duration = Duration::from_millis(250);

impl Group {
    /// Returns once what was proposed now, and is not committed yet, has nobody left to confirm it.
    pub(crate) async fn left_alone(&self) -> Error {
        let began = Instant::now();
        tokio::time::sleep(LEFT_ALONE).await;
        let mut led = began;
        loop {
            let (part, members) = {
                let standing = self.standing.borrow();
                (standing.part, standing.members.clone())
            };
            let is_alone = match part {
                Part::Leader => {
                    led = Instant::now();
                    unheard_for(&members, self.me, &self.progress()) >= LEFT_ALONE
                }
                // What it took as the leader is committed or replaced as soon as the next one is heard.
                _ => led.elapsed() >= LEFT_ALONE,
            };
            if is_alone {
                return Error::Unconfirmed { group: self.id, waited_ms: began.elapsed().as_millis() as u64 };
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// For how long a leader has heard no majority of its voters, itself counted; the maximum when never. Of the sets of a change
/// under way, the one that was heard least decides.
fn unheard_for(members: &Members, me: ReplicaId, followers: &[Progress]) -> Duration {
    let age = |voter: &ReplicaId| {
        if *voter == me {
            return Duration::ZERO;
        }
        // One that lacks what it had acknowledged confirms nothing (I1).
        let follower = followers.iter().find(|p| p.follower.replica == *voter && !p.has_gone_back);
        follower.and_then(|p| p.heard_ms_ago).map_or(Duration::MAX, Duration::from_millis)
    };
    let of_set = |set: &std::collections::BTreeSet<ReplicaId>| {
        let mut ages: Vec<Duration> = set.iter().map(age).collect();
        ages.sort_unstable();
        ages.get(ages.len() / 2).copied().unwrap_or(Duration::MAX)
    };
    members.sets.iter().map(of_set).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;
    use vecraft_types::{LogPosition, NodeId};

    fn heard(replica: u64, ms_ago: Option<u64>, has_gone_back: bool) -> Progress {
        let follower = Location { replica: ReplicaId(replica), node: NodeId(replica) };
        let (matched, lag) = (LogPosition(1), 0);
        Progress { follower, is_voter: true, matched, lag, has_gone_back, heard_ms_ago: ms_ago }
    }

    fn check(sets: &[&[u64]], followers: &[Progress], expected: Option<u64>) {
        let sets = sets.iter().map(|set| set.iter().copied().map(ReplicaId).collect()).collect();
        let members = Members { sets, ..Members::default() };
        let expected = expected.map_or(Duration::MAX, Duration::from_millis);
        assert_eq!(unheard_for(&members, ReplicaId(1), followers), expected);
    }

    #[test]
    fn a_majority_is_as_old_as_the_last_of_it_that_is_needed() {
        check(&[&[1]], &[], Some(0));
        check(&[&[1, 2, 3]], &[heard(2, Some(9_000), false), heard(3, Some(200), false)], Some(200));
        check(&[&[1, 2, 3]], &[heard(2, Some(9_000), false), heard(3, None, false)], Some(9_000));
        check(&[&[1, 2, 3]], &[], None);
        check(&[&[1, 2]], &[heard(2, Some(70), false)], Some(70));
        check(&[&[1, 2, 3]], &[heard(2, Some(9_000), false), heard(3, Some(200), true)], Some(9_000));
        // A change under way needs both; a leader that leaves does not count.
        let followers = [heard(2, Some(10), false), heard(3, None, false), heard(4, Some(500), false)];
        check(&[&[1, 2, 3], &[2, 3, 4]], &followers, Some(500));
        check(&[&[1, 2, 3], &[1, 3]], &followers, None);
    }
}
