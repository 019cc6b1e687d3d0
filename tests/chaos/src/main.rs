//! `chaos`: see the library.

// A test tool, not the product: its directories and its clock are its own.
#![allow(clippy::disallowed_methods)]

mod cluster_command;
mod soak_command;

use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use vecraft_test_chaos::kill9::{Plan, Run};
use vecraft_test_chaos::server::Place;
use vecraft_test_chaos::{Trouble, selftest};

/// Kills real servers and checks what they promised.
#[derive(Debug, Parser)]
#[command(name = "chaos", after_help = "Without a command, kill9 is run.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    kill9: Kill9,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kill one server with SIGKILL under writers, again and again.
    Kill9(Kill9),
    /// Three nodes under faults of many kinds, and a checker over the whole history.
    Cluster(cluster_command::Cluster),
    /// Many groups whose leaders change all the time: each must go on (openraft #2116).
    Soak(soak_command::Soak),
}

#[derive(Clone, Debug, Args)]
struct Kill9 {
    /// Kills while writers work.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Writers at once, each with keys of its own.
    #[arg(long, default_value_t = 4)]
    writers: usize,
    /// Chooses moments and operations. (The machine's timing is not repeated by it.)
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where data, log and report go; must not hold data yet. Default: a temporary directory, removed on success.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The program; default $VECRAFT_BIN, then debug/vecraft of the cargo target folder.
    #[arg(long)]
    bin: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Some(Command::Kill9(options)) => kill9(&options).await,
        Some(Command::Cluster(options)) => match program(options.bin.clone()) {
            Ok(program) => options.execute(program, interrupted()).await,
            Err(why) => Err(why),
        },
        Some(Command::Soak(options)) => match program(options.bin.clone()) {
            Ok(program) => options.execute(program, interrupted()).await,
            Err(why) => Err(why),
        },
        None => kill9(&cli.kill9).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("chaos: {trouble}");
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

/// True when everything that was promised was there.
async fn kill9(options: &Kill9) -> Result<bool, Trouble> {
    let plants = selftest::run()?;
    println!("the checker reports all {plants} planted faults");
    let dir = options.dir.clone().unwrap_or_else(temporary);
    let program = program(options.bin.clone())?;
    let place = Place::lone(&program, &dir);
    if place.data.exists() {
        return Err(format!("{} exists: its history is not known", place.data.display()));
    }
    std::fs::create_dir_all(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
    println!("{} in {}", program.display(), dir.display());

    let plan = Plan { rounds: options.rounds, writers: options.writers, seed: options.seed };
    let mut run = Run::new(&plan, place);
    let began = Instant::now();
    let ended = tokio::select! {
        ended = run.all() => ended,
        // Dropping the run's future kills the server.
        why = interrupted() => Err(why),
    };
    let mut report = run.report;
    report.seconds = began.elapsed().as_secs_f64();
    report.trouble = ended.err();
    report.finish();
    report.print();
    let file = dir.join("report.json");
    report.write(&file)?;
    let is_good = report.trouble.is_none() && report.findings.is_clean();
    if is_good && options.dir.is_none() {
        // It was made by this run, under a name of this process.
        std::fs::remove_dir_all(&dir).map_err(|e| format!("cannot remove {}: {e}", dir.display()))?;
    } else {
        println!("report, log and data: {}", dir.display());
    }
    let failed = if is_good { 0 } else { (options.rounds - report.rounds_passed).max(1) };
    // The planted faults count as tests of their own.
    println!("{} passed, {failed} failed", plants + report.rounds_passed);
    Ok(is_good)
}

async fn interrupted() -> Trouble {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "interrupted".to_owned(),
        _ = terminated.recv() => "terminated".to_owned(),
    }
}

fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("vecraft-chaos-{}", std::process::id()))
}

fn program(given: Option<PathBuf>) -> Result<PathBuf, Trouble> {
    let given = given.or_else(|| std::env::var_os("VECRAFT_BIN").map(PathBuf::from));
    let program = given.unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        target.join("debug/vecraft")
    });
    match Path::new(&program).is_file() {
        true => Ok(program),
        false => {
            Err(format!("there is no program {}: build vecraft-server or give --bin", program.display()))
        }
    }
}
