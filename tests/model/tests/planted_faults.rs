//! A mistake of the twin is reported: so would be the same mistake of the server.

use vecraft_test_model::fault::Fault;
use vecraft_test_model::report;

/// Seeds until the mistake must be reported.
const BUDGET: u64 = 6;

#[track_caller]
fn check(fault: Fault) {
    let Some(failure) = (1..=BUDGET).find_map(|seed| report::run(seed, None, Some(fault)).err()) else {
        panic!("{fault} was not reported in {BUDGET} seeds");
    };
    println!("{fault}: {failure}");
    assert!(failure.op > 0 && !failure.trail.is_empty());
    let text = failure.to_string();
    assert!(text.contains(&format!("seed {}, operation {}", failure.seed, failure.op)), "{text}");
    assert!(text.contains(&format!("--seed {} --fault {fault}", failure.seed)), "no way back in: {text}");
}

#[test]
fn a_forgotten_delete_is_reported() {
    check(Fault::ForgetDelete);
}

#[test]
fn a_replaced_row_that_stays_is_reported() {
    check(Fault::KeepReplaced);
}

#[test]
fn another_value_is_reported() {
    check(Fault::OtherValue);
}

#[test]
fn another_vector_is_reported() {
    check(Fault::OtherVector);
}

#[test]
fn i18_pages_of_the_present_are_reported() {
    check(Fault::ForgetMoment);
}

#[test]
fn a_dropped_partition_that_stays_is_reported() {
    check(Fault::KeepPartition);
}
