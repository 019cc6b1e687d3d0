//! Which segment wants which index, and what there is to do about it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use vecraft_index::IndexSpec;
use vecraft_types::{CollectionId, FieldId, IndexId, Metric, SegmentId, ShardId};

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
    /// Type and build parameters.
    pub spec: IndexSpec,
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

/// An index whose file is durable here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIndex {
    /// Checksum of the column file it was built over.
    pub over: u64,
    /// True when searches use it.
    pub is_attached: bool,
}

/// One index to build or to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub target: IndexTarget,
    /// Its vector field.
    pub field: FieldId,
    /// How distances are taken.
    pub metric: Metric,
    /// What to build; never FLAT or AUTOINDEX.
    pub spec: IndexSpec,
    /// Rows of the segment.
    pub rows: u32,
}

/// The difference between what should be and what is. Drops come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files that nobody wants, or that were built over another column file.
    pub drops: Vec<IndexTarget>,
    /// Files to read and use. Largest segment first.
    pub opens: Vec<Job>,
    /// Indexes to build. Largest segment first: scanning it costs most.
    pub builds: Vec<Job>,
}

/// Compares what the catalogue wants with what is built here.
///
/// `flat_rows_max`: `AUTOINDEX` scans segments with fewer rows.
pub fn plan(
    wanted: &BTreeMap<CollectionId, Vec<WantedIndex>>,
    sealed: &[SealedHere],
    built: &BTreeMap<IndexTarget, BuiltIndex>,
    flat_rows_max: u64,
) -> Plan {
    let mut plan = Plan::default();
    let mut kept = BTreeSet::new();
    for here in sealed {
        for index in wanted.get(&here.shard.collection).into_iter().flatten() {
            let Some(spec) = to_build(&index.spec, u64::from(here.rows), flat_rows_max) else { continue };
            let target = IndexTarget { shard: here.shard, segment: here.segment, index: index.index };
            let job = Job { target, field: index.field, metric: index.metric, spec, rows: here.rows };
            match built.get(&target) {
                Some(there) if there.over == here.checksum => {
                    kept.insert(target);
                    if !there.is_attached {
                        plan.opens.push(job);
                    }
                }
                // Another column file under the same name: the old index is dropped below.
                _ => plan.builds.push(job),
            }
        }
    }
    plan.drops = built.keys().filter(|target| !kept.contains(target)).copied().collect();
    for jobs in [&mut plan.opens, &mut plan.builds] {
        jobs.sort_by(|a, b| b.rows.cmp(&a.rows).then(a.target.cmp(&b.target)));
    }
    plan
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
