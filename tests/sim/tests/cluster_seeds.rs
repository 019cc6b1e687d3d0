//! Seeds of clusters without a planted bug: every rule holds in every life, and a seed does the same thing twice.
// Tests measure with the real clock and read their own switches.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;
use vecraft_test_sim::cluster::report;

/// Seeds of a usual run; about a minute.
const SEEDS: u64 = 100;

/// A number from the environment, so that a failing seed is brought back and a night runs longer.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

/// `VECRAFT_SIM_CLUSTERS=n` runs n seeds, `VECRAFT_SIM_CLUSTER=s` only that one.
#[test]
fn every_rule_holds_in_every_cluster() {
    let seeds: Vec<u64> = match number("VECRAFT_SIM_CLUSTER") {
        Some(seed) => vec![seed],
        None => {
            let usual = number("VECRAFT_SIM_CLUSTERS").unwrap_or(SEEDS);
            report::corpus().into_iter().chain(1..=usual).collect()
        }
    };
    let began = Instant::now();
    let (mut acked, mut reads, mut deaths, mut refused, mut grown) = (0, 0, 0, 0, 0);
    for seed in &seeds {
        let lived = report::run(*seed, None).unwrap_or_else(|failure| panic!("{failure}"));
        acked += lived.figures.acked;
        reads += lived.figures.reads;
        deaths += lived.figures.deaths;
        refused += lived.figures.refused;
        grown += lived.figures.grown;
    }
    let per_minute = seeds.len() as f64 * 60.0 / began.elapsed().as_secs_f64();
    let count = seeds.len() as u64;
    println!(
        "{count} clusters, {acked} acked, {reads} reads, {deaths} deaths, {refused} damaged logs refused, {grown} grown from one voter: {per_minute:.0} seeds a minute"
    );
    assert!(acked > 20 * count && reads > 20 * count && deaths > count, "too little was tried");
    assert!(refused > 0 || count < SEEDS, "no start met a damaged log that it must refuse (I6)");
    assert!(grown > 0 || count < SEEDS, "no group grew from one voter");
}

#[test]
fn a_cluster_does_the_same_thing_twice_and_another_does_not() {
    let lives: Vec<_> = (1..=3).map(|seed| report::run(seed, None).unwrap()).collect();
    for (seed, life) in (1..).zip(&lives) {
        assert_eq!(report::run(seed, None).as_ref(), Ok(life), "seed {seed} took another course");
    }
    let mut hashes: Vec<u64> = lives.iter().map(|life| life.hash.0).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), lives.len(), "two seeds did the same");
}
