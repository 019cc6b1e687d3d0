//! Since when a group has answered nobody here, of those who need its leader.
//!
//! An election takes up to two seconds, and a request waits for it as long as its caller does. A group that had answered
//! nobody for much longer when the request came lacks its majority: who waits then only holds memory that requests to
//! other groups need, so it gets the time of some elections, in which a cluster that is being repaired right now is back,
//! and is refused.
//!
//! It counts what callers of this node met and believes nobody else. Reads that any replica may answer say nothing here.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_types::GroupId;

/// A group that has answered nobody for so long has no election under way that would end by itself.
const LONG: Duration = Duration::from_secs(10);
/// What a request waits then, all in all: more than an election.
const PATIENCE: Duration = Duration::from_secs(5);
/// Failures further apart than this are not one outage: nobody asked in between.
const APART_MAX: Duration = Duration::from_secs(5);

/// The groups that do not answer.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    seen: Mutex<BTreeMap<GroupId, Outage>>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Duration,
    last: Duration,
}

impl Outages {
    /// The group's leader answered, if only to refuse.
    pub(crate) fn answered(&self, group: GroupId) {
        self.seen.lock().remove(&group);
    }

    /// The group answered nothing at this moment; since when that has been so.
    pub(crate) fn failed(&self, group: GroupId, now: Duration) -> Duration {
        let mut seen = self.seen.lock();
        let outage = seen.entry(group).or_insert(Outage { since: now, last: now });
        if now.saturating_sub(outage.last) > APART_MAX {
            outage.since = now;
        }
        outage.last = outage.last.max(now);
        now.saturating_sub(outage.since)
    }
}

/// Whether a request that has waited for so long hopes in vain for a group that has been out for so long. One that was
/// there before is waited for until its deadline.
pub(crate) fn is_hopeless(out_for: Duration, waited: Duration) -> bool {
    out_for.saturating_sub(waited) >= LONG && waited >= PATIENCE
}

/// What a refusal says about it; an election is no news.
pub(crate) fn told(out_for: Duration) -> Option<String> {
    (out_for >= LONG).then(|| format!("it has answered nobody here for {} s", out_for.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn an_outage_lasts_from_the_first_failure_until_an_answer_or_until_nobody_asks() {
        let (outages, group) = (Outages::default(), GroupId(4));
        let failed = |at| outages.failed(group, seconds(at));
        assert_eq!((failed(100), failed(104), failed(109)), (seconds(0), seconds(4), seconds(9)));
        assert_eq!(outages.failed(GroupId(5), seconds(109)), seconds(0), "another group");
        outages.answered(group);
        assert_eq!((failed(110), failed(112)), (seconds(0), seconds(2)));
        // Nobody asked for a minute: it may have been there all the time.
        assert_eq!((failed(172), failed(175)), (seconds(0), seconds(3)));
    }

    #[test]
    fn an_election_is_always_waited_for() {
        assert!(!is_hopeless(seconds(29), seconds(29)), "the group went while the request waited");
        assert!(!is_hopeless(seconds(14), seconds(5)), "it may have been elections when the request came");
        assert!(!is_hopeless(seconds(3_600), seconds(4)), "it may be back within the next election");
        assert!(is_hopeless(seconds(15), seconds(5)));
    }
}
