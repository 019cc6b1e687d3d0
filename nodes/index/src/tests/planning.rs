//! The planner: what is wanted, what is here, what is built -> what to do.

use crate::plan::{BuiltIndex, IndexTarget, Plan, SealedHere, WantedIndex, plan, to_build};
use std::collections::BTreeMap;
use vecraft_index::IndexSpec;
use vecraft_types::{CollectionId, FieldId, IndexId, Metric, SegmentId, ShardId};

const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
const FLAT_ROWS: u64 = 4_000;

fn hnsw() -> IndexSpec {
    IndexSpec::parse("HNSW", &BTreeMap::new()).unwrap()
}

fn wish(index: u64, spec: IndexSpec) -> WantedIndex {
    WantedIndex { index: IndexId(index), field: FieldId(101), metric: Metric::L2, spec }
}

fn here(segment: u64, rows: u32) -> SealedHere {
    SealedHere { shard: SHARD, segment: SegmentId(segment), rows, checksum: segment * 10 }
}

fn target(segment: u64, index: u64) -> IndexTarget {
    IndexTarget { shard: SHARD, segment: SegmentId(segment), index: IndexId(index) }
}

fn run(wishes: &[WantedIndex], sealed: &[SealedHere], built: &[(IndexTarget, u64, bool)]) -> Plan {
    let wanted = BTreeMap::from([(SHARD.collection, wishes.to_vec())]);
    let built = built
        .iter()
        .map(|(target, over, is_attached)| (*target, BuiltIndex { over: *over, is_attached: *is_attached }))
        .collect();
    plan(&wanted, sealed, &built, FLAT_ROWS)
}

/// Expected targets as (drops, opens, builds), each a list of (segment, index).
#[track_caller]
fn check(plan: &Plan, drops: &[(u64, u64)], opens: &[(u64, u64)], builds: &[(u64, u64)]) {
    let targets = |expected: &[(u64, u64)]| -> Vec<IndexTarget> {
        expected.iter().map(|(segment, index)| target(*segment, *index)).collect()
    };
    assert_eq!(plan.drops, targets(drops), "drops");
    assert_eq!(plan.opens.iter().map(|job| job.target).collect::<Vec<_>>(), targets(opens), "opens");
    assert_eq!(plan.builds.iter().map(|job| job.target).collect::<Vec<_>>(), targets(builds), "builds");
}

#[test]
fn what_is_missing_is_built_largest_first() {
    let plan = run(&[wish(1, hnsw())], &[here(1, 500), here(2, 9_000), here(3, 500)], &[]);
    check(&plan, &[], &[], &[(2, 1), (1, 1), (3, 1)]);
    assert_eq!((plan.builds[0].rows, &plan.builds[0].spec), (9_000, &hnsw()));
}

#[test]
fn what_is_built_is_opened_once_and_then_left_alone() {
    let (wishes, sealed) = ([wish(1, hnsw())], [here(1, 5_000)]);
    check(&run(&wishes, &sealed, &[(target(1, 1), 10, false)]), &[], &[(1, 1)], &[]);
    check(&run(&wishes, &sealed, &[(target(1, 1), 10, true)]), &[], &[], &[]);
}

#[test]
fn autoindex_scans_small_segments_and_flat_all() {
    let sealed = [here(1, 3_999), here(2, 4_000)];
    let plan = run(&[wish(1, IndexSpec::Auto)], &sealed, &[]);
    check(&plan, &[], &[], &[(2, 1)]);
    assert_eq!(plan.builds[0].spec.type_name(), "HNSW");
    check(&run(&[wish(1, IndexSpec::Flat)], &sealed, &[]), &[], &[], &[]);
}

#[test]
fn autoindex_follows_the_configured_limit() {
    assert!(to_build(&IndexSpec::Auto, 50, 10).is_some());
    assert!(to_build(&IndexSpec::Auto, 50_000, 100_000).is_none());
    assert_eq!(to_build(&hnsw(), 1, FLAT_ROWS), Some(hnsw()));
    assert!(to_build(&hnsw(), 0, FLAT_ROWS).is_none(), "an empty segment has nothing to index");
}

#[test]
fn what_nobody_wants_is_dropped() {
    let attached = [(target(1, 1), 10, true)];
    check(&run(&[], &[here(1, 5_000)], &attached), &[(1, 1)], &[], &[]);
    check(&run(&[wish(1, hnsw())], &[], &attached), &[(1, 1)], &[], &[]);
    // Dropped and made again: another id, so another index, and the old one goes.
    check(&run(&[wish(2, hnsw())], &[here(1, 5_000)], &attached), &[(1, 1)], &[], &[(1, 2)]);
    let other = BTreeMap::from([(CollectionId(4), vec![wish(1, hnsw())])]);
    let built = BTreeMap::from([(target(1, 1), BuiltIndex { over: 10, is_attached: true })]);
    check(&plan(&other, &[here(1, 5_000)], &built, FLAT_ROWS), &[(1, 1)], &[], &[]);
}

#[test]
fn an_index_over_another_column_file_is_dropped_and_built_again() {
    let plan = run(&[wish(1, hnsw())], &[here(1, 5_000)], &[(target(1, 1), 99, true)]);
    check(&plan, &[(1, 1)], &[], &[(1, 1)]);
}

#[test]
fn a_plan_carried_out_leaves_nothing_to_do() {
    let (wishes, sealed) = ([wish(1, hnsw()), wish(2, IndexSpec::Auto)], [here(1, 100), here(2, 8_000)]);
    let mut built: Vec<_> = vec![(target(7, 1), 70, false), (target(2, 1), 20, false)];
    let first = run(&wishes, &sealed, &built);
    check(&first, &[(7, 1)], &[(2, 1)], &[(2, 2), (1, 1)]);
    built.retain(|(target, ..)| {
        !first.drops.contains(target) && !first.opens.iter().any(|o| o.target == *target)
    });
    let done = first.opens.iter().chain(&first.builds);
    built.extend(done.map(|job| (job.target, job.target.segment.0 * 10, true)));
    check(&run(&wishes, &sealed, &built), &[], &[], &[]);
}
