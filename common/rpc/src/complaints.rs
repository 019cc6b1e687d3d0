//! Saying what is wrong with the other end: each kind of trouble at once, and then once in a while with how often it
//! happened.
//!
//! A peer that sends malformed questions, or is dialled again and again and answers in another language, would otherwise
//! write our log full. It decides nothing about the peer: it is refused each time, whoever hears of it.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::NodeId;

/// The same trouble with the same peer is said no more often.
const PAUSE: Duration = Duration::from_secs(600);
/// Troubles remembered; with more, what is new is not said until others are old.
const KNOWN_MAX: usize = 1_024;

/// What was said of whom. The names of troubles are few and fixed.
#[derive(Debug)]
pub struct Complaints<Who = NodeId> {
    said: Mutex<BTreeMap<(Who, &'static str), Said>>,
}

impl<Who> Default for Complaints<Who> {
    fn default() -> Complaints<Who> {
        Complaints { said: Mutex::default() }
    }
}

#[derive(Debug)]
struct Said {
    at: Instant,
    unsaid: u64,
}

impl<Who: Ord + fmt::Display + Copy> Complaints<Who> {
    /// Says it, unless that was done a short while ago.
    pub fn tell(&self, who: Who, trouble: &'static str, why: &dyn fmt::Display) {
        if let Some(unsaid) = self.is_due(Instant::now(), who, trouble) {
            tracing::warn!(%who, %why, unsaid, "{trouble}; said once in ten minutes");
        }
    }

    /// How often it happened since it was last said; none when that is not long enough ago.
    fn is_due(&self, now: Instant, who: Who, trouble: &'static str) -> Option<u64> {
        let mut said = self.said.lock();
        if let Some(last) = said.get_mut(&(who, trouble)) {
            if now.duration_since(last.at) < PAUSE {
                last.unsaid += 1;
                return None;
            }
            last.at = now;
            return Some(std::mem::take(&mut last.unsaid));
        }
        if said.len() >= KNOWN_MAX {
            said.retain(|_, last| now.duration_since(last.at) < PAUSE);
        }
        if said.len() >= KNOWN_MAX {
            return None;
        }
        said.insert((who, trouble), Said { at: now, unsaid: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_said_at_once_and_then_seldom_with_how_often_it_happened() {
        let complaints = Complaints::default();
        let now = Instant::now();
        let due = |at, node, trouble| complaints.is_due(at, NodeId(node), trouble);
        assert_eq!(due(now, 1, "malformed"), Some(0));
        assert!((0..100).all(|_| due(now, 1, "malformed").is_none()));
        assert_eq!((due(now, 2, "malformed"), due(now, 1, "closed")), (Some(0), Some(0)), "others are news");
        let later = now + PAUSE;
        assert_eq!((due(later, 1, "malformed"), due(later, 1, "malformed")), (Some(100), None));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let complaints = Complaints::default();
        let now = Instant::now();
        let said = |at, from: u64, to: u64| {
            (from..to).filter(|node| complaints.is_due(at, NodeId(*node), "malformed").is_some()).count()
        };
        assert_eq!(said(now, 0, 5_000), KNOWN_MAX);
        assert_eq!(said(now + PAUSE, 9_000, 9_010), 10, "what is old makes room");
    }
}
