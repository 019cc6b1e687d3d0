//! Each bug planted in a cluster is found within its budget, and the failure says how to bring it back.

use vecraft_test_sim::cluster::bug::Bug;
use vecraft_test_sim::cluster::report;

/// Finds the bug within so many seeds, and again with the seed that found it.
#[track_caller]
fn check(bug: Bug, budget: u64) {
    find(bug, budget);
}

/// The same, by the check of the rule that it breaks and no other.
#[track_caller]
fn check_named(bug: Bug, budget: u64, rule: &str) {
    assert_eq!(find(bug, budget), rule, "{bug} was found by another rule's check");
}

#[track_caller]
fn find(bug: Bug, budget: u64) -> &'static str {
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
    failure.broken.invariant
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

#[test]
fn i2_a_replacement_in_two_steps_is_found() {
    check_named(Bug::ReplaceInTwoSteps, 30, "I2");
}

#[test]
fn i2_a_newcomer_that_votes_before_it_has_caught_up_is_found() {
    check_named(Bug::ReplaceTooEarly, 30, "I2");
}

#[test]
fn i2_a_replacement_that_is_guarded_by_nothing_is_found() {
    check_named(Bug::ReplaceUnguarded, 30, "I2");
}

#[test]
fn i6_a_log_that_is_cut_at_damage_in_its_middle_is_found() {
    check_named(Bug::CutAtDamage, 30, "I6");
}

#[test]
fn i12_a_delete_by_filter_that_was_resolved_on_an_old_view_is_found() {
    check_named(Bug::ResolveOnOldView, 30, "I12");
}

#[test]
fn i12_a_resolved_delete_that_takes_whatever_has_the_key_is_found() {
    check_named(Bug::DeleteByKey, 30, "I12");
}

#[test]
fn i13_files_that_stay_without_a_name_are_found() {
    check_named(Bug::KeepUnnamed, 30, "I13");
}

#[test]
fn i13_a_segment_that_goes_on_after_its_seal_is_found() {
    check_named(Bug::IgnoreSeal, 30, "I13");
}

#[test]
fn a_session_that_forgets_what_it_read_is_found() {
    check_named(Bug::SessionByWrites, 30, "I20");
}

#[test]
fn a_compaction_that_is_never_done_is_found() {
    check_named(Bug::ForgetDone, 10, "liveness");
}
