//! Memory for requests that are on their way in: not all there yet, or there and not yet read (I21).
//!
//! ```text
//! first bytes ── room ──> grows with what came ── all there, read ──> given back
//!                  └─ none left ──────> skipped and answered "busy"      (the connection goes on)
//! ```
//! All connections of a port have one limit together, or each stranger could hold a whole frame that never ends. Room is
//! taken for what came, not for what was announced. Nobody waits for it: requests that wait for one another's room half way
//! would wait for ever. What a request takes after it was read is for those who admit it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The limit of a port, and what is taken of it.
#[derive(Debug)]
pub(crate) struct Arriving {
    max: u64,
    used: Arc<AtomicU64>,
}

impl Arriving {
    /// At most `max` bytes, counted in `used`.
    pub(crate) fn new(max: usize, used: Arc<AtomicU64>) -> Arc<Arriving> {
        Arc::new(Arriving { max: max as u64, used })
    }

    /// The limit.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// Room for a request of which nothing is there yet.
    pub(crate) fn room(self: &Arc<Arriving>) -> ArrivingRoom {
        ArrivingRoom { of: self.clone(), bytes: 0 }
    }
}

/// What one request has; given back when dropped.
#[derive(Debug)]
pub(crate) struct ArrivingRoom {
    of: Arc<Arriving>,
    bytes: u64,
}

impl ArrivingRoom {
    /// Has it `bytes` in all from now on? Otherwise it has what it had.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = (bytes as u64).saturating_sub(self.bytes);
        let fits = |used: u64| used.checked_add(more).filter(|used| *used <= self.of.max);
        let is_taken = self.of.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.bytes += if is_taken { more } else { 0 };
        is_taken
    }
}

impl Drop for ArrivingRoom {
    fn drop(&mut self) {
        self.of.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i21_requests_share_one_limit_and_give_back_what_they_had() {
        let used = Arc::new(AtomicU64::new(0));
        let arriving = Arriving::new(100, used.clone());
        let (mut one, mut other) = (arriving.room(), arriving.room());
        assert!(one.grow_to(40) && one.grow_to(60) && one.grow_to(10), "what it has is enough");
        assert!(!other.grow_to(41), "they have one limit");
        assert_eq!(used.load(Ordering::Relaxed), 60);
        assert!(other.grow_to(40));
        drop(one);
        assert_eq!(used.load(Ordering::Relaxed), 40);
        assert!(other.grow_to(100) && !other.grow_to(usize::MAX));
        drop(other);
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }
}
