//! Watches what the process really has of its memory (I21), beside what the governor counts.
//!
//! ```text
//! below 80 % of what the system allows      indexes may take what is left of these 80 %
//! from 85 % on, until below 80 % again      inserts are refused, no index is read or built; the allocator gives freed memory back to
//!                                           the system; indexes go into their mapped files
//! ```
//! The kernel asks nobody before it kills. What counts is memory that is not mapped files, for those pages it takes back by itself.
//! Several servers in one program share what there is: each asks its indexes for its part.

use crate::heap::give_back;
use crate::limits;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vecraft_data::{Governor, ProcessMemory};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;

/// Between two looks: near the limit, far from it, and far from one of which a few requests are a large part.
const CLOSE_PAUSE: Duration = Duration::from_millis(100);
const CALM_PAUSE: Duration = Duration::from_secs(1);
const SMALL_PAUSE: Duration = Duration::from_millis(200);
const SMALL: u64 = 1 << 30;

/// Parts of a hundred of what is allowed.
const CLOSE: u64 = 60;
const ENOUGH: u64 = 80;
const TOO_NEAR: u64 = 85;

/// Until what was asked for last can be seen in what the process has: a file is read again before its index goes.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// The same for freed memory, which costs everybody who needs it soon.
const GIVE_AGAIN: Duration = Duration::from_secs(5);
/// Looks that may fail one after another before nothing is refused for what was seen last.
const BLIND_LOOKS: u32 = 10;

/// Servers of this process that watch.
static WATCHES: AtomicU64 = AtomicU64::new(0);

/// What one look leads to.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    memory: ProcessMemory,
    /// Bytes that indexes are asked for.
    ask: u64,
    gives_back: bool,
    pause: Duration,
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Watch {
    is_tight: bool,
    asked: Option<Duration>,
    gave: Option<Duration>,
}

/// Whether `pause` is over since `last`, which is now if it is.
fn is_due(last: &mut Option<Duration>, now: Duration, pause: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_sub(last) >= pause);
    if is_due {
        *last = Some(now);
    }
    is_due
}

impl Watch {
    /// Pure: `has` bytes of `allowed` now, on the monotonic clock.
    fn step(&mut self, now: Duration, has: u64, allowed: u64) -> Step {
        let part = |percent: u64| allowed / 100 * percent;
        self.is_tight = has >= part(TOO_NEAR) || self.is_tight && has >= part(ENOUGH);
        let gives_back = self.is_tight && is_due(&mut self.gave, now, GIVE_AGAIN);
        // Not at once: what was freed may be all of it.
        let asks = self.is_tight && !gives_back && is_due(&mut self.asked, now, ASK_AGAIN);
        let room = part(ENOUGH).saturating_sub(has);
        let pause = match has {
            _ if self.is_tight || has >= part(CLOSE) => CLOSE_PAUSE,
            _ if allowed < SMALL => SMALL_PAUSE,
            _ => CALM_PAUSE,
        };
        Step {
            memory: ProcessMemory { has, allowed, room, is_tight: self.is_tight },
            ask: if asks { has.saturating_sub(part(ENOUGH)) } else { 0 },
            gives_back,
            pause,
        }
    }
}

/// Watches until shutdown, where the system says what a process has.
///
/// # Errors
/// None; the type is what background tasks return.
pub(crate) async fn watch(
    governor: Arc<Governor>,
    io: IoPool,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    if limits::memory_taken().is_none() {
        return Ok(());
    }
    let _watching = Watching::begin();
    let allowed = limits::memory_bytes();
    let (mut watch, mut pause, mut blind, mut is_told) = (Watch::default(), Duration::ZERO, 0, false);
    while shutdown.unless_triggered(tokio::time::sleep(pause)).await.is_some() {
        let Some(has) = limits::memory_taken() else {
            // For want of a file handle, say; nobody is to be refused for ever for that.
            blind += 1;
            if blind >= BLIND_LOOKS {
                governor.set_process(None);
            }
            continue;
        };
        blind = 0;
        let step = watch.step(clock.monotonic(), has, allowed);
        pause = step.pause;
        governor.set_process(Some(step.memory));
        governor.ask_indexes_for(step.ask / WATCHES.load(Ordering::Relaxed).max(1));
        if step.memory.is_tight != is_told {
            is_told = step.memory.is_tight;
            tell(is_told, has >> 20, allowed >> 20);
        }
        if step.gives_back {
            // Refused already. If no thread has time for it, it is tried again.
            let _ = io.run(give_back).await;
        }
    }
    Ok(())
}

/// Counts among [`WATCHES`] while it lives, however its task ends.
struct Watching;

impl Watching {
    fn begin() -> Watching {
        WATCHES.fetch_add(1, Ordering::Relaxed);
        Watching
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHES.fetch_sub(1, Ordering::Relaxed);
    }
}

fn tell(is_tight: bool, has_mib: u64, allowed_mib: u64) {
    if is_tight {
        tracing::warn!(
            has_mib,
            allowed_mib,
            "memory is nearly used up: inserts are refused, indexes make room"
        );
    } else {
        tracing::info!(has_mib, allowed_mib, "there is memory again: inserts are taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: u64 = 10_000 << 20;

    /// One look at so many parts of a hundred, so many seconds after the start: tight, parts asked for, gives back.
    fn look(watch: &mut Watch, second: u64, percent: u64) -> (bool, u64, bool) {
        let step = watch.step(Duration::from_secs(second), ALLOWED / 100 * percent, ALLOWED);
        (step.memory.is_tight, step.ask * 100 / ALLOWED, step.gives_back)
    }

    #[test]
    fn i21_near_the_limit_all_is_refused_until_it_is_far_enough_away() {
        let mut watch = Watch::default();
        assert_eq!(look(&mut watch, 1, 84), (false, 0, false));
        assert_eq!(look(&mut watch, 2, 86), (true, 0, true), "what was freed first");
        assert_eq!(look(&mut watch, 3, 86), (true, 6, false), "then indexes");
        assert_eq!(look(&mut watch, 4, 86), (true, 0, false), "which takes its time");
        assert_eq!(look(&mut watch, 6, 83), (true, 3, false), "what is left of it");
        assert_eq!(look(&mut watch, 7, 81), (true, 0, true));
        assert_eq!(look(&mut watch, 8, 79), (false, 0, false));
        assert_eq!(look(&mut watch, 9, 84), (false, 0, false), "and from the upper one on again");
        assert_eq!(look(&mut watch, 20, 85), (true, 0, true));
    }

    #[test]
    fn i21_indexes_may_have_what_is_left_and_looks_come_quicker_when_it_is_little() {
        let mut watch = Watch::default();
        let step = watch.step(Duration::ZERO, ALLOWED / 10, ALLOWED);
        assert_eq!((step.memory.room, step.pause), (ALLOWED / 10 * 7, CALM_PAUSE));
        assert_eq!(watch.step(Duration::ZERO, ALLOWED / 10 * 7, ALLOWED).pause, CLOSE_PAUSE);
        let small = watch.step(Duration::ZERO, SMALL / 10, SMALL / 2);
        assert_eq!((small.memory.is_tight, small.pause), (false, SMALL_PAUSE));
        assert_eq!(watch.step(Duration::ZERO, 2 * ALLOWED, ALLOWED).memory.room, 0);
        assert!(limits::memory_taken().is_none_or(|bytes| (1 << 16..1 << 40).contains(&bytes)));
    }
}
