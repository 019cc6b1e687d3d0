//! How long a read waited and worked, for who asks, and what is told of it.
//!
//! ```text
//! asked -- gate --> admitted -- barrier --> fresh -- search threads --> runs --------> ends
//!       admission           barrier_us           admission          execute_us
//! ```

use crate::room::AnswerRoom;
use crate::wanted::{Watch, micros};
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::{Nearer, ShardExplained, ShardKey, ShardSearch};
use vecraft_runtime::clock::Clock;
use vecraft_segment::exec::{self, Cancel, Hit, SearchPlan};
use vecraft_segment::{Error, ShardView};
use vecraft_types::api::ShardExplanation;
use vecraft_types::limits::WHY_MISSING_MAX;
use vecraft_types::{Error as Refusal, Result};

/// What one key takes while it is looked for, in bytes, its own text aside.
const KEY_BYTES: u64 = 512;

/// When a read came how far. No clock is looked at for who does not ask.
pub(crate) struct ReadTimes {
    clock: Option<Arc<dyn Clock>>,
    last: Duration,
    admission: Duration,
    barrier: Duration,
    execute: Duration,
}

impl ReadTimes {
    /// The read arrives.
    pub(crate) fn begin(clock: &Arc<dyn Clock>, is_timed: bool) -> ReadTimes {
        let last = if is_timed { clock.monotonic() } else { Duration::ZERO };
        let none = Duration::ZERO;
        let clock = is_timed.then(|| clock.clone());
        ReadTimes { clock, last, admission: none, barrier: none, execute: none }
    }

    /// It has a place.
    pub(crate) fn admitted(&mut self) {
        let passed = self.since_last();
        self.admission += passed;
    }

    /// The replica is fresh enough.
    pub(crate) fn is_fresh(&mut self) {
        let passed = self.since_last();
        self.barrier += passed;
    }

    /// A search thread takes it up.
    pub(crate) fn runs(&mut self) {
        let passed = self.since_last();
        self.admission += passed;
    }

    /// The thread has done it.
    pub(crate) fn ends(&mut self) {
        let passed = self.since_last();
        self.execute += passed;
    }

    /// Puts the times in.
    pub(crate) fn tell(&self, told: &mut ShardExplanation) {
        told.admission_us = micros(self.admission);
        told.barrier_us = micros(self.barrier);
        told.execute_us = micros(self.execute);
    }

    fn since_last(&mut self) -> Duration {
        let Some(clock) = &self.clock else { return Duration::ZERO };
        let before = std::mem::replace(&mut self.last, clock.monotonic());
        self.last.saturating_sub(before)
    }
}

/// Refuses what cannot be explained, and takes room for what is told of keys.
///
/// # Errors
/// Too many keys, or keys of a search for groups or pages.
pub(crate) fn check(asked: &ShardSearch, room: &mut AnswerRoom) -> Result<()> {
    let Some(explain) = &asked.explain else { return Ok(()) };
    let (keys, distances) = (explain.keys.len(), explain.distances.len());
    if keys.max(distances) > WHY_MISSING_MAX {
        let text = format!(
            "{} keys are to be explained, at most {WHY_MISSING_MAX} are allowed",
            keys.max(distances)
        );
        return Err(Refusal::invalid(text));
    }
    if keys + distances > 0 && (asked.group_by.is_some() || asked.page.is_some()) {
        return Err(Refusal::invalid(
            "why keys are missing is told of plain searches, not of groups or pages",
        ));
    }
    room.for_hits((keys + distances) as u64 * KEY_BYTES)
}

/// What became of the keys that were asked for, in the search that found `hits`, and the ranks of distances.
pub(crate) fn keys(
    view: &ShardView,
    asked: &ShardSearch,
    plan: &SearchPlan<'_>,
    hits: &[Hit],
    cancel: Cancel<'_>,
    watch: &Watch,
) -> std::result::Result<ShardExplained, Error> {
    let mut told = ShardExplained::default();
    let Some(explain) = asked.explain.as_ref().filter(|asked| asked.keys.len() + asked.distances.len() > 0)
    else {
        return Ok(told);
    };
    let began_us = watch.now_us();
    if !explain.keys.is_empty() {
        let sought = exec::why_missing(view, plan, &explain.keys, hits, cancel)?;
        told.keys =
            sought.into_iter().map(|key| ShardKey { told: key.told, distance: key.distance }).collect();
    }
    let before = exec::before(view, plan, &explain.distances, cancel)?;
    told.nearer =
        before.into_iter().map(|before| Nearer { rows: before.nearer, as_near: before.as_near }).collect();
    told.shard.keys_us = watch.now_us().saturating_sub(began_us);
    Ok(told)
}
