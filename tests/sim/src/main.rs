//! `sim`: runs seeds from the command line.
// A test tool measures with the real clock.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;
use vecraft_test_sim::{cluster, report};

/// Lives of a simulated node, or of a cluster of them: random work, random deaths and troubles, every rule checked.
#[derive(Parser)]
#[command(
    name = "sim",
    after_help = "Examples:\n  sim --seeds 1000              a thousand lives of a node from seed 1\n  \
                  sim --seed 4711               one life again\n  \
                  sim --seeds 50 --bug skip-fsync   how soon a planted bug is found\n  \
                  sim --cluster --seeds 100     a hundred clusters of three or five nodes"
)]
struct Options {
    /// Simulate clusters with a network between their nodes instead of one node.
    #[arg(long)]
    cluster: bool,
    /// How many seeds to run [default: 300, with --cluster 50, or 1 with --seed].
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Plant a bug. Of a node: skip-fsync, skip-kv-sync, drop-delete-on-replay, purge-above-checkpoint,
    /// clean-up-under-checkpoint. Of a cluster: skip-fsync, ack-before-majority, read-on-applied, reuse-replica-id,
    /// purge-above-checkpoint, drop-delete-on-replay, double-apply, bounded-by-heartbeat, snapshot-without-deletes,
    /// timestamp-back, replace-in-two-steps, replace-too-early, replace-unguarded, cut-at-damage, resolve-on-old-view,
    /// delete-by-key, keep-unnamed, ignore-seal, session-by-writes.
    #[arg(long)]
    bug: Option<String>,
    /// Go on after a failure and count.
    #[arg(long)]
    keep_going: bool,
}

/// A life that went well: a line about it, and its deaths and events.
struct Lived {
    line: String,
    deaths: u64,
    events: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if options.cluster {
        parse(options.bug.as_deref()).map(|bug| run(&options, 50, |seed| of_cluster(seed, bug)))
    } else {
        parse(options.bug.as_deref()).map(|bug| run(&options, 300, |seed| of_node(seed, bug)))
    };
    outcome.unwrap_or_else(|why| {
        eprintln!("sim: {why}");
        ExitCode::FAILURE
    })
}

fn parse<B: FromStr<Err = String>>(name: Option<&str>) -> Result<Option<B>, String> {
    name.map(str::parse).transpose()
}

fn of_node(seed: u64, bug: Option<vecraft_test_sim::bug::Bug>) -> Result<Lived, Box<report::Failure>> {
    let lived = report::run(seed, bug)?;
    let line = format!("{} events, {} deaths, hash {:016x}", lived.events, lived.deaths, lived.hash.0);
    Ok(Lived { line, deaths: lived.deaths, events: lived.events })
}

fn of_cluster(seed: u64, bug: Option<cluster::bug::Bug>) -> Result<Lived, Box<cluster::report::Failure>> {
    let lived = cluster::report::run(seed, bug)?;
    let line = format!(
        "{} events in {} simulated ms, {:?}, hash {:016x}",
        lived.events, lived.ms, lived.figures, lived.hash.0
    );
    Ok(Lived { line, deaths: lived.figures.deaths, events: lived.events })
}

fn run<F: Display>(options: &Options, usual: u64, life: impl Fn(u64) -> Result<Lived, F>) -> ExitCode {
    let first = options.seed.unwrap_or(1);
    let count = options.seeds.unwrap_or(if options.seed.is_some() { 1 } else { usual });
    let began = Instant::now();
    let (mut failures, mut deaths, mut events) = (0, 0, 0);
    for seed in first..first.saturating_add(count) {
        match life(seed) {
            Ok(lived) => {
                deaths += lived.deaths;
                events += lived.events;
                if count == 1 {
                    println!("seed {seed}: {}", lived.line);
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
