//! After a purge: the space of what nobody needs goes back to the disk at once, not with the next full segment.
//!
//! ```text
//! before   | old, 128 MiB, 2 KiB live | active, 53 MiB, 2 MiB live |
//! after                                                            | active, 2 MiB |
//! ```
//! The live entries of the oldest segments are copied into the active one, and those segments go. When the active one is among
//! them a new one begins first. Both are the steps that rotation is made of, so what holds for their power cuts holds here:
//! an opening is synced before it counts, a copy before its origin goes.

use super::WriteAheadLog;
use super::format::BATCH_HEAD_BYTES;
use super::segments::{COPY_BATCH_BYTES, Space};
use crate::error::Result;

/// Bytes that are copied for one purge at most: others wait for the writer meanwhile.
const COPY_BYTES: u64 = 8 << 20;

impl WriteAheadLog {
    /// Gives back the oldest segments of which little is live, as many as together have
    /// [`crate::LogOptions::tighten_bytes`] or more.
    pub(super) fn tighten(&mut self) -> Result<()> {
        let Some((newest, live)) = self.sparse() else { return Ok(()) };
        if newest == self.active.generation {
            // Also the heads of the copies' batches, of which each segment has one or more, and of the mark.
            let heads = live / COPY_BATCH_BYTES as u64 + self.segment_count() as u64 + 1;
            self.begin_segment(live + heads * BATCH_HEAD_BYTES as u64, Space::Any)?;
            // Before anything goes: a damaged opening that stands alone would pass for one that was never synced (I6).
            self.mark()?;
        }
        while let Some(generation) = self.oldest_generation().filter(|generation| *generation <= newest) {
            self.copy_oldest()?;
            self.marked = false;
            if self.oldest_generation() == Some(generation) {
                return Ok(()); // no space for it: a later purge tries again
            }
        }
        Ok(())
    }

    /// The newest of the segments to give back: the longest run from the oldest on that is large enough and of which
    /// little enough is live. A small active one stays, or each purge would begin another.
    /// With it, how many bytes of them are live.
    fn sparse(&self) -> Option<(u64, u64)> {
        let written = self.written.lock();
        let (mut live, mut held, mut newest) = (0, 0, None);
        for (generation, segment) in &written.segments {
            live += segment.live_bytes;
            held += segment.len;
            let is_small = *generation == self.active.generation && segment.len < self.options.tighten_bytes;
            if is_small || live > COPY_BYTES {
                break;
            }
            if held >= self.options.tighten_bytes && live * 100 < held * self.options.copy_forward_percent {
                newest = Some((*generation, live));
            }
        }
        newest
    }

    pub(super) fn oldest_generation(&self) -> Option<u64> {
        self.written.lock().segments.keys().next().copied()
    }
}
