//! Is this read's answer still wanted?

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vecraft_runtime::clock::Clock;
use vecraft_types::{Code, Error, Result};

/// Held by the caller's future: when that is dropped, or the deadline passes, the work on the CPU pool sees it.
pub(crate) struct Wanted {
    watch: Watch,
    given_ms: u64,
}

/// The worker's side.
#[derive(Clone)]
pub(crate) struct Watch {
    is_left: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Wanted {
    /// Wanted for so many milliseconds from now.
    pub(crate) fn new(clock: &Arc<dyn Clock>, deadline_ms: u64) -> Wanted {
        let until = clock.monotonic().saturating_add(Duration::from_millis(deadline_ms));
        Wanted {
            watch: Watch { is_left: Arc::default(), clock: clock.clone(), until },
            given_ms: deadline_ms,
        }
    }

    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(crate) fn left(&self) -> Duration {
        self.watch.until.saturating_sub(self.watch.clock.monotonic())
    }

    pub(crate) fn left_ms(&self) -> u64 {
        u64::try_from(self.left().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for `work`, at most until the deadline.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.left(), work).await {
            Ok(Err(error)) if error.code == Code::Cancelled => Err(self.passed()),
            Ok(result) => result,
            Err(_) => Err(self.passed()),
        }
    }

    /// While the caller is here, the only reason to stop is its deadline.
    fn passed(&self) -> Error {
        Error::new(Code::Deadline, format!("the read took longer than the {} ms it had left", self.given_ms))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.watch.is_left.store(true, Ordering::Relaxed);
    }
}

/// Whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Watch {
    /// Microseconds since any moment, for who notes how long things took.
    pub(crate) fn now_us(&self) -> u64 {
        micros(self.clock.monotonic())
    }

    /// True when nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_left.load(Ordering::Relaxed) || self.clock.monotonic() >= self.until
    }
}
