//! Lives without a planted mistake: every answer is the twin's.
// Tests measure with the real clock and read their own switches.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;
use vecraft_test_model::life::RECALL_MIN;
use vecraft_test_model::report;

/// Seeds of a usual run; about half a minute.
const SEEDS: u64 = 20;

/// A number from the environment, so that a failing seed is brought back and a night runs longer.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

/// `VECRAFT_MODEL_SEEDS=n` runs n seeds, `VECRAFT_MODEL_SEED=s` only that one.
#[test]
fn every_answer_is_the_twins() {
    let seeds: Vec<(u64, Option<u64>)> = match number("VECRAFT_MODEL_SEED") {
        Some(seed) => vec![(seed, None)],
        None => {
            let usual = (1..=number("VECRAFT_MODEL_SEEDS").unwrap_or(SEEDS)).map(|seed| (seed, None));
            report::corpus().into_iter().chain(usual).collect()
        }
    };
    let began = Instant::now();
    let (mut ops, mut restarts, mut wanted, mut found) = (0, 0, 0, 0);
    for (seed, asked) in &seeds {
        let lived = report::run(*seed, *asked, None).unwrap_or_else(|failure| panic!("{failure}"));
        ops += lived.ops;
        restarts += lived.restarts;
        wanted += lived.wanted;
        found += lived.found;
    }
    let recall = found as f64 / wanted.max(1) as f64;
    println!(
        "{} seeds, {ops} operations, {restarts} restarts, recall {recall:.3}: {:.1} s",
        seeds.len(),
        began.elapsed().as_secs_f64()
    );
    if seeds.len() > 1 {
        assert!(restarts >= seeds.len() as u64, "a life has a restart in it, or too little was tried");
        assert!(wanted > 1_000 && recall >= RECALL_MIN, "{found} of {wanted}");
    }
}
