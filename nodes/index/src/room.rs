//! Room in memory for an index (I21): taken before it is built or read, given back when no search uses it any more.
//!
//! ```text
//! no room to read one      it is used in its mapped file: the kernel keeps of it what searches touch
//! no room to build one     its segment's interim graph goes, others come to be mapped
//! rows are refused         others come to be mapped
//! a minute of calm         mapped ones come back into memory, one by one, while half of what is free stays free
//! ```
//! Between two jobs only: a build under way keeps its room, and had left an eighth of the limit for rows when it began.
//!
//! Without room even so an index waits, and searches scan: slower, right, and never the end of the process. What does not fit
//! now is looked at again after a pause, and told once.

use crate::node::IndexNode;
use crate::plan::{IndexTarget, Job, JobKind};
use crate::state::{Waiting, mapped_bytes};
use crate::survey::Survey;
use std::cmp::Reverse;
use vecraft_rpc::memory::Room;
use vecraft_segment::SealedSegment;

impl IndexNode {
    /// Room for a job's index at its peak, and the job as it can be done. Without room the job waits.
    pub(crate) fn room_for(&self, job: &Job, segment: &SealedSegment) -> Option<(Job, Room)> {
        let mut job = job.clone();
        if let Some(room) = self.room_in_use(&job) {
            return Some((job, room));
        }
        let room = |job: &Job| self.memory.room_for_index(self.bytes_of(job, segment));
        let mut refused = match room(&job) {
            Ok(room) => return Some((job, room)),
            Err(why) => why,
        };
        if matches!(job.kind, JobKind::Open(_)) && job.can_map && !job.is_mapped {
            job.is_mapped = true;
            self.note_squeezed(job.target);
            refused = match room(&job) {
                Ok(room) => return Some((job, room)),
                Err(why) => why,
            };
        }
        let bytes = self.bytes_of(&job, segment);
        if self.give_way(segment, job.field, bytes) {
            tracing::info!(target_index = %job.target, "the interim graph gives its room to the index");
            if let Ok(room) = room(&job) {
                return Some((job, room));
            }
        }
        let is_helped = self.squeeze_for(bytes);
        self.wait_for_room(job.target, &refused, is_helped);
        None
    }

    /// Bytes of memory that a job takes at its peak.
    fn bytes_of(&self, job: &Job, segment: &SealedSegment) -> u64 {
        match &job.kind {
            JobKind::Open(build) if job.is_mapped => mapped_bytes(build),
            // A file holds little more than what it becomes in memory.
            JobKind::Open(build) => build.file_bytes,
            JobKind::Build { spec, metric, .. } => {
                let field = segment.schema().field_by_id(job.field);
                let dim = field.and_then(|field| field.data_type.dim()).unwrap_or(0) as usize;
                vecraft_index::build_bytes(spec, *metric, job.rows as usize, dim, self.pool.threads())
            }
        }
    }

    /// The room that an index has which is to be mapped. That of one whose segment went is given back.
    fn room_in_use(&self, job: &Job) -> Option<Room> {
        let mut state = self.state.lock();
        let is_in_use = state.is_in_use(&job.target);
        let used = state.in_use.get_mut(&job.target)?;
        if !is_in_use {
            used.room = None;
        }
        let is_to_be_mapped = job.is_mapped && matches!(job.kind, JobKind::Open(_));
        if is_to_be_mapped { used.room.take() } else { None }
    }

    /// If rows were refused, indexes give back what they lack.
    pub(crate) fn squeeze_for_rows(&self) {
        let excess = self.memory.take_index_excess();
        if excess > 0 {
            self.squeeze(excess);
        }
    }

    /// Lets indexes be mapped if that makes room for so many bytes; it is there after the next rounds. Whether it does.
    fn squeeze_for(&self, bytes: u64) -> bool {
        let room = self.memory.index_room();
        if self.memory.is_tight() {
            return false;
        }
        let lacking = bytes.saturating_sub(room);
        let all: u64 = self.state.lock().savings().into_iter().map(|(_, saved)| saved).sum();
        // What can never be built squeezes nobody.
        if all < lacking {
            return false;
        }
        if self.squeeze(lacking) {
            self.wake();
        }
        true
    }

    /// Marks indexes to be mapped, those first that save most, until so many bytes come free; whether any new one is.
    fn squeeze(&self, bytes: u64) -> bool {
        let chosen: Vec<IndexTarget> = {
            let state = self.state.lock();
            let (coming, mut left): (Vec<_>, Vec<_>) =
                state.savings().into_iter().partition(|(target, _)| state.squeezed.contains(target));
            let mut free: u64 = coming.into_iter().map(|(_, saved)| saved).sum();
            left.sort_by_key(|(target, saved)| (Reverse(*saved), *target));
            let is_needed = |(_, saved): &(IndexTarget, u64)| {
                let is_needed = free < bytes;
                free += saved;
                is_needed
            };
            left.into_iter().take_while(is_needed).map(|(target, _)| target).collect()
        };
        chosen.iter().for_each(|target| self.note_squeezed(*target));
        !chosen.is_empty()
    }

    fn note_squeezed(&self, target: IndexTarget) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.squeezed_at = now;
        if state.squeezed.insert(target) {
            tracing::info!(%target, "memory is short: the index is used in its mapped file");
        }
    }

    /// Lets one index back into memory when nothing else is to be done and memory was not short for a while.
    pub(crate) fn relax(&self, survey: &Survey) {
        let now = self.clock.monotonic();
        let next = {
            let state = self.state.lock();
            let is_awaited = state.waiting.values().any(|waiting| waiting.is_helped);
            if is_awaited || now < state.squeezed_at + self.config.calm {
                return;
            }
            let named = |target: &IndexTarget| Some((survey.named.get(target)?.file_bytes, *target));
            state.squeezed.iter().filter_map(named).min()
        };
        let Some((bytes, target)) = next else { return };
        if self.memory.index_room() >= bytes.saturating_mul(2) {
            self.state.lock().squeezed.remove(&target);
            tracing::info!(%target, "there is memory again: the index comes into it");
            self.wake();
        }
    }

    /// Remembers that there is no room for an index; says so the first time.
    fn wait_for_room(&self, target: IndexTarget, why: &vecraft_types::Error, is_helped: bool) {
        let mut state = self.state.lock();
        let known = state.waiting.get(&target).map(|waiting| waiting.since);
        let since = known.unwrap_or_else(|| self.clock.monotonic());
        state.waiting.insert(target, Waiting { since, why: why.to_string(), is_helped });
        match (known, state.waiting.len()) {
            (Some(_), _) => {}
            (None, 1) => {
                tracing::warn!(%target, %why, "no index yet, searches scan; it is built when memory comes free")
            }
            // Where one has no room, hundreds may have none.
            (None, waiting) => tracing::debug!(%target, %why, waiting, "no index yet"),
        }
    }

    /// Forgets those that nobody wants any more.
    pub(crate) fn forget_waiting(&self, survey: &Survey) {
        let wants = |target: &IndexTarget| survey.plan.jobs().any(|job| job.target == *target);
        self.state.lock().waiting.retain(|target, _| wants(target));
    }
}
