//! What the role knows, and how it tries again.

use crate::interim::GraphRoom;
use crate::messages::IndexReport;
use crate::node::{LASTING_AFTER, RETRY_MAX};
use crate::plan::{IndexTarget, Job, JobKind};
use crate::watched::UnderWay;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::Duration;
use vecraft_rpc::memory::Room;
use vecraft_segment::SealedSegment;
use vecraft_types::{IndexBuild, IndexId, ShardId};

/// What the role knows. Everything but the counts can be found out again.
#[derive(Default)]
pub(crate) struct State {
    pub in_use: BTreeMap<IndexTarget, InUse>,
    /// Builds in force whose file is missing or damaged here.
    pub unusable: BTreeMap<IndexTarget, IndexBuild>,
    pub failures: BTreeMap<Undone, Failure>,
    /// Indexes that memory has no room for.
    pub waiting: BTreeMap<IndexTarget, Waiting>,
    /// Indexes that are used in their mapped files because memory is short.
    pub squeezed: BTreeSet<IndexTarget>,
    /// Indexes that a log names and whose segments new searches see: a job can open them again. Inputs of a compaction, which readers
    /// keep until its output has its index, are none of them.
    pub openable: BTreeSet<IndexTarget>,
    /// When the last one came to that, on the monotonic clock.
    pub squeezed_at: Duration,
    /// Indexes that another node is to build, since when.
    pub awaited: BTreeMap<IndexTarget, Duration>,
    /// What interim graphs take of the memory.
    pub graph_rooms: Vec<GraphRoom>,
    /// The job that is being done.
    pub under_way: Option<UnderWay>,
    pub report: IndexReport,
}

/// A build that searches of a segment use, as long as the segment lives.
pub(crate) struct InUse {
    pub build: IndexBuild,
    pub segment: Weak<SealedSegment>,
    /// Used in its mapped file.
    pub is_mapped: bool,
    /// It could be.
    pub can_map: bool,
    /// What it takes of the memory meanwhile.
    pub room: Option<Room>,
}

impl InUse {
    /// What is saved when the file is mapped.
    pub(crate) fn saving(&self) -> u64 {
        let has = self.room.as_ref().map_or(0, Room::bytes);
        if self.can_map && !self.is_mapped { has.saturating_sub(mapped_bytes(&self.build)) } else { 0 }
    }
}

/// What an index takes beside its mapped file, at most: norms, levels and upper links.
pub(crate) fn mapped_bytes(build: &IndexBuild) -> u64 {
    build.file_bytes / 8
}

/// Work that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Undone {
    /// An index could not be built or named.
    Build(IndexTarget),
    /// An index could not be opened.
    Open(IndexTarget),
    /// The log could not be told to forget an index.
    Forget(ShardId, IndexId),
}

impl Undone {
    pub(crate) fn of(job: &Job) -> Undone {
        match job.kind {
            JobKind::Build { .. } => Undone::Build(job.target),
            JobKind::Open(_) => Undone::Open(job.target),
        }
    }
}

/// Waiting for room in memory.
pub(crate) struct Waiting {
    /// On the monotonic clock.
    pub since: Duration,
    pub why: String,
    /// There would be room if indexes were mapped.
    pub is_helped: bool,
}

/// How often it failed.
pub(crate) struct Failure {
    times: u32,
    /// The last time.
    pub why: String,
    /// On the monotonic clock.
    pub retry_at: Duration,
}

impl Failure {
    /// What has not failed yet.
    pub(crate) fn first(now: Duration) -> Failure {
        Failure { times: 0, why: String::new(), retry_at: now }
    }

    /// Counts a failure; answers the pause, which is `first`, doubled with each one before.
    pub(crate) fn again(&mut self, now: Duration, first: Duration) -> Duration {
        let pause = (first * (1 << self.times.min(16))).min(RETRY_MAX);
        (self.times, self.retry_at) = (self.times.saturating_add(1), now + pause);
        pause
    }

    /// It came so often that waiting alone is no help.
    pub(crate) fn is_lasting(&self) -> bool {
        self.times >= LASTING_AFTER
    }

    /// Counts as lasting from now on.
    pub(crate) fn last(&mut self) {
        self.times = self.times.max(LASTING_AFTER);
    }
}

impl State {
    pub(crate) fn is_in_use(&self, target: &IndexTarget) -> bool {
        self.in_use.get(target).is_some_and(|used| used.segment.strong_count() > 0)
    }

    /// Indexes that can be mapped now, with what that saves. Not those that just failed to.
    pub(crate) fn savings(&self) -> Vec<(IndexTarget, u64)> {
        let can = |target: &IndexTarget| {
            self.openable.contains(target)
                && !self.unusable.contains_key(target)
                && !self.failures.contains_key(&Undone::Open(*target))
        };
        let saving = self.living().map(|(target, used)| (*target, used.saving()));
        saving.filter(|(target, bytes)| *bytes > 0 && can(target)).collect()
    }

    /// Forgets troubles with builds that are not in force any more.
    pub(crate) fn keep_only(&mut self, is_in_force: impl Fn(&IndexTarget, &IndexBuild) -> bool) {
        self.unusable.retain(|target, build| is_in_force(target, build));
    }

    /// Indexes in use here whose segments live.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&IndexTarget, &InUse)> {
        self.in_use.iter().filter(|(_, used)| used.segment.strong_count() > 0)
    }

    /// Why there is no such index yet, when that has lasted: the last error of its builds, or that memory has had no room for it
    /// for as long as `calm`.
    pub(crate) fn lasting_trouble(
        &self,
        target: &IndexTarget,
        now: Duration,
        calm: Duration,
    ) -> Option<String> {
        let of = |work| {
            self.failures.get(&work).filter(|failure| failure.is_lasting()).map(|failed| failed.why.clone())
        };
        let waits = || {
            let waiting =
                self.waiting.get(target).filter(|waiting| now.saturating_sub(waiting.since) >= calm)?;
            Some(format!("no room for it yet, searches scan: {}", waiting.why))
        };
        of(Undone::Build(*target)).or_else(|| of(Undone::Open(*target))).or_else(waits)
    }

    pub(crate) fn is_due(&self, work: Undone, now: Duration) -> bool {
        self.failures.get(&work).is_none_or(|failure| failure.retry_at <= now)
    }
}
