//! Since when a group has answered nobody here, of those who need its leader.
//!
//! An election takes up to two seconds, and a request waits for it as long as its caller does. A group that has answered
//! nobody for much longer lacks its majority: who waits then only holds memory that requests to other groups need, be it
//! that it came afterwards or that it waited already when the majority went. Each gets the time of some elections, in which
//! a cluster that is being repaired right now is back, and is refused.
//!
//! It counts what callers of this node met and believes nobody else. Reads at Eventually say nothing here; at the other
//! levels a read that no replica serves counts, and one that is served ends the outage only if its level shows that the leader
//! was heard lately. Refusals count for nothing, since this node may have given them by itself. What a leader says of *another* group (the metastore's, of the
//! shards' groups) is a record of its own, since what ends it is another thing.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_types::GroupId;

/// A group that has answered nobody for so long has no election under way that would end by itself.
const LONG: Duration = Duration::from_secs(10);
/// What a request waits then, all in all: more than an election.
const PATIENCE: Duration = Duration::from_secs(5);
/// A call that a stopping node has under way is asked again for so long: another node leads by then, or none will.
const STOPPING: Duration = Duration::from_secs(2);
/// Failures further apart than this are not one outage. Long, for a caller who comes once in minutes is to be refused as soon
/// as others; and if the group was back unseen in between, [`PATIENCE`] still waits for an election.
const APART_MAX: Duration = Duration::from_secs(600);

/// The groups that do not answer.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    seen: Mutex<BTreeMap<Silence, Outage>>,
    /// When this node began to stop.
    stops_since: Mutex<Option<Duration>>,
}

/// Who was silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Silence {
    /// The group whose leader was asked.
    pub(crate) asked: GroupId,
    /// The same; or another, which that leader could not reach.
    pub(crate) silent: GroupId,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Duration,
    last: Duration,
}

impl Outages {
    /// This node stops: from now on nobody is waited for much longer.
    pub(crate) fn stop(&self, now: Duration) {
        self.stops_since.lock().get_or_insert(now);
    }

    /// Whether this node has been stopping for longer than an election takes. Others may stop with it, and then nobody will lead.
    pub(crate) fn is_stopping(&self, now: Duration) -> bool {
        self.stops_since.lock().is_some_and(|since| now.saturating_sub(since) >= STOPPING)
    }

    /// The group's leader answered.
    pub(crate) fn answered(&self, group: GroupId) {
        self.seen.lock().remove(&Silence { asked: group, silent: group });
    }

    /// The group's leader did what was asked, and reached whom it needed.
    pub(crate) fn did(&self, group: GroupId) {
        self.seen.lock().retain(|silence, _| silence.asked != group);
    }

    /// Nothing was answered at this moment; since when that has been so, and of groups alike.
    pub(crate) fn failed(
        &self,
        silence: Silence,
        now: Duration,
        is_alike: impl Fn(GroupId) -> bool,
    ) -> OutFor {
        let mut seen = self.seen.lock();
        let alike = seen.iter().filter(|(other, outage)| {
            other.silent != silence.silent && outage.is_long(now) && is_alike(other.silent)
        });
        let alike = alike.map(|(_, outage)| now.saturating_sub(outage.since)).max().unwrap_or_default();
        let outage = seen.entry(silence).or_insert(Outage { since: now, last: now });
        if now.saturating_sub(outage.last) > APART_MAX {
            outage.since = now;
        }
        outage.last = outage.last.max(now);
        OutFor { own: now.saturating_sub(outage.since), alike }
    }

    /// Whether the group's leader has been missed for long, by the last one who asked.
    pub(crate) fn is_out(&self, group: GroupId, now: Duration) -> bool {
        let seen = self.seen.lock();
        let outage = seen.get(&Silence { asked: group, silent: group });
        outage.is_some_and(|outage| outage.is_long(now))
    }
}

impl Outage {
    /// Whether those who asked met it for long, the last of them not too long ago.
    fn is_long(&self, now: Duration) -> bool {
        self.last.saturating_sub(self.since) >= LONG && now.saturating_sub(self.last) <= APART_MAX
    }
}

/// For how long nobody has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutFor {
    /// In the group.
    pub(crate) own: Duration,
    /// In another group that has the same nodes, the longest.
    pub(crate) alike: Duration,
}

impl OutFor {
    /// Whether a request that has waited for so long hopes in vain.
    pub(crate) fn is_hopeless(self, waited: Duration) -> bool {
        self.own.max(self.alike) >= LONG && waited >= PATIENCE
    }
}

/// Whether an answer that may be so old shows that the leader was there lately: an outage as long would not be one yet.
pub(crate) fn is_lately(age_max: Duration) -> bool {
    age_max <= LONG
}

/// What a refusal says about it, and what is left to do; an election is no news.
pub(crate) fn told(out_for: Duration) -> Option<String> {
    let text = || {
        format!(
            "it has answered nobody here for {} s; meanwhile reads at Eventually are answered, and docs/ops/recover.md says what \
             to do if the majority is lost for good",
            out_for.as_secs()
        )
    };
    (out_for >= LONG).then(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn of(asked: u64, silent: u64) -> Silence {
        Silence { asked: GroupId(asked), silent: GroupId(silent) }
    }

    #[test]
    fn an_outage_lasts_from_the_first_failure_until_an_answer_or_until_nobody_asks() {
        let (outages, group) = (Outages::default(), GroupId(4));
        let failed = |at| outages.failed(of(4, 4), seconds(at), |_| false).own;
        assert_eq!((failed(100), failed(104), failed(109)), (seconds(0), seconds(4), seconds(9)));
        assert_eq!(outages.failed(of(5, 5), seconds(109), |_| false), OutFor::default(), "another group");
        assert!(!outages.is_out(group, seconds(130)), "an election, and nobody asked since");
        // One who comes once in two minutes has not begun another outage.
        assert_eq!((failed(230), failed(350)), (seconds(130), seconds(250)));
        assert!(outages.is_out(group, seconds(351)));
        outages.answered(group);
        assert!(!outages.is_out(group, seconds(351)));
        assert_eq!((failed(410), failed(412)), (seconds(0), seconds(2)));
        // Nobody asked for long: it may have been there all the time.
        assert_eq!((failed(1_013), failed(1_016)), (seconds(0), seconds(3)));
    }

    #[test]
    fn what_a_leader_says_of_another_group_ends_when_that_leader_does_what_was_asked() {
        let outages = Outages::default();
        let meta = GroupId::META;
        let failed = |silence, at| outages.failed(silence, seconds(at), |_| false).own;
        failed(of(0, 4), 100);
        assert_eq!(failed(of(4, 4), 120), seconds(0), "hearsay is not what writes to the group met");
        outages.answered(meta);
        assert_eq!(failed(of(0, 4), 120), seconds(20), "a look-up shows nothing about the other group");
        outages.did(meta);
        assert_eq!(failed(of(0, 4), 130), seconds(0));
        assert_eq!(failed(of(4, 4), 130), seconds(10));
    }

    #[test]
    fn an_election_is_always_waited_for() {
        let is_hopeless = |out_for, waited| {
            let own = OutFor { own: seconds(out_for), ..OutFor::default() };
            let alike = OutFor { alike: seconds(out_for), ..OutFor::default() };
            assert_eq!(own.is_hopeless(seconds(waited)), alike.is_hopeless(seconds(waited)));
            own.is_hopeless(seconds(waited))
        };
        assert!(!is_hopeless(9, 9) && !is_hopeless(9, 50), "it may be elections");
        assert!(is_hopeless(10, 10), "the group went while the request waited");
        assert!(!is_hopeless(3_600, 4), "it may be back within the next election");
        assert!(is_hopeless(10, 5));
    }

    #[test]
    fn a_group_on_the_nodes_of_one_that_was_missed_for_long_is_taken_to_be_missed_as_long() {
        let outages = Outages::default();
        let failed =
            |silence, at, alike: u64| outages.failed(silence, seconds(at), |group| group == GroupId(alike));
        failed(of(4, 4), 100, 0);
        assert_eq!(failed(of(5, 5), 105, 4).alike, seconds(0), "that may be an election");
        failed(of(4, 4), 112, 0);
        assert_eq!(failed(of(6, 6), 115, 4), OutFor { own: seconds(0), alike: seconds(15) });
        assert_eq!(failed(of(6, 6), 116, 9), OutFor { own: seconds(1), alike: seconds(0) }, "on other nodes");
        outages.answered(GroupId(4));
        assert_eq!(failed(of(6, 6), 117, 4), OutFor { own: seconds(2), alike: seconds(0) }, "it is back");
        assert_eq!(failed(of(5, 5), 118, 5).alike, seconds(0), "its own failures are its own");
    }
}
