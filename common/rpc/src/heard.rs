//! Does a connection go on? What came in so far, for who waits for it.
//!
//! ```text
//! nothing yet ── silent for one look ──────────────> Silent
//! within a frame ── too little in two looks ──────> Slow
//! between frames: as long as it likes
//! ```
//! Two looks, not one: a process that was stopped for a while has not read what came meanwhile. It closes nothing itself.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What came in so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    bytes: AtomicU64,
    frames: AtomicU64,
    is_within: AtomicBool,
}

/// What is expected of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How often one looks.
    pub(crate) look: Duration,
    /// Of a frame that was begun, once it is looked at.
    pub(crate) bytes_per_s_min: u64,
}

/// Why there is nothing more to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// No frame yet, and nothing came for a whole look.
    Silent,
    /// A frame was begun, and this is all that came in a whole look, the second such one in a row.
    Slow { bytes: u64 },
}

impl Pace {
    /// Why `stall` ends the connection.
    pub(crate) fn explain(self, stall: Stall) -> impl fmt::Display {
        let ms = self.look.as_millis();
        match stall {
            Stall::Silent => format!("no request, and nothing for {ms} ms"),
            Stall::Slow { bytes } => format!(
                "a request was begun and does not go on: {bytes} bytes in {ms} ms, at least {} a second are expected",
                self.bytes_per_s_min
            ),
        }
    }

    fn bytes_min(self) -> u128 {
        (u128::from(self.bytes_per_s_min) * self.look.as_millis() / 1_000).max(1)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    bytes: u64,
    frames: u64,
    is_within: bool,
}

/// What was seen in the last look, and in how many before it too little came.
#[derive(Debug, Default)]
struct Looks {
    before: Seen,
    slow: u32,
}

impl Looks {
    fn look(&mut self, pace: Pace, now: Seen) -> Option<Stall> {
        let before = std::mem::replace(&mut self.before, now);
        let bytes = now.bytes - before.bytes;
        if now.frames == 0 && bytes == 0 {
            return Some(Stall::Silent);
        }
        // One frame all the time.
        let is_same = before.is_within && now.is_within && now.frames == before.frames;
        let is_slow = is_same && u128::from(bytes) < pace.bytes_min();
        self.slow = if is_slow { self.slow + 1 } else { 0 };
        (self.slow == 2).then_some(Stall::Slow { bytes })
    }
}

impl Heard {
    /// So many bytes came, so many frames are complete with them; `is_within` says whether another one is begun.
    pub(crate) fn note(&self, bytes: usize, frames: u64, is_within: bool) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.frames.fetch_add(frames, Ordering::Relaxed);
        self.is_within.store(is_within, Ordering::Relaxed);
    }

    /// Ready when the connection does not go on; that may be never.
    pub(crate) async fn stall(&self, pace: Pace) -> Stall {
        let mut looks = Looks::default();
        loop {
            tokio::time::sleep(pace.look).await;
            if let Some(stall) = looks.look(pace, self.seen()) {
                return stall;
            }
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            bytes: self.bytes.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            is_within: self.is_within.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { look: Duration::from_secs(5), bytes_per_s_min: 1_000 };

    /// In which of a thousand looks a connection ends, and why; `came` in each since the one before.
    fn stall(came: impl Fn(u64, &Heard)) -> Option<(u64, Stall)> {
        let (heard, mut looks) = (Heard::default(), Looks::default());
        (0..1_000).find_map(|look| {
            came(look, &heard);
            looks.look(PACE, heard.seen()).map(|stall| (look, stall))
        })
    }

    #[test]
    fn who_says_nothing_is_silent_and_who_is_between_frames_is_not() {
        assert_eq!(stall(|_, _| ()), Some((0, Stall::Silent)));
        assert_eq!(stall(|look, heard| heard.note(9, 1, look < 7)), None);
        assert_eq!(
            stall(|look, heard| heard.note(usize::from(look == 0) * 9, u64::from(look == 0), false)),
            None
        );
    }

    #[test]
    fn i21_a_frame_that_was_begun_goes_on_also_after_the_first_one() {
        // A frame, and then one of which little comes.
        let dripping = |look, heard: &Heard| heard.note(4_999, u64::from(look == 0), look != 0);
        assert_eq!(stall(dripping), Some((3, Stall::Slow { bytes: 4_999 })));
        let stopped = |look, heard: &Heard| match look {
            0 => heard.note(9, 1, false),
            1 => heard.note(63 << 20, 0, true),
            _ => (),
        };
        assert_eq!(stall(stopped), Some((3, Stall::Slow { bytes: 0 })));
        let first = |look, heard: &Heard| heard.note(usize::from(look == 0), 0, true);
        assert_eq!(stall(first), Some((1, Stall::Silent)), "none yet");
    }

    #[test]
    fn a_slow_link_is_waited_for_and_so_is_one_that_falters() {
        assert_eq!(stall(|_, heard| heard.note(5_000, 0, true)), None);
        assert_eq!(stall(|look, heard| heard.note([5_000, 1][look as usize % 2], 0, true)), None);
        // Small frames one after the other, whatever of them is there when one looks.
        assert_eq!(stall(|_, heard| heard.note(10, 1, true)), None);
    }
}
