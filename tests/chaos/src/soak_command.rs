//! `chaos soak`: options, directory, verdict.

use clap::Args;
use std::path::PathBuf;
use vecraft_test_chaos::Trouble;
use vecraft_test_chaos::cluster::soak::{Plan, run};

/// Options of `chaos soak`.
#[derive(Clone, Debug, Args)]
pub struct Soak {
    /// Chooses which node stands still or dies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long; the last round is finished.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Raft groups of each of the three nodes.
    #[arg(long, default_value_t = 16)]
    groups_per_node: u64,
    /// Where data and logs go; must not exist. Default: a temporary directory, removed on success.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The program; default $VECRAFT_BIN, then debug/vecraft of the cargo target folder.
    #[arg(long)]
    pub bin: Option<PathBuf>,
}

impl Soak {
    /// Runs it; true when every group went on after every change.
    ///
    /// # Errors
    /// What keeps it from going on.
    pub async fn execute(
        &self,
        program: PathBuf,
        interrupted: impl Future<Output = Trouble>,
    ) -> Result<bool, Trouble> {
        let temporary = || std::env::temp_dir().join(format!("vecraft-chaos-soak-{}", std::process::id()));
        let dir = self.dir.clone().unwrap_or_else(temporary);
        if dir.exists() {
            return Err(format!("{} exists: what lies there is not known", dir.display()));
        }
        std::fs::create_dir_all(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
        let remove =
            || std::fs::remove_dir_all(&dir).map_err(|e| format!("cannot remove {}: {e}", dir.display()));
        let plan =
            Plan { program, seed: self.seed, seconds: self.seconds, groups_per_node: self.groups_per_node };
        let soaked = tokio::select! {
            soaked = run(&plan, &dir) => soaked?,
            // Dropping the run's future kills the nodes.
            why = interrupted => {
                remove()?;
                return Err(why);
            }
        };
        let is_good = soaked.troubles.is_empty();
        soaked.troubles.iter().for_each(|trouble| println!("! {trouble}"));
        println!(
            "seed {}: {} rounds, {} changes of leaders, {} rows acknowledged beside, all groups led after at most {} ms",
            self.seed, soaked.rounds, soaked.leaders_changed, soaked.rows, soaked.leader_ms_max
        );
        if is_good && self.dir.is_none() {
            remove()?;
        } else {
            println!("logs and data: {}", dir.display());
        }
        println!("{} passed, {} failed", soaked.rounds, soaked.troubles.len());
        Ok(is_good)
    }
}
