//! One job while it is done: how far it is, and that nobody wants it any more.

use crate::error::{Error, Result};
use crate::plan::IndexTarget;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_index::BuildMonitor;

/// Set when nobody wants the index any more; looked at between batches of rows, and then it says how far the build is.
#[derive(Clone, Default)]
pub(crate) struct JobWatch(Arc<Watched>);

#[derive(Default)]
struct Watched {
    is_set: AtomicBool,
    told: Notify,
    /// Rows that are in the index, and all.
    done: AtomicUsize,
    total: AtomicUsize,
}

impl JobWatch {
    pub(crate) fn set(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
        // Kept for who begins to wait later.
        self.0.told.notify_one();
    }

    /// Rows that are in the index, less than all until it is made, and all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let (done, total) = (self.0.done.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed));
        (done.min(total.saturating_sub(1)) as u64, total as u64)
    }

    /// For work that waits for others. One waits at a time.
    pub(crate) async fn until_set(&self) {
        while !self.cancelled() {
            self.0.told.notified().await;
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl BuildMonitor for JobWatch {
    fn cancelled(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }

    fn progress(&self, done: usize, total: usize) {
        self.0.total.store(total, Ordering::Relaxed);
        self.0.done.store(done, Ordering::Relaxed);
    }
}

/// A job that is being done.
pub(crate) struct UnderWay {
    pub target: IndexTarget,
    /// On the monotonic clock.
    pub since: Duration,
    pub watched: JobWatch,
}

impl UnderWay {
    /// Seconds until a build is done, about, if the rows that are left take as long as those that are in it did; at least 1. None
    /// before there is something to go by.
    pub(crate) fn seconds_left(&self, now: Duration) -> Option<u64> {
        let (done, total) = self.watched.progress();
        let took = now.saturating_sub(self.since).as_secs_f64();
        (done > 0).then(|| (took * (total - done) as f64 / done as f64).ceil().max(1.0) as u64)
    }
}
