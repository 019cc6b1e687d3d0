//! `sim`: runs seeds from the command line.
// A test tool measures with the real clock.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;
use vecraft_test_sim::bug::Bug;
use vecraft_test_sim::report;

/// Lives of a simulated node: random work, random deaths, every rule checked after every start.
#[derive(Parser)]
#[command(
    name = "sim",
    after_help = "Examples:\n  sim --seeds 1000              a thousand lives from seed 1\n  \
                  sim --seed 4711               one life again\n  \
                  sim --seeds 50 --bug skip-fsync   how soon a planted bug is found"
)]
struct Options {
    /// How many seeds to run [default: 300, or 1 with --seed].
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Plant a bug: skip-fsync, skip-kv-sync, drop-delete-on-replay, purge-above-checkpoint,
    /// clean-up-under-checkpoint.
    #[arg(long)]
    bug: Option<Bug>,
    /// Go on after a failure and count.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let first = options.seed.unwrap_or(1);
    let count = options.seeds.unwrap_or(if options.seed.is_some() { 1 } else { 300 });
    let began = Instant::now();
    let (mut failures, mut deaths, mut events) = (0, 0, 0);
    for seed in first..first.saturating_add(count) {
        match report::run(seed, options.bug) {
            Ok(lived) => {
                deaths += lived.deaths;
                events += lived.events;
                if count == 1 {
                    println!(
                        "seed {seed}: {} events, {} deaths, hash {:016x}",
                        lived.events, lived.deaths, lived.hash.0
                    );
                }
            }
            Err(failure) => {
                failures += 1;
                println!("{failure}");
                if !options.keep_going {
                    println!("found with seed number {} of {count}", seed - first + 1);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let per_minute = count as f64 * 60.0 / seconds.max(0.001);
    println!(
        "{count} seeds, {failures} failures, {deaths} deaths, {events} events in {seconds:.1} s: {per_minute:.0} seeds a minute"
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
