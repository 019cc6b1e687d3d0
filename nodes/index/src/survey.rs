//! Gathering what the planner needs to know, and choosing the next job.

use crate::node::IndexNode;
use crate::plan::{Job, Plan, SealedHere, WantedIndex, plan};
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_index::IndexSpec;
use vecraft_rpc::memory::Room;
use vecraft_segment::{SealedSegment, Segment};
use vecraft_types::{CollectionDescriptor, CollectionId, SegmentId, ShardId};

/// The plan of this moment, with the segments it speaks of.
pub(crate) struct Survey {
    pub plan: Plan,
    segments: BTreeMap<(ShardId, SegmentId), Arc<SealedSegment>>,
}

/// A job with all it needs.
pub(crate) struct Work {
    pub job: Job,
    pub segment: Arc<SealedSegment>,
    pub kind: WorkKind,
}

/// How the index comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {
    /// From the file of an earlier life.
    Open,
    /// From the vectors.
    Build,
}

impl Survey {
    /// Whether a job is still in the plan.
    pub(crate) fn wants(&self, job: &Job) -> bool {
        self.plan.opens.iter().chain(&self.plan.builds).any(|other| other.target == job.target)
    }
}

impl IndexNode {
    /// Compares the catalogue, the views and the files as they are now. Memory only.
    pub(crate) fn survey(&self) -> Survey {
        let mut wanted: BTreeMap<CollectionId, Vec<WantedIndex>> = BTreeMap::new();
        let mut sealed = Vec::new();
        let mut segments = BTreeMap::new();
        for view in self.views.list() {
            let shard = view.shard;
            let indexes = wanted.entry(shard.collection).or_insert_with(|| {
                self.catalogue.by_id(shard.collection).map(|row| wanted_of(&row)).unwrap_or_default()
            });
            if indexes.is_empty() {
                continue;
            }
            for shown in &view.segments {
                let Segment::Sealed(segment) = &shown.segment else { continue };
                let Some(file) = segment.manifest().files.first() else { continue };
                let (id, rows) = (segment.id(), segment.rows());
                sealed.push(SealedHere { shard, segment: id, rows, checksum: file.checksum });
                segments.insert((shard, id), segment.clone());
            }
        }
        let plan = plan(&wanted, &sealed, &self.built_here(), self.config.flat_rows_max);
        self.state.lock().report.pending = plan.opens.len() + plan.builds.len();
        Survey { plan, segments }
    }

    /// The first job whose time has come and for which memory has room: opening before building, because it is quick
    /// and helps as much.
    pub(crate) fn next_job(&self, survey: &Survey) -> Option<(Work, Room)> {
        self.forget_waiting(survey);
        let now = self.clock.monotonic();
        let due: Vec<(&Job, WorkKind)> = {
            let mut state = self.state.lock();
            state.failures.retain(|target, _| {
                survey.plan.opens.iter().chain(&survey.plan.builds).any(|job| job.target == *target)
            });
            let is_due =
                |job: &&Job| state.failures.get(&job.target).is_none_or(|failure| failure.retry_at <= now);
            let opens = survey.plan.opens.iter().filter(is_due).map(|job| (job, WorkKind::Open));
            let builds = survey.plan.builds.iter().filter(is_due).map(|job| (job, WorkKind::Build));
            opens.chain(builds).collect()
        };
        for (job, kind) in due {
            let segment = survey.segments.get(&(job.target.shard, job.target.segment))?.clone();
            match self.room_for(job, kind, &segment) {
                Ok(room) => {
                    self.state.lock().waiting.remove(&job.target);
                    return Some((Work { job: job.clone(), segment, kind }, room));
                }
                Err(why) => self.wait_for_room(job.target, &why),
            }
        }
        None
    }
}

/// The indexes a collection wants. One whose type this program does not know (a newer one wrote the catalogue) is
/// left out: searches on it scan, which is right if slow.
pub(crate) fn wanted_of(collection: &CollectionDescriptor) -> Vec<WantedIndex> {
    let read = |index: &vecraft_types::IndexDescriptor| {
        let spec = IndexSpec::parse(&index.spec.index_type, &index.spec.params);
        let spec = spec.inspect_err(|error| {
            tracing::debug!(collection = %collection.id, index = %index.id, %error, "index of an unknown kind");
        });
        Some(WantedIndex {
            index: index.id,
            field: index.spec.field,
            metric: index.spec.metric,
            spec: spec.ok()?,
        })
    };
    collection.indexes.iter().filter_map(read).collect()
}
