//! Compactions that somebody asked for: which entry asked, and whether that is done.
//!
//! ```text
//! AskCompaction P ── Compact ── Compact ── CompactionDone P          rows before P that nobody may see any more are gone
//!   growing segments are sealed     the leader proposes, as for its own policy
//! ```
//! The ask is part of the state, so whoever leads next goes on with it, after any restart, and "done" is a fact of the log and
//! no guess of the node that is asked. It needs no request name (I10): repeated, it asks for a little more.
//!
//! What it does *not* do: it chooses nothing and knows no sizes of files. What is worth a rewrite the leader finds.

use super::{Applied, Outcome, ShardState};
use serde::{Deserialize, Serialize};
use vecraft_types::{LogPosition, SegmentId};

/// A compaction that somebody asked for. Part of the checkpoint (I3, I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCompaction {
    /// The entry that asked, the last one: all rows and deletes before it are meant.
    pub position: LogPosition,
    /// Approximate bytes of an output, at most; 0 leaves it to the leader.
    pub bytes_max: u64,
    /// Compactions that were decided since it was asked for, by whatever policy. They go on over asks that come meanwhile.
    pub decided: u32,
    /// Nothing more is to be done for it.
    pub is_done: bool,
}

impl ShardState {
    pub(super) fn ask_compaction(&mut self, bytes_max: u64, applied: Applied) -> Outcome {
        let has_rows = |(id, segment): (&SegmentId, &super::SegmentState)| {
            (segment.phase.is_growing() && segment.rows > 0).then_some(*id)
        };
        let growing: Vec<SegmentId> = self.segments.iter().filter_map(has_rows).collect();
        let effects = growing.into_iter().flat_map(|id| self.seal(id, applied).effects).collect();
        let decided = self.open_ask().map_or(0, |open| open.decided);
        let position = applied.position;
        self.asked_compaction = Some(AskedCompaction { position, bytes_max, decided, is_done: false });
        Outcome { reply: Ok(applied), effects }
    }

    pub(super) fn compaction_done(&mut self, asked: LogPosition, applied: Applied) -> Outcome {
        if let Some(ask) = self.asked_compaction.as_mut().filter(|ask| ask.position == asked) {
            ask.is_done = true;
        }
        Outcome { reply: Ok(applied), effects: Vec::new() }
    }

    /// The ask that is not done yet.
    pub fn open_ask(&self) -> Option<&AskedCompaction> {
        self.asked_compaction.as_ref().filter(|ask| !ask.is_done)
    }

    /// A compaction was decided.
    pub(super) fn count_for_ask(&mut self) {
        if let Some(ask) = self.asked_compaction.as_mut().filter(|ask| !ask.is_done) {
            ask.decided = ask.decided.saturating_add(1);
        }
    }
}
