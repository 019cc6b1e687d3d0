//! Which growing segments are old, and when the next one will be.
//!
//! A segment's age counts from its first row. The row's timestamp is kept with it, so neither a checkpoint nor a restart
//! makes the segment young again. Timestamps are what clocks suggested (I9): one that jumped makes a seal early or late,
//! and nothing else hangs on it (P7).

use crate::replica::GroupReplica;
use std::time::Duration;
use vecraft_segment::Segment;
use vecraft_state::shard::SegmentPhase;
use vecraft_types::{SegmentId, ShardId};

/// Growing segments by age.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    /// Those that are old.
    pub due: Vec<(ShardId, SegmentId)>,
    /// Until the next one is; none when there is no other that could be.
    pub next: Option<Duration>,
}

impl GroupReplica {
    /// Growing segments of at least `rows_min` rows (and one), which are old from `age_max` on.
    pub(crate) fn ages(&self, now_ms: u64, age_max: Duration, rows_min: u32) -> Ages {
        let mut ages = Ages::default();
        for (id, state) in &self.state.shards {
            let Some(held) = self.shards.get(id).map(|shard| &shard.segments) else { continue };
            for (segment, about) in &state.segments {
                if about.phase != SegmentPhase::Growing || about.rows < rows_min.max(1) {
                    continue;
                }
                let Some(Segment::Growing(growing)) = held.get(segment).map(|held| &held.segment) else {
                    continue;
                };
                let Some(written) = growing.first_timestamp() else { continue };
                let age = Duration::from_millis(now_ms.saturating_sub(written.millis()));
                match age_max.checked_sub(age).filter(|left| !left.is_zero()) {
                    None => ages.due.push((*id, *segment)),
                    Some(left) => ages.next = Some(ages.next.map_or(left, |next| next.min(left))),
                }
            }
        }
        ages
    }
}
