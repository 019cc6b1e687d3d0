//! Whether enough voters follow for a change of voters (I2). Among voters too few of whom acknowledge nothing is ever
//! committed, the change itself included, and no command undoes it: it has to be refused before it begins.

use crate::report::is_near;
use crate::{Error, Group, Members};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::ReplicaId;

/// Followers are given so long to answer once more. Longer than two heartbeats.
const ANSWER_MAX: Duration = Duration::from_millis(1_500);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

impl Group {
    /// Returns once a majority of `voters`, and of those that vote now, has answered after this call began and lacks
    /// almost nothing. What was heard earlier counts for nothing: it may have died since.
    pub(crate) async fn await_majority(
        &self,
        members: &Members,
        voters: &BTreeSet<ReplicaId>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let now: BTreeSet<ReplicaId> = members.voters.keys().copied().collect();
        loop {
            let fresh = self.fresh(began);
            let lacking =
                [voters, &now].into_iter().find(|set| 2 * set.intersection(&fresh).count() <= set.len());
            let Some(set) = lacking else { return Ok(()) };
            if began.elapsed() >= ANSWER_MAX {
                let silent: Vec<String> = set.difference(&fresh).map(ToString::to_string).collect();
                let why = format!(
                    "of the voters {} do not follow closely now: replica {}. Without them nothing could be decided; bring \
                     them back or wait until they have caught up",
                    silent.len(),
                    silent.join(", ")
                );
                return Err(Error::Refused { group: self.id(), why });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// This replica, and the followers that have answered since and are near.
    fn fresh(&self, since: Instant) -> BTreeSet<ReplicaId> {
        let waited = since.elapsed().as_millis() as u64;
        let has_answered = |p: &crate::Progress| is_near(p) && p.heard_ms_ago.is_some_and(|ago| ago < waited);
        let followers = self.progress();
        let fresh = followers.iter().filter(|p| has_answered(p)).map(|p| p.follower.replica);
        fresh.chain([self.replica()]).collect()
    }
}
