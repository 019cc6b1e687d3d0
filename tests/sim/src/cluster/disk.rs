//! A disk that takes its time: batches of the log are durable a while after they were handed in.

use super::invariants::i6_log::Synced;
use crate::power::Fuse;
use crate::rng::Rng;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_log_store::{GroupLog, LogHealth, NodeLog};

/// Without anything to write the log is marked as synced after so long (I6).
const SILENCE: Duration = Duration::from_secs(1);

/// How long a node's disk takes.
#[derive(Clone)]
pub struct DiskPace(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    us_max: u64,
    slow_until: Option<Instant>,
}

impl DiskPace {
    /// At most so long a batch.
    pub fn new(rng: Rng, us_max: u64) -> DiskPace {
        DiskPace(Arc::new(Mutex::new(State { rng, us_max, slow_until: None })))
    }

    /// Batches take up to two seconds for so long.
    pub fn be_slow(&self, duration: Duration) {
        self.0.lock().slow_until = Some(Instant::now() + duration);
    }

    /// As usual again.
    pub fn recover(&self) {
        self.0.lock().slow_until = None;
    }

    fn draw(&self) -> Duration {
        let mut state = self.0.lock();
        let is_slow = state.slow_until.is_some_and(|until| Instant::now() < until);
        let us_max = if is_slow { 2_000_000 } else { state.us_max };
        Duration::from_micros(state.rng.below(us_max + 1))
    }
}

/// The log's writer: until the process is dead. What a group's log showed before a write that went well is synced.
pub async fn write_log(
    log: NodeLog,
    group: GroupLog,
    synced: Arc<Mutex<Synced>>,
    pace: DiskPace,
    fuse: Fuse,
) {
    loop {
        let is_roused = tokio::time::timeout(SILENCE, log.roused()).await.is_ok();
        tokio::time::sleep(pace.draw()).await;
        if fuse.is_blown() {
            return;
        }
        // The commit point and the mark may wait; with a batch everything queued is written.
        let queued = group.recovered();
        let is_batch = is_roused || log.metrics().queue_bytes > 0;
        if is_roused {
            log.write_queued();
        } else {
            log.tick();
        }
        if let (true, Ok(queued), LogHealth::Serving, false) =
            (is_batch, queued, log.health(), fuse.is_blown())
        {
            *synced.lock() = Synced::all(&queued);
        }
    }
}
