//! Room in memory for an index (I21): taken before it is built or read, given back when no search uses it any more.
//!
//! Without room an index waits, and searches scan: slower, right, and never the end of the process. What does not fit
//! now is looked at again after a pause, and told once.

use crate::node::IndexNode;
use crate::plan::{IndexTarget, Job, JobKind};
use crate::survey::Survey;
use vecraft_rpc::memory::Room;
use vecraft_segment::SealedSegment;
use vecraft_types::Result;

impl IndexNode {
    /// Room for a job's index at its peak.
    pub(crate) fn room_for(&self, job: &Job, segment: &SealedSegment) -> Result<Room> {
        let bytes = match &job.kind {
            // A file holds little more than what it becomes in memory.
            JobKind::Open(build) => {
                let mut state = self.state.lock();
                if !state.is_in_use(&job.target)
                    && let Some(used) = state.in_use.get_mut(&job.target)
                {
                    // Its segment went, and with it the index that had this room.
                    used._room = None;
                }
                // Of one that is mapped, most stays in the file: norms, levels and upper links do not.
                if job.is_mapped { build.file_bytes / 8 } else { build.file_bytes }
            }
            JobKind::Build { spec, metric, .. } => {
                let field = segment.schema().field_by_id(job.field);
                let dim = field.and_then(|field| field.data_type.dim()).unwrap_or(0) as usize;
                let rows = job.rows as usize;
                vecraft_index::build_bytes(spec, *metric, rows, dim, self.pool.threads())
            }
        };
        let refused = match self.memory.room_for_index(bytes) {
            Err(why) => why,
            room => return room,
        };
        if self.give_way(segment, job.field, bytes) {
            tracing::info!(target_index = %job.target, "the interim graph gives its room to the index");
            return self.memory.room_for_index(bytes);
        }
        Err(refused)
    }

    /// Remembers that there is no room for an index; says so the first time.
    pub(crate) fn wait_for_room(&self, target: IndexTarget, why: &vecraft_types::Error) {
        if self.state.lock().waiting.insert(target) {
            tracing::warn!(%target, %why, "no index yet, searches scan; it is built when memory comes free");
        }
    }

    /// Forgets those that nobody wants any more.
    pub(crate) fn forget_waiting(&self, survey: &Survey) {
        let wants = |target: &IndexTarget| survey.plan.jobs().any(|job| job.target == *target);
        self.state.lock().waiting.retain(wants);
    }
}
