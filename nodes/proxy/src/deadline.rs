//! How long a request may still take, and trying again within that time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use vecraft_runtime::clock::Clock;
use vecraft_types::{Code, Error, Result};

/// First pause before an unavailable shard or coordinator is asked again; doubled up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The moment until which an answer is of use.
#[derive(Clone)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    until: Duration,
    given: Duration,
}

impl Deadline {
    /// From now on for the caller's milliseconds, or for the default.
    pub(crate) fn new(clock: &Arc<dyn Clock>, asked_ms: Option<u64>, default: Duration) -> Deadline {
        let given = asked_ms.map_or(default, Duration::from_millis);
        Deadline { clock: clock.clone(), until: clock.monotonic().saturating_add(given), given }
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
    pub(crate) fn passed(&self, what: &str) -> Error {
        Error::new(Code::Deadline, format!("{what} took longer than {} ms", self.given.as_millis()))
    }

    /// Waits for `work`, at most until the deadline. The work is dropped then.
    pub(crate) async fn run<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.left(), work).await {
            Ok(result) => result,
            Err(_) => Err(self.passed(what)),
        }
    }

    /// Does `attempt` until it succeeds, fails for good in the eyes of `again`, or time is over; then the last
    /// error is the answer, because it says more than "too late". It says [`Error::may_be_done`] when any attempt did.
    pub(crate) async fn retry<T, F, Fut>(
        &self,
        what: &str,
        again: fn(&Error) -> bool,
        mut attempt: F,
    ) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let (mut pause, mut may_be_done) = (PAUSE_FIRST, false);
        loop {
            let mut error = match self.run(what, attempt()).await {
                Err(error) => error,
                done => return done,
            };
            may_be_done |= error.may_be_done;
            error.may_be_done = may_be_done;
            if !again(&error) {
                return Err(error);
            }
            let wait = pause.max(Duration::from_millis(error.retry_after_ms.unwrap_or(0)));
            if wait >= self.left() {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// True when nobody could serve and asking again soon makes sense: starting up, no leader, no replica.
pub(crate) fn is_unavailable(error: &Error) -> bool {
    matches!(error.code, Code::NotReady | Code::Unavailable | Code::ReplicaUnavailable)
}
