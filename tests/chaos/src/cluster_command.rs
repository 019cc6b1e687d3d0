//! `chaos cluster`: options, directory, verdict.

use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vecraft_test_chaos::Trouble;
use vecraft_test_chaos::cluster::check::{findings::Kind, selftest};
use vecraft_test_chaos::cluster::network::enter;
use vecraft_test_chaos::cluster::plan::{Fault, Need};
use vecraft_test_chaos::cluster::report::Report;
use vecraft_test_chaos::cluster::run::{Plan, run};

const AFTER_HELP: &str = "\
Three nodes form a cluster from empty directories. Nine writers insert, upsert and delete, twelve readers (each node at
each consistency level) read what was written last, and one fault follows the other. Then everything is healed, every
node is scanned, counted and searched, and the history of all operations is judged. Exit code 0: nothing was found wrong.
1: something was, or the run could not go on; then the directory with data, logs and history is kept, and the seed brings
the schedule back.

Examples:
  chaos cluster --seed 7 --seconds 120
  chaos cluster --faults kill-leader,pause --seconds 60
  chaos cluster --faults kill                  every kind whose name begins with kill";

/// Options of `chaos cluster`.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Cluster {
    /// Chooses faults, moments and operations. (The machine's timing is not repeated by it.)
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults happen. Forming before and checking afterwards come on top.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Kinds of faults, by comma; the first letters stand for all kinds that begin so. `list` shows them.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    faults: Vec<String>,
    /// How long one fault lasts at most, in seconds. What lasts longer than a connection's patience with a silent peer
    /// (4 s) is noticed in another way than what is short.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    longest_s: u64,
    /// The pause of each worker between two operations, in milliseconds.
    #[arg(long, default_value_t = 15)]
    pace_ms: u64,
    /// Where data, logs, history and report go; must not exist. Default: a temporary directory, removed on success.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The program; default $VECRAFT_BIN, then debug/vecraft of the cargo target folder.
    #[arg(long)]
    pub bin: Option<PathBuf>,
}

impl Cluster {
    /// Runs it; true when nothing was found wrong.
    ///
    /// # Errors
    /// Bad options, and what keeps the test from going on.
    pub async fn execute(
        &self,
        program: PathBuf,
        interrupted: impl Future<Output = Trouble>,
    ) -> Result<bool, Trouble> {
        if self.faults.iter().any(|name| name == "list") {
            Fault::ALL.iter().for_each(|fault| println!("{:<14} {}", fault.name(), fault.meaning()));
            return Ok(true);
        }
        let faults = chosen(&self.faults)?;
        // Hosts and mounts of its own, which go with this process. What cannot be is skipped, with this reason.
        let entered = match faults.iter().any(|fault| fault.needs() != Need::Processes) {
            true => enter(),
            false => Err("no chosen fault needs them".to_owned()),
        };
        let plants = selftest::run()?;
        println!("the history checker reports all {plants} planted faults");
        let dir = self.dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("vecraft-chaos-cluster-{}", std::process::id()))
        });
        if dir.exists() {
            return Err(format!("{} exists: what lies there is not known", dir.display()));
        }
        std::fs::create_dir_all(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
        let pace = Duration::from_millis(self.pace_ms);
        let (seed, seconds, longest) = (self.seed, self.seconds, Duration::from_secs(self.longest_s));
        let plan = Plan { program, seed, seconds, faults, longest, pace };
        println!("{} in {}, seed {}", plan.program.display(), dir.display(), plan.seed);
        let ended = tokio::select! {
            ended = run(&plan, &dir, &entered) => ended,
            // Dropping the run's future kills the nodes and ends the workers.
            why = interrupted => {
                remove(&dir)?;
                return Err(format!("{why}; nothing is judged, {} is removed", dir.display()));
            }
        };
        let report =
            ended.map_err(|why| format!("{why}\ndata and logs: {}; seed {}", dir.display(), plan.seed))?;
        report.print();
        self.conclude(&report, &dir, plants)
    }

    fn conclude(&self, report: &Report, dir: &Path, plants: usize) -> Result<bool, Trouble> {
        let is_good = report.findings.total() == 0;
        report.write(dir, !is_good)?;
        if is_good && self.dir.is_none() {
            remove(dir)?;
        } else {
            println!("report, logs and data: {}", dir.display());
        }
        let failed = Kind::ALL.len() - report.kinds_clean();
        println!("{} passed, {failed} failed", plants + report.kinds_clean());
        Ok(is_good)
    }
}

/// It was made by this run.
fn remove(dir: &Path) -> Result<(), Trouble> {
    std::fs::remove_dir_all(dir).map_err(|e| format!("cannot remove {}: {e}", dir.display()))
}

/// The kinds that the option names.
fn chosen(names: &[String]) -> Result<Vec<Fault>, Trouble> {
    let mut faults = Vec::new();
    for name in names {
        let fits = |fault: &Fault| name == "all" || fault.name() == *name;
        let exact: Vec<Fault> = Fault::ALL.into_iter().filter(fits).collect();
        let begins = |fault: &Fault| !name.is_empty() && fault.name().starts_with(name.as_str());
        let some = match exact.is_empty() {
            true => Fault::ALL.into_iter().filter(begins).collect(),
            false => exact,
        };
        if some.is_empty() {
            let all: Vec<String> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            return Err(format!("there is no fault {name:?}, there are: all, {}", all.join(", ")));
        }
        faults.extend(some);
    }
    faults.sort();
    faults.dedup();
    Ok(faults)
}
