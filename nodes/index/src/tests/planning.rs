//! The planner: what is wanted, what is here, what is built -> what to do.

use crate::plan::{Here, IndexTarget, JobKind, Plan, SealedHere, WantedIndex, plan, to_build};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_index::IndexSpec;
use vecraft_types::{BuildId, CollectionId, FieldId, IndexBuild, IndexId, Metric, SegmentId, ShardId};

const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
const FLAT_ROWS: u64 = 4_000;

fn hnsw() -> IndexSpec {
    IndexSpec::parse("HNSW", &BTreeMap::new()).unwrap()
}

fn wish(index: u64, spec: IndexSpec) -> WantedIndex {
    WantedIndex {
        index: IndexId(index),
        field: FieldId(101),
        metric: Metric::L2,
        spec: Some(spec),
        is_mapped: false,
        can_map: true,
    }
}

fn sealed(segment: u64, rows: u32) -> SealedHere {
    SealedHere { shard: SHARD, segment: SegmentId(segment), rows, checksum: segment * 10 }
}

fn target(segment: u64, index: u64) -> IndexTarget {
    IndexTarget { shard: SHARD, segment: SegmentId(segment), index: IndexId(index) }
}

/// A build over the segment's column file.
fn build(segment: u64, index: u64) -> IndexBuild {
    IndexBuild {
        index: IndexId(index),
        field: FieldId(101),
        version: 1,
        build: BuildId(1),
        checksum: 1_000 + segment,
        file_bytes: 1,
        over: segment * 10,
    }
}

/// What the log names, and what is here: segment, index, whether searches use it.
type Named = (u64, u64, bool);

fn named(named: &[Named]) -> (BTreeMap<IndexTarget, IndexBuild>, BTreeMap<IndexTarget, Here>) {
    let in_force = named.iter().map(|(s, i, _)| (target(*s, *i), build(*s, *i))).collect();
    let used = named.iter().filter(|(_, _, is_in_use)| *is_in_use);
    let here = used
        .map(|(s, i, _)| (target(*s, *i), Here { in_use: Some(build(*s, *i)), ..Here::default() }))
        .collect();
    (in_force, here)
}

fn run(wishes: &[WantedIndex], sealed: &[SealedHere], builds: &[Named]) -> Plan {
    let wanted = BTreeMap::from([(SHARD.collection, wishes.to_vec())]);
    let (in_force, here) = named(builds);
    plan(&wanted, sealed, &in_force, &here, FLAT_ROWS)
}

/// Expected forgets by index, and targets as (opens, builds), each a list of (segment, index).
#[track_caller]
fn check(plan: &Plan, forgets: &[u64], opens: &[(u64, u64)], builds: &[(u64, u64)]) {
    let targets = |expected: &[(u64, u64)]| -> Vec<IndexTarget> {
        expected.iter().map(|(segment, index)| target(*segment, *index)).collect()
    };
    let forgotten: BTreeSet<_> = forgets.iter().map(|index| (SHARD, IndexId(*index))).collect();
    assert_eq!(plan.forgets, forgotten, "forgets");
    assert_eq!(plan.opens.iter().map(|job| job.target).collect::<Vec<_>>(), targets(opens), "opens");
    assert_eq!(plan.builds.iter().map(|job| job.target).collect::<Vec<_>>(), targets(builds), "builds");
}

#[test]
fn what_is_missing_is_built_largest_first() {
    let plan = run(&[wish(1, hnsw())], &[sealed(1, 500), sealed(2, 9_000), sealed(3, 500)], &[]);
    check(&plan, &[], &[], &[(2, 1), (1, 1), (3, 1)]);
    let kind = JobKind::Build { spec: hnsw(), metric: Metric::L2, over: 20, replaces: None };
    assert_eq!((plan.builds[0].rows, &plan.builds[0].kind), (9_000, &kind));
}

#[test]
fn i13_what_the_log_names_is_opened_once_and_then_left_alone() {
    let (wishes, sealed) = ([wish(1, hnsw())], [sealed(1, 5_000)]);
    let plan = run(&wishes, &sealed, &[(1, 1, false)]);
    check(&plan, &[], &[(1, 1)], &[]);
    assert_eq!(plan.opens[0].kind, JobKind::Open(build(1, 1)));
    check(&run(&wishes, &sealed, &[(1, 1, true)]), &[], &[], &[]);
}

#[test]
fn i13_another_build_than_the_one_in_use_takes_its_place() {
    let wanted = BTreeMap::from([(SHARD.collection, vec![wish(1, hnsw())])]);
    let (mut in_force, here) = named(&[(1, 1, true)]);
    let next = IndexBuild { version: 2, checksum: 7, ..build(1, 1) };
    in_force.insert(target(1, 1), next);
    let plan = plan(&wanted, &[sealed(1, 5_000)], &in_force, &here, FLAT_ROWS);
    check(&plan, &[], &[(1, 1)], &[]);
    assert_eq!(plan.opens[0].kind, JobKind::Open(next));
    assert!(plan.drops.is_empty(), "searches use the old one until the new one is here");
}

#[test]
fn i13_a_named_file_that_is_of_no_use_is_built_again() {
    let wanted = BTreeMap::from([(SHARD.collection, vec![wish(1, hnsw())])]);
    let (in_force, _) = named(&[(1, 1, false)]);
    let here = BTreeMap::from([(target(1, 1), Here { unusable: Some(build(1, 1)), ..Here::default() })]);
    let plan = plan(&wanted, &[sealed(1, 5_000)], &in_force, &here, FLAT_ROWS);
    check(&plan, &[], &[], &[(1, 1)]);
    assert!(matches!(plan.builds[0].kind, JobKind::Build { replaces: Some(old), .. } if old == build(1, 1)));
}

#[test]
fn autoindex_scans_small_segments_and_flat_all() {
    let sealed = [sealed(1, 3_999), sealed(2, 4_000)];
    let plan = run(&[wish(1, IndexSpec::Auto)], &sealed, &[]);
    check(&plan, &[], &[], &[(2, 1)]);
    assert!(
        matches!(&plan.builds[0].kind, JobKind::Build { spec, .. } if matches!(spec, IndexSpec::AutoGraph { .. }))
    );
    check(&run(&[wish(1, IndexSpec::Flat)], &sealed, &[]), &[], &[], &[]);
    // Another limit of another node or another day is no reason to let go of an index.
    check(&run(&[wish(1, IndexSpec::Auto)], &sealed, &[(1, 1, false)]), &[], &[(1, 1)], &[(2, 1)]);
}

#[test]
fn autoindex_follows_the_configured_limit() {
    assert!(to_build(&IndexSpec::Auto, 50, 10).is_some());
    assert!(to_build(&IndexSpec::Auto, 50_000, 100_000).is_none());
    assert_eq!(to_build(&hnsw(), 1, FLAT_ROWS), Some(hnsw()));
    assert!(to_build(&hnsw(), 0, FLAT_ROWS).is_none(), "an empty segment has nothing to index");
}

#[test]
fn what_nobody_wants_is_forgotten_and_what_no_log_names_is_dropped() {
    let sealed = [sealed(1, 5_000)];
    let in_use = [(1, 1, true)];
    check(&run(&[], &sealed, &in_use), &[1], &[], &[]);
    // Dropped and made again: another id, so another index, and the old one goes.
    check(&run(&[wish(2, hnsw())], &sealed, &in_use), &[1], &[], &[(1, 2)]);
    // The segment vanished, and with it what the log named for it.
    let (_, here) = named(&in_use);
    let wanted = BTreeMap::from([(SHARD.collection, vec![wish(1, hnsw())])]);
    let gone = plan(&wanted, &[], &BTreeMap::new(), &here, FLAT_ROWS);
    check(&gone, &[], &[], &[]);
    assert_eq!(gone.drops, [target(1, 1)]);
    let here = BTreeMap::from([(target(1, 1), Here::default())]);
    let gone = plan(&wanted, &[], &BTreeMap::new(), &here, FLAT_ROWS);
    assert_eq!(gone.drops, [target(1, 1)], "also when nobody holds the segment any more");
}

#[test]
fn of_a_collection_or_type_that_is_not_known_nothing_is_forgotten() {
    let (in_force, here) = named(&[(1, 1, true)]);
    // Being created or dropped, or newer than this node's catalogue.
    let plan = plan(&BTreeMap::new(), &[sealed(1, 5_000)], &in_force, &here, FLAT_ROWS);
    assert_eq!(plan, Plan::default());
    let newer = WantedIndex { spec: None, ..wish(1, hnsw()) };
    check(&run(&[newer], &[sealed(1, 5_000)], &[(1, 1, false)]), &[], &[], &[]);
}

#[test]
fn an_index_over_another_column_file_is_built_again() {
    let wanted = BTreeMap::from([(SHARD.collection, vec![wish(1, hnsw())])]);
    let old = IndexBuild { over: 99, ..build(1, 1) };
    let in_force = BTreeMap::from([(target(1, 1), old)]);
    let plan = plan(&wanted, &[sealed(1, 5_000)], &in_force, &BTreeMap::new(), FLAT_ROWS);
    check(&plan, &[], &[], &[(1, 1)]);
    assert!(matches!(plan.builds[0].kind, JobKind::Build { replaces: Some(named), .. } if named == old));
}

#[test]
fn a_plan_carried_out_leaves_nothing_to_do() {
    let (wishes, sealed) = ([wish(1, hnsw()), wish(2, IndexSpec::Auto)], [sealed(1, 100), sealed(2, 8_000)]);
    let mut builds: Vec<Named> = vec![(2, 7, false), (2, 1, false)];
    let first = run(&wishes, &sealed, &builds);
    check(&first, &[7], &[(2, 1)], &[(2, 2), (1, 1)]);
    builds.clear();
    builds.extend(first.jobs().map(|job| (job.target.segment.0, job.target.index.0, true)));
    check(&run(&wishes, &sealed, &builds), &[], &[], &[]);
}
