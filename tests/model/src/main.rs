//! `model`: lives seeds from the command line.
// A test tool measures with the real clock.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vecraft_test_model::fault::Fault;
use vecraft_test_model::report;

/// Random operations on a real server, each answer compared with a naive twin's.
#[derive(Parser)]
#[command(
    name = "model",
    after_help = "Examples:\n  model --seeds 200                    two hundred lives from seed 1\n  \
                  model --seed 4711                    one life again\n  \
                  model --seconds 600 --seed 1000      lives from seed 1000 on, for ten minutes\n  \
                  model --seeds 9 --fault forget-delete    how soon a mistake of the twin is reported"
)]
struct Options {
    /// How many seeds to run [default: 20, or 1 with --seed].
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Operations of each life [default: 100 to 220, as the seed draws].
    #[arg(long)]
    ops: Option<u64>,
    /// Begin no further seed after so many seconds; then --seeds may be left out.
    #[arg(long)]
    seconds: Option<u64>,
    /// Plant a mistake in the twin.
    #[arg(long)]
    fault: Option<Fault>,
    /// Go on after a failure and count.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let first = options.seed.unwrap_or(1);
    let count = options.seeds.unwrap_or(match options {
        Options { seconds: Some(_), .. } => u64::MAX - first,
        Options { seed: Some(_), .. } => 1,
        _ => 20,
    });
    let (began, time) = (Instant::now(), options.seconds.map_or(Duration::MAX, Duration::from_secs));
    let (mut seeds, mut failures, mut ops, mut restarts, mut wanted, mut found) = (0, 0, 0, 0, 0, 0);
    for seed in first..first.saturating_add(count) {
        if began.elapsed() >= time {
            break;
        }
        seeds += 1;
        match report::run(seed, options.ops, options.fault) {
            Ok(lived) => {
                ops += lived.ops;
                restarts += lived.restarts;
                wanted += lived.wanted;
                found += lived.found;
            }
            Err(failure) => {
                failures += 1;
                println!("{failure}");
                if !options.keep_going {
                    println!("found with seed number {seeds}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    let recall = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
    println!(
        "{seeds} seeds, {failures} failures, {ops} operations, {restarts} restarts, recall of searches by index {recall:.3}, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
