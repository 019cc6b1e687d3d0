//! Each bug planted in a cluster is found within its budget, and the failure says how to bring it back.

use vecraft_test_sim::cluster::bug::Bug;
use vecraft_test_sim::cluster::report;

/// Finds the bug within so many seeds, and again with the seed that found it.
#[track_caller]
fn check(bug: Bug, budget: u64) {
    let Some(failure) = (1..=budget).find_map(|seed| report::run(seed, Some(bug)).err()) else {
        panic!("{bug} was not found in {budget} seeds");
    };
    println!(
        "{bug}: found with seed {} of {budget}: {} {}",
        failure.seed, failure.broken.invariant, failure.broken.what
    );
    assert_eq!(report::run(failure.seed, Some(bug)), Err(failure.clone()), "the seed does not bring it back");
    let command = format!("--cluster --seed {} --bug {bug}", failure.seed);
    assert!(failure.to_string().contains(&command), "no way back in: {failure}");
}

#[test]
fn a_skipped_fsync_is_found() {
    check(Bug::SkipFsync, 30);
}

#[test]
fn an_acknowledgement_before_the_majority_is_found() {
    check(Bug::AckBeforeMajority, 30);
}

#[test]
fn a_read_on_the_applied_instead_of_the_published_index_is_found() {
    check(Bug::ReadOnApplied, 30);
}

#[test]
fn a_replica_id_used_again_after_a_wipe_is_found() {
    check(Bug::ReuseReplicaId, 30);
}

#[test]
fn a_purge_above_the_checkpoint_is_found() {
    check(Bug::PurgeAboveCheckpoint, 30);
}

#[test]
fn a_delete_dropped_on_replay_is_found() {
    check(Bug::DropDeleteOnReplay, 30);
}

#[test]
fn a_retry_applied_twice_is_found() {
    check(Bug::DoubleApply, 30);
}

#[test]
fn a_bounded_read_that_trusts_heartbeats_is_found() {
    check(Bug::BoundedByHeartbeat, 30);
}

#[test]
fn a_snapshot_without_its_delete_log_is_found() {
    check(Bug::SnapshotWithoutDeletes, 30);
}

#[test]
fn a_timestamp_that_goes_back_is_found() {
    check(Bug::TimestampBack, 30);
}
