//! Bytes per second, so that a node that catches up leaves the disk and the network to those who serve.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Paces all who share it.
pub struct Throttle {
    bytes_per_s: u64,
    /// When the next bytes may come.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    /// At most so many bytes a second.
    pub fn new(bytes_per_s: u64) -> Throttle {
        Throttle { bytes_per_s: bytes_per_s.max(1), next: Mutex::new(None) }
    }

    /// Returns when so many more bytes may come.
    pub async fn take(&self, bytes: u64) {
        tokio::time::sleep_until(self.reserve(bytes, Instant::now())).await;
    }

    /// When these bytes may come. Time that nobody used is not saved up.
    fn reserve(&self, bytes: u64, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let from = next.map_or(now, |next| next.max(now));
        *next = Some(from + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64));
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_share_it_get_the_rate_together() {
        let (throttle, now) = (Throttle::new(1_000), Instant::now());
        let waits: Vec<u128> = (0..4).map(|_| (throttle.reserve(500, now) - now).as_millis()).collect();
        assert_eq!(waits, [0, 500, 1_000, 1_500]);
        let later = now + Duration::from_secs(60);
        assert_eq!(throttle.reserve(500, later), later);
        assert_eq!((throttle.reserve(500, later) - later).as_millis(), 500);
    }
}
