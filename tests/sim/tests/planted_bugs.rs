//! Each planted bug is found within its budget, and the failure says how to bring it back.

use vecraft_test_sim::bug::Bug;
use vecraft_test_sim::report;

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
    let command = format!("--seed {} --bug {bug}", failure.seed);
    assert!(failure.to_string().contains(&command), "no way back in: {failure}");
    // The same life without the bug is sound: what was found is the bug.
    if let Err(failure) = report::run(failure.seed, None) {
        panic!("found without {bug}, too: {failure}");
    }
}

#[test]
fn a_skipped_fsync_is_found() {
    check(Bug::SkipFsync, 20);
}

#[test]
fn a_skipped_sync_of_the_store_is_found() {
    check(Bug::SkipKvSync, 40);
}

#[test]
fn a_delete_dropped_on_replay_is_found() {
    check(Bug::DropDeleteOnReplay, 20);
}

#[test]
fn a_purge_above_the_checkpoint_is_found() {
    check(Bug::PurgeAboveCheckpoint, 40);
}

#[test]
fn a_clean_up_under_a_checkpoint_is_found() {
    check(Bug::CleanUpUnderCheckpoint, 40);
}

#[test]
fn a_compaction_that_loses_deletes_is_found() {
    check(Bug::LoseDeletesOfOutputs, 20);
}
