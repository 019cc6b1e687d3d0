//! How long a request may still take, trying again within that time, and what a caller hears when it was of no use.
//!
//! ```text
//!  caller's time   |------------------------------------------|
//!  roles are given |--------------------------------------|       left_ms(): so that their own words arrive
//!  we wait         |----------------------------------------|     then the answer goes back while somebody listens
//! ```
//! A refusal for lack of an answer says which group did not give one, what its replicas said last and what this node
//! knows of it. Whether something may be done all the same follows from what was asked, never from the words.

use crate::outages::{self, OutFor, Outages, Silence};
use crate::refusal;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::Topology;
use vecraft_runtime::clock::Clock;
use vecraft_types::api::Consistency;
use vecraft_types::{Code, Error, GroupId, Result};

/// First pause before an unavailable shard or coordinator is asked again; doubled up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Of the caller's time this part is kept for the answer's way back, and no more than that: gRPC's clients drop what
/// arrives a moment late, and with it the reason.
const RESERVE_SHARE: u32 = 16;
const RESERVE_MAX: Duration = Duration::from_millis(200);

/// The moment until which an answer is of use.
#[derive(Clone)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    topology: Arc<dyn Topology>,
    outages: Arc<Outages>,
    began: Duration,
    /// For those who are asked.
    until: Duration,
    /// How much longer their answer is waited for.
    grace: Duration,
    given: Duration,
}

/// What is asked, of which group.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) what: &'a str,
    /// None when this node does not know which group holds the shard.
    pub(crate) group: Option<GroupId>,
    /// Something is done by it: an attempt that got no answer may be done, or be done yet.
    pub(crate) is_change: bool,
    /// It may take long by itself: that it took too long says nothing about the group's leader.
    pub(crate) may_be_long: bool,
    pub(crate) shows: Shows,
}

/// What an attempt shows of the group's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Nothing: any replica may answer from what it has.
    Nothing,
    /// No answer shows that the leader is missed. An answer shows nothing: it may come from memory, or be as old as a session.
    Absence,
    /// Both: only the leader can answer, or a replica that heard it lately.
    Both,
}

impl<'a> Ask<'a> {
    /// Changes the catalogue, in the log of group 0.
    pub(crate) fn ddl(what: &'a str) -> Ask<'a> {
        Ask { is_change: true, ..Ask::leader(what, GroupId::META) }
    }

    /// Changes rows, in the log of their shard's group.
    pub(crate) fn write(what: &'a str, group: Option<GroupId>) -> Ask<'a> {
        Ask { what, group, is_change: true, may_be_long: false, shows: Shows::Both }
    }

    /// Looks for the metastore's newest word.
    pub(crate) fn look_up(what: &'a str) -> Ask<'a> {
        Ask::leader(what, GroupId::META)
    }

    /// Reads rows of a shard, at this level.
    pub(crate) fn read(what: &'a str, group: Option<GroupId>, level: Consistency) -> Ask<'a> {
        let shows = match level {
            Consistency::Eventually => Shows::Nothing,
            Consistency::Strong => Shows::Both,
            Consistency::Bounded(ms, _) if outages::is_lately(Duration::from_millis(ms)) => Shows::Both,
            Consistency::Bounded(..) | Consistency::Session(_) => Shows::Absence,
        };
        Ask { what, group, is_change: false, may_be_long: true, shows }
    }

    /// Asks a group's leader for something that may be done twice, or not at all.
    pub(crate) fn leader(what: &'a str, group: GroupId) -> Ask<'a> {
        Ask { what, group: Some(group), is_change: false, may_be_long: false, shows: Shows::Both }
    }
}

impl Deadline {
    /// From now on.
    pub(crate) fn new(
        clock: &Arc<dyn Clock>,
        topology: &Arc<dyn Topology>,
        outages: &Arc<Outages>,
        given: Duration,
    ) -> Deadline {
        let reserve = (given / RESERVE_SHARE).min(RESERVE_MAX);
        let began = clock.monotonic();
        Deadline {
            clock: clock.clone(),
            topology: topology.clone(),
            outages: outages.clone(),
            began,
            until: began.saturating_add(given - reserve),
            grace: reserve / 2,
            given,
        }
    }

    /// The same, but no longer than this from its beginning, and than half of the caller's time: whoever waits so has
    /// something else to do then.
    pub(crate) fn at_most(mut self, wait: Duration) -> Deadline {
        self.until = self.until.min(self.began.saturating_add(wait.min(self.given / 2)));
        self
    }

    /// Time left; zero when it has passed.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_sub(self.clock.monotonic())
    }

    /// Time left in milliseconds, for the next role.
    pub(crate) fn left_ms(&self) -> u64 {
        u64::try_from(self.left().as_millis()).unwrap_or(u64::MAX)
    }

    /// The error that says it has passed.
    fn passed(&self, what: &str) -> Error {
        Error::new(Code::Deadline, format!("{what} took longer than {} ms", self.given.as_millis()))
    }

    /// Waits for `work`, at most until the deadline; none when that passed. The work is dropped then.
    async fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Option<Result<T>> {
        tokio::time::timeout(self.left() + self.grace, work).await.ok()
    }

    /// Waits for `work`, at most until the deadline.
    pub(crate) async fn run<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.wait(work).await.unwrap_or_else(|| Err(self.passed(what)))
    }

    /// Does `attempt` until it succeeds, fails for good in the eyes of `again`, or time is over, which is sooner for a group
    /// that has answered nobody for long (`outages`). Then the last error is the answer, because it
    /// says more than "too late", with the group that did not answer. It says [`Error::may_be_done`] when any attempt did.
    pub(crate) async fn retry<T, F, Fut>(
        &self,
        ask: Ask<'_>,
        again: fn(&Error) -> bool,
        mut attempt: F,
    ) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let (mut pause, mut may_be_done) = (PAUSE_FIRST, false);
        let mut told: Option<Error> = None;
        loop {
            let answer = self.wait(attempt()).await;
            let is_cut = answer.is_none();
            let mut error = match answer {
                Some(Ok(done)) => {
                    self.note(ask, None);
                    return Ok(done);
                }
                Some(Err(error)) => error,
                None => self.cut(ask, told.as_ref()),
            };
            let outage = self.note(ask, Some(&error));
            may_be_done |= error.may_be_done;
            error.may_be_done = may_be_done;
            let wait = pause.max(Duration::from_millis(error.retry_after_ms.unwrap_or(0)));
            let stops = is_unavailable(&error) && self.outages.is_stopping(self.clock.monotonic());
            if stops {
                error.detail = format!("this node stops; {}", error.detail);
            }
            let is_over = stops || wait >= self.left() || self.is_hopeless(outage);
            if is_cut || !again(&error) || is_over {
                return Err(self.refuse(ask, error, told, outage.own));
            }
            told = Some(error);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Whether this request hopes in vain for a group that has been out for so long.
    pub(crate) fn is_hopeless(&self, outage: OutFor) -> bool {
        outage.is_hopeless(self.clock.monotonic().saturating_sub(self.began))
    }

    /// What an attempt says about its group's leader; for how long that has been away, and those of groups on the same nodes:
    /// who lacks a majority there lacks it for all of them. An error that names another group
    /// comes from this one's leader, which could not reach that. Any other refusal shows nothing: this node may have given it
    /// without asking anybody.
    pub(crate) fn note(&self, ask: Ask<'_>, error: Option<&Error>) -> OutFor {
        let Some(asked) = ask.group.filter(|_| ask.shows != Shows::Nothing) else { return OutFor::default() };
        let Some(error) = error else {
            match ask.shows {
                Shows::Both if ask.is_change => self.outages.did(asked),
                Shows::Both => self.outages.answered(asked),
                Shows::Absence | Shows::Nothing => {}
            }
            return OutFor::default();
        };
        let is_silence = if ask.may_be_long { is_unavailable(error) } else { is_unanswered(error) };
        if !is_silence || error.is_unknown_shard() {
            return OutFor::default();
        }
        let silent = refusal::group_in(error).unwrap_or(asked);
        if silent != asked {
            self.outages.answered(asked);
        }
        let nodes = |group| {
            let mut nodes = self.topology.nodes_of(group);
            nodes.sort_unstable();
            nodes
        };
        let silent_nodes = nodes(silent);
        let is_alike = |group| !silent_nodes.is_empty() && nodes(group) == silent_nodes;
        self.outages.failed(Silence { asked, silent }, self.clock.monotonic(), is_alike)
    }

    /// An attempt had no answer in time. Of a look-up what was told before is the answer, since nothing can come of it.
    fn cut(&self, ask: Ask<'_>, told: Option<&Error>) -> Error {
        let passed = self.passed(ask.what);
        match told {
            _ if ask.is_change => passed.unanswered(),
            Some(told) => {
                let mut told = told.clone();
                told.detail = format!("{}; {}", told.detail, passed.detail);
                told
            }
            None => passed,
        }
    }

    /// The last error in the words for the caller.
    fn refuse(&self, ask: Ask<'_>, mut error: Error, told: Option<Error>, out_for: Duration) -> Error {
        let told = told.filter(|told| error.code == Code::Deadline && told.detail != error.detail);
        if let Some(told) = &told {
            error = error.after(told);
        }
        // A read that only took too long says nothing about its group.
        let is_about_group = (is_unavailable(&error) && !error.is_unknown_shard())
            || (error.code == Code::Deadline
                && (ask.is_change || told.is_some() || ask.group == Some(GroupId::META)));
        if is_about_group {
            error = refusal::name_group(error, ask.group, self.topology.as_ref(), out_for);
        }
        if ask.is_change && error.may_be_done && error.code != Code::Deadline {
            error = refusal::maybe_done(ask.what, error);
        }
        error
    }
}

/// True when no leader answered, whatever became of what was asked. That a shard is not there is an answer.
pub(crate) fn is_unanswered(error: &Error) -> bool {
    (is_unavailable(error) && !error.is_unknown_shard())
        || matches!(error.code, Code::Deadline | Code::OutcomeUnknown)
}

/// True when nobody could serve and asking again soon makes sense: starting up, no leader, no replica.
pub(crate) fn is_unavailable(error: &Error) -> bool {
    matches!(error.code, Code::NotReady | Code::Unavailable | Code::ReplicaUnavailable)
}
