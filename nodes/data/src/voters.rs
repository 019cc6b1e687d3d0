//! Whether the other voters of a group have room for more rows (I21): the slowest one counts, or the Seal that would free
//! its memory would wait behind the entry that it cannot apply.
//!
//! ```text
//!  insert at the leader ── what was heard last? ── short: refused, with the node's name
//!        |                                     `── room: taken, and counted against what is left there
//!        `── not asked for a while ── a question in the background ── one that is short asks for relief (`relief`)
//! ```
//! No insert waits for an answer, and nobody asks while nobody inserts (P11). A voter that is short is asked again and
//! again as long as there are inserts, so they are taken soon after it has room.
//!
//! **Only voters that answer count.** One that is dead or cut off lacks the entries anyway, and would else stop the writes
//! that a majority can take. It fills up, or not, when it catches up. The other side of this: the first insert after a
//! pause is taken before anything was heard, and what follows until the answer comes; a limit leaves room for that.
//!
//! Deletes are not asked about: they are how a user makes room.

use crate::group::DataGroup;
use crate::node::DataNode;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::memory::{NodeRoom, RoomElsewhere, RoomLeft};
use vecraft_types::{Code, Error, GroupId, NodeId, Result};

/// Between two questions to a voter.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// For an answer; a voter that is slower does not count.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long an answer counts, and how long a voter is asked on after the last insert.
const COUNTS: Duration = Duration::from_secs(10);

/// What this node heard of the nodes of other voters.
pub(crate) struct Voters {
    own: NodeId,
    elsewhere: Arc<dyn RoomElsewhere>,
    heard: Mutex<BTreeMap<NodeId, Heard>>,
    /// Before a voter that is short is asked again.
    pause: Duration,
}

/// Times are of the monotonic clock.
#[derive(Default)]
struct Heard {
    asked: Option<Duration>,
    is_asking: bool,
    /// The last insert that had to know.
    wanted: Duration,
    /// The last answer; none after a question without one.
    room: Option<(Duration, RoomLeft)>,
    /// Bytes of inserts since the question of that answer, and since the one under way.
    spent: u64,
    spent_asking: u64,
}

impl Heard {
    /// Why the node takes no more.
    fn shortage(&self, node: NodeId, now: Duration) -> Option<Error> {
        let (at, room) = self.room.as_ref()?;
        if now.saturating_sub(*at) > COUNTS {
            return None;
        }
        let (code, why) = match &room.shortage {
            Some(error) => (error.code, error.detail.clone()),
            None if self.spent > room.bytes => {
                let (left, spent) = (room.bytes >> 20, self.spent >> 20);
                let why = format!("{left} MiB were left a moment ago, {spent} MiB were written since");
                (Code::OutOfMemory, why)
            }
            None => return None,
        };
        let text = format!("node {node}, which has a replica, has no room: {why}; deletes are still taken");
        Some(Error::new(code, text).retry_after(1_000))
    }
}

impl Voters {
    /// Counts an insert for a node; true when it is time to ask it.
    fn want(&self, node: NodeId, bytes: usize, now: Duration) -> bool {
        let mut heard = self.heard.lock();
        let one = heard.entry(node).or_default();
        one.wanted = now;
        one.spent = one.spent.saturating_add(bytes as u64);
        one.spent_asking = one.spent_asking.saturating_add(bytes as u64);
        let is_due = one.asked.is_none_or(|asked| now.saturating_sub(asked) >= ASK_EVERY);
        if one.is_asking || !is_due {
            return false;
        }
        one.is_asking = true;
        true
    }

    fn shortage(&self, node: NodeId, now: Duration) -> Option<Error> {
        self.heard.lock().get(&node)?.shortage(node, now)
    }

    /// Remembers an answer; true when the next question follows from it.
    fn hear(&self, node: NodeId, now: Duration, room: Option<RoomLeft>) -> bool {
        let mut heard = self.heard.lock();
        let one = heard.entry(node).or_default();
        let was_short = one.shortage(node, now);
        one.room = room.map(|room| (now, room));
        one.spent = std::mem::take(&mut one.spent_asking);
        let is_short = one.shortage(node, now);
        match (&was_short, &is_short) {
            (None, Some(why)) => tracing::warn!(%node, %why, "inserts are refused (I21)"),
            (Some(_), None) => tracing::info!(%node, "has room again, or does not answer: inserts are taken"),
            _ => {}
        }
        one.is_asking = is_short.is_some() && now.saturating_sub(one.wanted) < COUNTS;
        one.is_asking
    }

    fn begin(&self, node: NodeId, now: Duration) {
        let mut heard = self.heard.lock();
        let one = heard.entry(node).or_default();
        (one.asked, one.spent_asking) = (Some(now), 0);
    }

    /// Asks once, and on while it is short. Holds nothing of the node that would outlive it.
    async fn ask(self: Arc<Voters>, node: NodeId, now: impl Fn() -> Duration + Send) {
        loop {
            self.begin(node, now());
            let answer = tokio::time::timeout(ANSWER_MAX, self.elsewhere.room(node)).await;
            let room = answer.ok().and_then(Result::ok);
            if !self.hear(node, now(), room) {
                return;
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    pub(crate) fn elsewhere(&self) -> Arc<dyn RoomElsewhere> {
        self.elsewhere.clone()
    }
}

impl DataNode {
    /// From now on inserts ask about the other voters' nodes, too. Called once a start.
    pub fn count_voters(&self, own: NodeId, elsewhere: Arc<dyn RoomElsewhere>) {
        let voters = Voters { own, elsewhere, heard: Mutex::default(), pause: ASK_EVERY };
        let _ = self.voters.set(Arc::new(voters));
    }

    /// Refuses an insert for which another voter has no room.
    pub(crate) fn check_voters(&self, group: &DataGroup, bytes: usize) -> Result<()> {
        let Some(voters) = self.voters.get() else { return Ok(()) };
        if !group.raft.is_leader() {
            // Its leader will say.
            return Ok(());
        }
        let standing = group.raft.standing();
        let others: Vec<NodeId> = {
            let standing = standing.borrow();
            standing.members.voters.values().copied().filter(|node| *node != voters.own).collect()
        };
        let now = group.clock.monotonic();
        // Before anything is counted: a refused insert takes nothing.
        let short = others.iter().find_map(|node| voters.shortage(*node, now));
        let bytes = if short.is_some() { 0 } else { bytes };
        for node in others {
            if voters.want(node, bytes, now) {
                let clock = group.clock.clone();
                tokio::spawn(voters.clone().ask(node, move || clock.monotonic()));
            }
        }
        short.map_or(Ok(()), |error| Err(error.with("group", group.id())))
    }
}

#[async_trait::async_trait]
impl NodeRoom for DataNode {
    async fn room(&self) -> Result<RoomLeft> {
        let room = self.room_left();
        if room.shortage.as_ref().is_some_and(|why| why.code == Code::OutOfMemory) {
            self.ask_relief();
        }
        Ok(room)
    }

    async fn relieve(&self, group: GroupId) -> Result<()> {
        DataNode::relieve(self, group)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use async_trait::async_trait;
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU64, Ordering};

    const NODE: NodeId = NodeId(3);

    /// Answers in this order; then it is silent.
    struct Answers(Mutex<VecDeque<RoomLeft>>);

    #[async_trait]
    impl RoomElsewhere for Answers {
        async fn room(&self, _: NodeId) -> Result<RoomLeft> {
            let next = self.0.lock().pop_front();
            next.ok_or_else(|| Error::new(Code::Unavailable, "it is gone"))
        }
        async fn relieve(&self, _: NodeId, _: GroupId) -> Result<()> {
            Ok(())
        }
    }

    fn voters(answers: impl IntoIterator<Item = RoomLeft>) -> Arc<Voters> {
        let elsewhere = Arc::new(Answers(Mutex::new(answers.into_iter().collect())));
        let (own, pause) = (NodeId(1), Duration::from_millis(1));
        Arc::new(Voters { own, elsewhere, heard: Mutex::default(), pause })
    }

    fn room(bytes: u64) -> RoomLeft {
        RoomLeft { bytes, shortage: None }
    }

    fn short(code: Code) -> RoomLeft {
        RoomLeft { bytes: 0, shortage: Some(Error::new(code, "all of it is used")) }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn i21_who_is_short_is_named_and_who_has_room_is_not() {
        let voters = voters([]);
        assert_eq!(voters.shortage(NODE, at(0)), None, "nothing was heard");
        voters.hear(NODE, at(0), Some(short(Code::DiskFull)));
        let refused = voters.shortage(NODE, at(10)).unwrap();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::DiskFull, Some(1_000)));
        assert!(
            refused.detail.contains("node 3") && refused.detail.contains("all of it is used"),
            "{refused}"
        );
        assert_eq!(voters.shortage(NodeId(2), at(10)), None);
        voters.hear(NODE, at(20), Some(room(100)));
        assert_eq!(voters.shortage(NODE, at(20)), None);
    }

    #[test]
    fn i21_a_voter_that_does_not_answer_does_not_count() {
        let voters = voters([]);
        voters.hear(NODE, at(0), Some(short(Code::OutOfMemory)));
        voters.hear(NODE, at(10), None);
        assert_eq!(voters.shortage(NODE, at(10)), None);
        voters.hear(NODE, at(20), Some(short(Code::OutOfMemory)));
        assert_eq!(voters.shortage(NODE, at(20) + COUNTS + at(1)), None, "that was long ago");
    }

    #[test]
    fn i21_what_is_written_between_two_answers_counts() {
        let voters = voters([]);
        assert!(voters.want(NODE, 0, at(0)), "never asked");
        voters.begin(NODE, at(0));
        assert!(!voters.want(NODE, 60, at(1)), "a question is under way");
        assert!(!voters.hear(NODE, at(2), Some(room(100))));
        // What came while the question was under way may not have been there yet.
        assert!(!voters.want(NODE, 40, at(3)));
        assert_eq!(voters.shortage(NODE, at(3)), None);
        assert!(!voters.want(NODE, 1, at(4)));
        assert_eq!(voters.shortage(NODE, at(4)).unwrap().code, Code::OutOfMemory);
        assert!(voters.want(NODE, 0, at(0) + ASK_EVERY), "time to ask again");
        voters.begin(NODE, at(600));
        voters.hear(NODE, at(601), Some(room(100)));
        assert_eq!(voters.shortage(NODE, at(601)), None);
    }

    #[tokio::test]
    async fn i21_one_that_is_short_is_asked_until_it_has_room_or_nobody_inserts() {
        let now = Arc::new(AtomicU64::new(0));
        let clock = |step: u64| {
            let now = now.clone();
            move || at(now.fetch_add(step, Ordering::Relaxed))
        };
        let first = voters([short(Code::OutOfMemory), short(Code::OutOfMemory), room(9)]);
        assert!(first.want(NODE, 0, at(0)));
        first.clone().ask(NODE, clock(1)).await;
        assert_eq!(first.shortage(NODE, at(10)), None);
        assert!(first.want(NODE, 0, at(5_000)), "the next insert asks again");

        // Each look at the clock is a second later: after ten of them nobody has inserted for long.
        let second = voters(std::iter::repeat_n(short(Code::OutOfMemory), 100));
        assert!(second.want(NODE, 0, at(0)));
        second.clone().ask(NODE, clock(1_000)).await;
        assert!(second.elsewhere.room(NODE).await.is_ok(), "it was not asked a hundred times");
    }
}
