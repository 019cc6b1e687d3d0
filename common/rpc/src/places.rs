//! Room at a port: how many connections there may be, and which one gives way when there is no room for a new one.
//!
//! ```text
//! new ── room ──> has a place ── the port is full, and it has been idle the longest ──> asked to leave ──> gone
//!                      ^                                                                     │
//!                      └───────────────────── a call came meanwhile ─────────────────────────┘
//! ```
//! A connection with a call under way is never asked. Those that never called go before those that did. How a connection
//! leaves is its own affair; that nobody is kept out by others who sit and say nothing is ours.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often a full port looks for one that has been idle for long enough by now.
const LOOK: Duration = Duration::from_millis(100);

/// The places of one port.
#[derive(Debug)]
pub struct Places {
    max: usize,
    idle_min: Duration,
    taken: Mutex<Taken>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    calls: usize,
    has_called: bool,
    idle_since: Instant,
    is_leaving: bool,
    leave: Arc<Notify>,
}

impl Places {
    /// `max` places, at least one. A connection gives way only after it was idle for `idle_min`, so that a port that
    /// is full of work does not lose it.
    pub fn new(max: usize, idle_min: Duration) -> Arc<Places> {
        Arc::new(Places { max: max.max(1), idle_min, taken: Mutex::default(), changed: Notify::new() })
    }

    /// A place, as soon as one is free or somebody idle has given way.
    pub async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let changed = self.changed.notified();
            if let Some(place) = self.try_enter(Instant::now()) {
                return place;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// A place, if there is one; if not, somebody is asked to leave.
    fn try_enter(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let taken = &mut *self.taken.lock();
        if taken.by.len() < self.max {
            let (id, leave) = (taken.next, Arc::new(Notify::new()));
            taken.next += 1;
            let holder = Holder {
                calls: 0,
                has_called: false,
                idle_since: now,
                is_leaving: false,
                leave: leave.clone(),
            };
            taken.by.insert(id, holder);
            return Some(Place { places: self.clone(), id, leave });
        }
        if taken.by.values().any(|holder| holder.is_leaving) {
            return None;
        }
        let is_idle = |holder: &&mut Holder| {
            holder.calls == 0 && now.saturating_duration_since(holder.idle_since) >= self.idle_min
        };
        let idle = taken.by.values_mut().filter(is_idle);
        if let Some(holder) = idle.min_by_key(|holder| (holder.has_called, holder.idle_since)) {
            holder.is_leaving = true;
            holder.leave.notify_one();
        }
        None
    }

    fn with<T>(&self, id: u64, change: impl FnOnce(&mut Holder) -> T) -> Option<T> {
        self.taken.lock().by.get_mut(&id).map(change)
    }
}

/// A connection's place, until dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    id: u64,
    leave: Arc<Notify>,
}

impl Place {
    /// A call begins; it is under way until the result is dropped.
    pub fn begin(&self) -> UnderWay {
        let was_leaving = self.places.with(self.id, |holder| {
            holder.calls += 1;
            holder.has_called = true;
            std::mem::take(&mut holder.is_leaving)
        });
        if was_leaving == Some(true) {
            self.places.changed.notify_one();
        }
        UnderWay { places: self.places.clone(), id: self.id }
    }

    /// Whether a call ever began.
    pub fn has_called(&self) -> bool {
        self.places.with(self.id, |holder| holder.has_called) == Some(true)
    }

    /// Whether no call is under way.
    pub fn is_idle(&self) -> bool {
        self.places.with(self.id, |holder| holder.calls) == Some(0)
    }

    /// Ready when this connection has to make room for another one.
    pub async fn must_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.places.with(self.id, |holder| holder.is_leaving) == Some(true) {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().by.remove(&self.id);
        self.places.changed.notify_one();
    }
}

/// A call of a connection.
#[derive(Debug)]
pub struct UnderWay {
    places: Arc<Places>,
    id: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // None: the connection has gone before its call.
        let _ = self.places.with(self.id, |holder| {
            holder.calls -= 1;
            holder.idle_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;

    const IDLE_MIN: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_longest_idle_gives_way_and_never_one_with_a_call_under_way() {
        let places = Places::new(3, IDLE_MIN);
        let begun = Instant::now();
        let enter = |after: u32| places.try_enter(begun + after * IDLE_MIN);
        let is_asked = |place: &Place| place.must_leave().now_or_never().is_some();
        let (called, busy, idle) = (enter(0).unwrap(), enter(0).unwrap(), enter(0).unwrap());
        drop(called.begin());
        let call = busy.begin();
        assert!(enter(0).is_none());
        assert!(!is_asked(&idle), "it came a moment ago");
        assert!(enter(10).is_none());
        assert!(!is_asked(&called), "it called, the other one never did");
        assert!(is_asked(&idle));
        drop(idle);
        let new = enter(20).unwrap();
        drop(new.begin());
        assert!(enter(20).is_none() && is_asked(&called));
        drop(called);
        let newer = enter(30).unwrap();
        // A call that comes in time is served, and the next one is asked.
        assert!(enter(40).is_none());
        let late = newer.begin();
        assert!(!is_asked(&newer));
        assert!(enter(40).is_none() && is_asked(&new));
        let later = new.begin();
        assert!(enter(1_000).is_none());
        assert!([&busy, &new, &newer].into_iter().all(|place| !is_asked(place)));
        // Whoever waits is let in as soon as there is room.
        let mut waiting = std::pin::pin!(places.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((call, late, later, busy));
        assert!(waiting.now_or_never().is_some());
    }
}
