//! Gathering what the planner needs to know, and choosing the next job.

use crate::node::IndexNode;
use crate::plan::{IndexTarget, Job, JobKind, Plan, SealedHere, WantedIndex, plan};
use crate::state::Undone;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::Arc;
use vecraft_index::IndexSpec;
use vecraft_rpc::memory::Room;
use vecraft_rpc::services::IndexLedger;
use vecraft_segment::{SealedSegment, Segment};
use vecraft_types::schema::is_scan;
use vecraft_types::{
    CollectionDescriptor, CollectionId, FieldId, IndexBuild, IndexDescriptor, SegmentId, ShardId,
};

/// The plan of this moment, with what it speaks of.
pub(crate) struct Survey {
    pub plan: Plan,
    /// The builds in force of all shards here that have sealed segments or used to.
    pub named: BTreeMap<IndexTarget, IndexBuild>,
    /// Shards whose group is out of service (I24): nothing of theirs is touched.
    pub silent: BTreeSet<ShardId>,
    /// Outputs of compactions whose indexes somebody waits for.
    pub coming: Vec<(ShardId, Arc<SealedSegment>)>,
    segments: BTreeMap<(ShardId, SegmentId), Arc<SealedSegment>>,
    /// The same by the checksums of their column files.
    column_files: BTreeMap<(ShardId, SegmentId), u64>,
    wanted: BTreeMap<CollectionId, Vec<WantedIndex>>,
}

/// What the logs say, shard by shard.
#[derive(Default)]
struct Logs {
    read: BTreeSet<ShardId>,
    named: BTreeMap<IndexTarget, IndexBuild>,
    silent: BTreeSet<ShardId>,
}

impl Logs {
    fn read(&mut self, ledger: &dyn IndexLedger, shard: ShardId) {
        if !self.read.insert(shard) {
            return;
        }
        match ledger.builds(shard) {
            Ok(builds) => self.named.extend(targets(shard, builds)),
            Err(_) => {
                self.silent.insert(shard);
            }
        }
    }
}

/// The builds in force of a shard, by target.
pub(crate) fn targets(
    shard: ShardId,
    builds: Option<Vec<(SegmentId, IndexBuild)>>,
) -> impl Iterator<Item = (IndexTarget, IndexBuild)> {
    let builds = builds.into_iter().flatten();
    builds.map(move |(segment, build)| (IndexTarget { shard, segment, index: build.index }, build))
}

/// A job with all it needs.
pub(crate) struct Work {
    pub job: Job,
    pub segment: Arc<SealedSegment>,
}

impl Survey {
    /// Whether the catalogue has the collection.
    pub(crate) fn knows(&self, collection: CollectionId) -> bool {
        self.wanted.contains_key(&collection)
    }

    /// The checksum of the column file that this node serves the segment from.
    pub(crate) fn column_file(&self, target: &IndexTarget) -> Option<u64> {
        self.column_files.get(&(target.shard, target.segment)).copied()
    }

    /// Whether a build that no log names yet may be named, and would be used here then.
    pub(crate) fn may_come(&self, target: &IndexTarget, build: &IndexBuild) -> bool {
        let wanted = self.wanted.get(&target.shard.collection).into_iter().flatten();
        wanted.into_iter().any(|wanted| wanted.index == target.index)
            && self.column_file(target) == Some(build.over)
            && self.named.get(target).is_none_or(|named| named.version < build.version)
    }

    /// What is to be done for an index of a segment; the index of this field.
    pub(crate) fn jobs_of(
        &self,
        shard: ShardId,
        segment: SegmentId,
        field: FieldId,
    ) -> impl Iterator<Item = &Job> {
        let is_of = move |job: &&Job| {
            job.target.shard == shard && job.target.segment == segment && job.field == field
        };
        self.plan.jobs().filter(is_of)
    }

    /// Whether a job is still in the plan, and to be done in the same way.
    pub(crate) fn wants(&self, job: &Job) -> bool {
        let is_it =
            |other: &Job| other.target == job.target && discriminant(&other.kind) == discriminant(&job.kind);
        self.plan.jobs().any(is_it)
    }
}

impl IndexNode {
    /// Compares the catalogue, the views, the logs and the files as they are now. Memory only.
    pub(crate) fn survey(&self) -> Survey {
        let mut wanted: BTreeMap<CollectionId, Vec<WantedIndex>> = BTreeMap::new();
        let mut sealed = Vec::new();
        let mut segments = BTreeMap::new();
        let mut leaving = BTreeSet::new();
        let mut coming = Vec::new();
        self.forget_lost_elsewhere();
        let mut here = self.here();
        let mut logs = Logs::default();
        for shard in here.keys().map(|target| target.shard) {
            logs.read(self.ledger.as_ref(), shard);
        }
        for view in self.views.list() {
            let shard = view.shard;
            let known = sealed.len();
            // The log knows the outputs of compactions, not their inputs that are still read.
            leaving.extend(
                view.segments
                    .iter()
                    .filter(|shown| shown.renamed.is_some())
                    .map(|shown| (shard, shown.segment.id())),
            );
            let shown = view.segments.iter().filter(|shown| shown.renamed.is_none());
            let read = shown.filter_map(|shown| match &shown.segment {
                Segment::Sealed(segment) => Some(segment),
                Segment::Growing(_) => None,
            });
            for segment in read.chain(&view.coming) {
                let Some(file) = segment.manifest().files.first() else { continue };
                let (id, rows) = (segment.id(), segment.rows());
                sealed.push(SealedHere { shard, segment: id, rows, checksum: file.checksum });
                segments.insert((shard, id), segment.clone());
            }
            coming.extend(view.coming.iter().map(|segment| (shard, segment.clone())));
            // Ten thousand shards without a sealed segment cost a look at their views.
            if sealed.len() == known {
                continue;
            }
            if !wanted.contains_key(&shard.collection)
                && let Some(row) = self.catalogue.by_id(shard.collection)
            {
                wanted.insert(shard.collection, wanted_of(&row));
            }
            logs.read(self.ledger.as_ref(), shard);
        }
        let Logs { named, silent, .. } = logs;
        sealed.retain(|segment| !silent.contains(&segment.shard));
        here.retain(|target, _| !silent.contains(&target.shard));
        // Readers keep the indexes of inputs until they see the output, unless nobody wants those any more.
        let is_wanted = |target: &IndexTarget| {
            let wanted = wanted.get(&target.shard.collection);
            wanted.is_none_or(|wanted| wanted.iter().any(|index| index.index == target.index))
        };
        here.retain(|target, _| !leaving.contains(&(target.shard, target.segment)) || !is_wanted(target));
        let column_files = sealed.iter().map(|one| ((one.shard, one.segment), one.checksum)).collect();
        let plan = {
            let mut state = self.state.lock();
            state.keep_only(|target, build| {
                silent.contains(&target.shard) || named.get(target) == Some(build)
            });
            state.squeezed.retain(|target| silent.contains(&target.shard) || named.contains_key(target));
            let is_served = |target: &&IndexTarget| segments.contains_key(&(target.shard, target.segment));
            let is_silent = |target: &&IndexTarget| silent.contains(&target.shard);
            let openable = named.keys().filter(|target| is_served(target) && !is_silent(target));
            state.openable = openable.copied().collect();
            let plan = plan(&wanted, &sealed, &named, &here, self.config.flat_rows_max);
            state.report.pending = plan.opens.len() + plan.builds.len();
            plan
        };
        Survey { plan, named, silent, coming, segments, column_files, wanted }
    }

    /// The first job whose time has come and for which memory has room.
    pub(crate) fn next_job(&self, survey: &Survey) -> Option<(Work, Room)> {
        self.forget_waiting(survey);
        let now = self.clock.monotonic();
        let due: Vec<&Job> = {
            let mut state = self.state.lock();
            state.failures.retain(|work, _| match work {
                Undone::Forget(shard, index) => survey.plan.forgets.contains(&(*shard, *index)),
                job => survey.plan.jobs().any(|other| Undone::of(other) == *job),
            });
            survey.plan.jobs().filter(|job| state.is_due(Undone::of(job), now)).collect()
        };
        let builds_here = |job: &Job| match job.kind {
            JobKind::Open(_) => true,
            JobKind::Build { .. } => self.builds_here(job.target.shard),
        };
        for job in due.into_iter().filter(|job| builds_here(job)) {
            let segment = survey.segments.get(&(job.target.shard, job.target.segment))?.clone();
            if let Some((job, room)) = self.room_for(job, &segment) {
                self.state.lock().waiting.remove(&job.target);
                return Some((Work { job, segment }, room));
            }
        }
        None
    }
}

impl IndexNode {
    pub(crate) fn builds_here(&self, shard: ShardId) -> bool {
        self.peers.members(shard).is_some_and(|members| members.builds_here())
    }

    /// What was lost is built again by the leader's node: when that is another one by now, this one goes on asking for
    /// the file.
    fn forget_lost_elsewhere(&self) {
        let lost: BTreeSet<ShardId> = self.state.lock().unusable.keys().map(|target| target.shard).collect();
        let elsewhere: BTreeSet<ShardId> =
            lost.into_iter().filter(|shard| !self.builds_here(*shard)).collect();
        self.state.lock().unusable.retain(|target, _| !elsewhere.contains(&target.shard));
    }
}

/// The indexes a collection wants on its vector fields.
pub(crate) fn wanted_of(collection: &CollectionDescriptor) -> Vec<WantedIndex> {
    let is_scalar = |index: &&IndexDescriptor| {
        let field = collection.schema.field_by_id(index.spec.field);
        field.is_some_and(|field| !field.data_type.is_vector())
    };
    let read = |index: &IndexDescriptor| {
        let can_map = !matches!(index.spec.index_type.as_str(), "IVF_FLAT" | "BIN_IVF_FLAT");
        let is_mapped = can_map && index.spec.is_mapped(&collection.properties);
        let wanted = |spec| WantedIndex {
            index: index.id,
            field: index.spec.field,
            metric: index.spec.metric,
            spec,
            is_mapped,
            can_map,
        };
        let field = collection.schema.field_by_id(index.spec.field);
        if field.is_some_and(|field| is_scan(&index.spec.index_type, &field.data_type)) {
            return wanted(Some(IndexSpec::Flat));
        }
        let spec = IndexSpec::parse(&index.spec.index_type, &index.spec.params);
        let spec = spec.inspect_err(|error| {
            tracing::debug!(collection = %collection.id, index = %index.id, %error, "index of an unknown kind");
        });
        wanted(spec.ok())
    };
    collection.indexes.iter().filter(|index| !is_scalar(index)).map(read).collect()
}
