//! Outputs of compactions that get no index: whoever waits for it is told, so that the inputs can go.
//!
//! Readers keep the inputs of a compaction until its output has the indexes that they have (I13). Of three there will be none: a segment
//! that became so small that `AUTOINDEX` scans it, one for whose index memory has no room, and one whose index cannot be
//! built. For the last two a while is waited, for searches scan then. Nothing is given up for good: the
//! index is built when it can be.

use crate::node::IndexNode;
use crate::plan::IndexTarget;
use crate::survey::Survey;

/// So many times [`calm`](crate::IndexConfig::calm) another node's build is waited for: that of a whole gigabyte takes minutes.
const PATIENCE: u32 = 15;

impl IndexNode {
    /// Says of each output that comes whether its indexes are to be waited for.
    pub(crate) fn give_up(&self, survey: &Survey) {
        let now = self.clock.monotonic();
        let patience = self.config.calm * PATIENCE;
        let state = self.state.lock();
        for (shard, segment) in &survey.coming {
            if survey.silent.contains(shard) || !survey.knows(shard.collection) {
                continue;
            }
            for field in segment.schema().vector_fields() {
                let is_hopeless = |target: &IndexTarget| {
                    state.lasting_trouble(target, now, self.config.calm).is_some()
                        || state
                            .awaited
                            .get(target)
                            .is_some_and(|since| now.saturating_sub(*since) >= patience)
                };
                let mut jobs = survey.jobs_of(*shard, segment.id(), field.id);
                let is_given_up = jobs.all(|job| is_hopeless(&job.target));
                if is_given_up && !segment.is_index_settled(field.id) {
                    tracing::debug!(%shard, segment = %segment.id(), field = %field.id, "nobody waits for its index");
                }
                segment.give_index_up(field.id, is_given_up);
            }
        }
    }

    /// Remembers which indexes another node is to build, and since when.
    pub(crate) fn note_awaited(&self, survey: &Survey) {
        let now = self.clock.monotonic();
        let elsewhere = survey.plan.builds.iter().filter(|job| !self.builds_here(job.target.shard));
        let targets: Vec<IndexTarget> = elsewhere.map(|job| job.target).collect();
        let mut state = self.state.lock();
        let known = std::mem::take(&mut state.awaited);
        let since = |target| (target, known.get(&target).copied().unwrap_or(now));
        state.awaited = targets.into_iter().map(since).collect();
    }
}
