//! A node's clocks: monotonic time is the simulation's, wall time is that with an error which jumps (P7).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_runtime::clock::Clock;

/// Wall time at the beginning of every simulation.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// The clocks of one process; the error outlives it.
pub struct NodeClock {
    /// When the simulation began.
    pub began: Instant,
    /// When the process began.
    pub booted: Instant,
    /// How wrong the wall clock is.
    pub error_ms: Arc<AtomicI64>,
}

impl Clock for NodeClock {
    fn now_ms(&self) -> u64 {
        let passed = self.began.elapsed().as_millis() as i64;
        (EPOCH_MS + passed + self.error_ms.load(Ordering::Relaxed)).max(0) as u64
    }

    fn monotonic(&self) -> Duration {
        self.booted.elapsed()
    }
}
