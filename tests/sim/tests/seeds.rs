//! Seeds without a planted bug: every rule holds in every life, and a seed does the same thing twice.
// Tests measure with the real clock and read their own switches.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;
use vecraft_test_sim::report;

/// Seeds of a usual run; about twenty seconds.
const SEEDS: u64 = 300;

/// A number from the environment, so that a failing seed is brought back and a night runs longer.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

/// `VECRAFT_SIM_SEEDS=n` runs n seeds, `VECRAFT_SIM_SEED=s` only that one.
#[test]
fn every_rule_holds_in_every_life() {
    let seeds: Vec<u64> = match number("VECRAFT_SIM_SEED") {
        Some(seed) => vec![seed],
        None => {
            report::corpus().into_iter().chain(1..=number("VECRAFT_SIM_SEEDS").unwrap_or(SEEDS)).collect()
        }
    };
    let began = Instant::now();
    let (mut deaths, mut events) = (0, 0);
    for seed in &seeds {
        let lived = report::run(*seed, None).unwrap_or_else(|failure| panic!("{failure}"));
        deaths += lived.deaths;
        events += lived.events;
    }
    let per_minute = seeds.len() as f64 * 60.0 / began.elapsed().as_secs_f64();
    println!("{} seeds, {deaths} deaths, {events} events: {per_minute:.0} seeds a minute", seeds.len());
    assert!(deaths >= 3 * seeds.len() as u64, "a life has a death in it, or nothing was tried");
}

#[test]
fn a_seed_does_the_same_thing_twice_and_another_does_not() {
    let lives: Vec<_> = (1..=20).map(|seed| report::run(seed, None).unwrap()).collect();
    for (seed, life) in (1..).zip(&lives) {
        assert_eq!(report::run(seed, None).as_ref(), Ok(life), "seed {seed} took another course");
    }
    let mut hashes: Vec<u64> = lives.iter().map(|life| life.hash.0).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), lives.len(), "two seeds did the same");
}
