//! Room in memory for an index (I21): taken before it is built or read, given back when no search uses it any more.
//!
//! ```text
//! no room to read one      it is used in its mapped file: the kernel keeps of it what searches touch
//! no room to build one     its segment's interim graph goes, others come to be mapped
//! rows are refused         others come to be mapped
//! a minute of calm         mapped ones come back into memory, one by one, while half of what is free stays free
//! ```
//! Without room even so an index waits, and searches scan: slower, right, and never the end of the process. What does not fit
//! now is looked at again after a pause, and told once.

use crate::node::IndexNode;
use crate::plan::{IndexTarget, Job, JobKind};
use crate::state::{InUse, Waiting, mapped_bytes};
use crate::survey::Survey;
use vecraft_rpc::memory::Room;
use vecraft_segment::SealedSegment;
use vecraft_types::Result;

impl IndexNode {
    /// Room for a job's index at its peak, and the job as it can be done.
    pub(crate) fn room_for(&self, job: &Job, segment: &SealedSegment) -> Result<(Job, Room)> {
        let mut job = job.clone();
        if let Some(room) = self.room_in_use(&job) {
            return Ok((job, room));
        }
        let mut refused = match self.memory.room_for_index(self.bytes_of(&job, segment)) {
            Ok(room) => return Ok((job, room)),
            Err(why) => why,
        };
        if matches!(job.kind, JobKind::Open(_)) && job.can_map && !job.is_mapped {
            job.is_mapped = true;
            self.note_squeezed(job.target);
            refused = match self.memory.room_for_index(self.bytes_of(&job, segment)) {
                Ok(room) => return Ok((job, room)),
                Err(why) => why,
            };
        }
        let bytes = self.bytes_of(&job, segment);
        if self.give_way(segment, job.field, bytes) {
            tracing::info!(target_index = %job.target, "the interim graph gives its room to the index");
            return Ok((job, self.memory.room_for_index(bytes)?));
        }
        self.squeeze_for(bytes);
        Err(refused)
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

    /// Rows were refused: indexes give back what they lack.
    pub(crate) fn squeeze_for_rows(&self) {
        let excess = self.memory.index_excess();
        if excess > 0 {
            self.squeeze(excess);
        }
    }

    /// Lets indexes be mapped if that makes room for so many bytes; it is there after the next rounds.
    fn squeeze_for(&self, bytes: u64) {
        let all: u64 = self.state.lock().living().map(|(_, used)| used.saving()).sum();
        let mut lacking = bytes.min(all);
        // What can never be built squeezes nobody.
        if lacking == 0 || self.memory.room_for_index(bytes - lacking).is_err() {
            return;
        }
        while lacking > 1 << 20 && self.memory.room_for_index(bytes - lacking / 2).is_ok() {
            lacking /= 2;
        }
        if self.squeeze(lacking) {
            self.wake();
        }
    }

    /// Marks indexes to be mapped, those first that save most, until so many bytes come free; whether any new one is.
    fn squeeze(&self, bytes: u64) -> bool {
        let chosen: Vec<IndexTarget> = {
            let state = self.state.lock();
            let saving = |(target, used): (&IndexTarget, &InUse)| (*target, used.saving());
            let (coming, mut left): (Vec<_>, Vec<_>) = state
                .living()
                .map(saving)
                .filter(|(_, bytes)| *bytes > 0)
                .partition(|(target, _)| state.squeezed.contains(target));
            let mut free: u64 = coming.into_iter().map(|(_, bytes)| bytes).sum();
            left.sort_by_key(|(target, bytes)| (std::cmp::Reverse(*bytes), *target));
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
            if !state.waiting.is_empty() || now < state.squeezed_at + self.config.calm {
                return;
            }
            let named = |target: &IndexTarget| Some((survey.named.get(target)?.file_bytes, *target));
            state.squeezed.iter().filter_map(named).min()
        };
        let Some((bytes, target)) = next else { return };
        if self.memory.room_for_index(bytes.saturating_mul(2)).is_ok() {
            self.state.lock().squeezed.remove(&target);
            tracing::info!(%target, "there is memory again: the index comes into it");
            self.wake();
        }
    }

    /// Remembers that there is no room for an index; says so the first time.
    pub(crate) fn wait_for_room(&self, target: IndexTarget, why: &vecraft_types::Error) {
        let since = self.clock.monotonic();
        let mut state = self.state.lock();
        let is_new = !state.waiting.contains_key(&target);
        state.waiting.entry(target).or_insert_with(|| Waiting { since, why: String::new() }).why =
            why.to_string();
        if is_new {
            tracing::warn!(%target, %why, "no index yet, searches scan; it is built when memory comes free");
        }
    }

    /// Forgets those that nobody wants any more.
    pub(crate) fn forget_waiting(&self, survey: &Survey) {
        let wants = |target: &IndexTarget| survey.plan.jobs().any(|job| job.target == *target);
        self.state.lock().waiting.retain(|target, _| wants(target));
    }
}
