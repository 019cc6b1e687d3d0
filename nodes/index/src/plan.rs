//! Which segment wants which index, which build the log names, and what there is to do about it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use vecraft_index::IndexSpec;
use vecraft_types::{CollectionId, FieldId, IndexBuild, IndexId, Metric, SegmentId, ShardId};

/// Names one index of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexTarget {
    /// The shard.
    pub shard: ShardId,
    /// The segment of that shard.
    pub segment: SegmentId,
    /// The index, whose id is never reused.
    pub index: IndexId,
}

impl fmt::Display for IndexTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} segment {} index {}", self.shard, self.segment, self.index)
    }
}

/// An index as the catalogue wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedIndex {
    /// The index.
    pub index: IndexId,
    /// Its vector field.
    pub field: FieldId,
    /// How distances are taken.
    pub metric: Metric,
    /// Type and build parameters; none when this program does not know the type (a newer one wrote the catalogue):
    /// searches scan, which is right if slow, and what others built is left alone.
    pub spec: Option<IndexSpec>,
    /// Its files are used where they lie, mapped.
    pub is_mapped: bool,
    /// They could be: lists of whole rows have no links and no codes.
    pub can_map: bool,
}

/// A sealed segment that this node serves from its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHere {
    /// The shard.
    pub shard: ShardId,
    /// The segment.
    pub segment: SegmentId,
    /// Rows, deleted ones included.
    pub rows: u32,
    /// Checksum of the column file.
    pub checksum: u64,
}

/// What this node knows about its own file of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// Searches use this build. None when there was one, and the segment that used it went.
    pub in_use: Option<IndexBuild>,
    /// The file of this build is missing or damaged here.
    pub unusable: Option<IndexBuild>,
    /// The build in use is used in its mapped file.
    pub is_mapped: bool,
    /// It is to be used there, because memory is short.
    pub is_squeezed: bool,
}

/// One index to build or to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub target: IndexTarget,
    /// Its vector field.
    pub field: FieldId,
    /// Rows of the segment.
    pub rows: u32,
    /// Its file is used where it lies, mapped.
    pub is_mapped: bool,
    /// It could be.
    pub can_map: bool,
    /// How the index comes to be.
    pub kind: JobKind,
}

/// How an index comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// From the file that the log names, fetched from another replica when it is not here.
    Open(IndexBuild),
    /// From the vectors.
    Build {
        /// What to build; never FLAT, and AUTOINDEX as the graph it comes to.
        spec: IndexSpec,
        /// How distances are taken.
        metric: Metric,
        /// Checksum of the column file.
        over: u64,
        /// The build in force, when it is of no use here. Only other bytes need a new version.
        replaces: Option<IndexBuild>,
    },
}

/// The difference between what should be and what is. What goes comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Indexes that the log names and the catalogue does not want: the log must forget them.
    pub forgets: BTreeSet<(ShardId, IndexId)>,
    /// Indexes known here that the log does not name (any more).
    pub drops: Vec<IndexTarget>,
    /// Files to read and use, those included that are in use, and mapped or in memory against the wish. Largest segment first.
    pub opens: Vec<Job>,
    /// Indexes to build. Largest segment first: scanning it costs most.
    pub builds: Vec<Job>,
}

impl Plan {
    /// Opening before building, because it is quick and helps as much.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.opens.iter().chain(&self.builds)
    }
}

/// Compares what the catalogue wants with what the logs name and what is here.
///
/// `wanted` holds only collections that the catalogue knows: about another one, which is being created or dropped,
/// nothing is decided. `named` are the builds in force of all shards here. `flat_rows_max`: `AUTOINDEX` scans segments
/// with fewer rows; a build that the log names is used whatever this node's limit is.
pub fn plan(
    wanted: &BTreeMap<CollectionId, Vec<WantedIndex>>,
    sealed: &[SealedHere],
    named: &BTreeMap<IndexTarget, IndexBuild>,
    here: &BTreeMap<IndexTarget, Here>,
    flat_rows_max: u64,
) -> Plan {
    let mut plan = Plan::default();
    for segment in sealed {
        for index in wanted.get(&segment.shard.collection).into_iter().flatten() {
            let target = IndexTarget { shard: segment.shard, segment: segment.segment, index: index.index };
            let (named, here) = (named.get(&target), here.get(&target).copied().unwrap_or_default());
            if let Some(job) = missing(segment, index, target, named, here, flat_rows_max) {
                match job.kind {
                    JobKind::Open(_) => plan.opens.push(job),
                    JobKind::Build { .. } => plan.builds.push(job),
                }
            }
        }
    }
    let is_unwanted = |target: &&IndexTarget| {
        let indexes = wanted.get(&target.shard.collection);
        indexes.is_some_and(|indexes| indexes.iter().all(|index| index.index != target.index))
    };
    plan.forgets = named.keys().filter(is_unwanted).map(|target| (target.shard, target.index)).collect();
    plan.drops = here.keys().filter(|target| !named.contains_key(target)).copied().collect();
    for jobs in [&mut plan.opens, &mut plan.builds] {
        jobs.sort_by(|a, b| b.rows.cmp(&a.rows).then(a.target.cmp(&b.target)));
    }
    plan
}

/// What one segment lacks for one wish.
fn missing(
    segment: &SealedHere,
    index: &WantedIndex,
    target: IndexTarget,
    named: Option<&IndexBuild>,
    here: Here,
    flat_rows_max: u64,
) -> Option<Job> {
    let spec = index.spec.as_ref()?;
    let is_mapped = index.is_mapped || index.can_map && here.is_squeezed;
    let job = |kind| {
        let (field, can_map) = (index.field, index.can_map);
        Job { target, field, rows: segment.rows, is_mapped, can_map, kind }
    };
    if let Some(build) = named {
        let is = |other: Option<IndexBuild>| other.is_some_and(|other| other.is_same_file(build));
        if is(here.in_use) && here.is_mapped == is_mapped {
            return None;
        }
        // A build over another column file under the same name is of no use here.
        if build.over == segment.checksum && !is(here.unusable) {
            return Some(job(JobKind::Open(*build)));
        }
    }
    let spec = to_build(spec, u64::from(segment.rows), flat_rows_max)?;
    let (metric, over) = (index.metric, segment.checksum);
    Some(job(JobKind::Build { spec, metric, over, replaces: named.copied() }))
}

/// What a segment of `rows` rows gets for a wish; none when an exact scan is what was asked for, or as good.
pub fn to_build(spec: &IndexSpec, rows: u64, flat_rows_max: u64) -> Option<IndexSpec> {
    match spec {
        _ if rows == 0 => None,
        IndexSpec::Flat => None,
        IndexSpec::Auto if rows < flat_rows_max => None,
        IndexSpec::Auto => Some(spec.resolve(usize::MAX)),
        other => Some(other.clone()),
    }
}
