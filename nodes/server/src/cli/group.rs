//! `vecraft group`: what an operator may do to a Raft group of a stopped node.

use crate::directory::Offline;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use vecraft_data::{failed_entry, skip_entry};
use vecraft_types::{GroupId, LogPosition};

/// Commands on one group.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Give up one log entry that cannot be applied, so that its group starts again.
    #[command(long_about = ABOUT)]
    Skip(Skip),
}

impl GroupCommand {
    pub fn run(self) -> Result<(), String> {
        match self {
            GroupCommand::Skip(skip) => skip.run(),
        }
    }
}

/// What `--help` teaches. Named where the command is: there its first line would take the place of this.
pub const ABOUT: &str = "Give up one log entry that cannot be applied, so that its group starts again.\n\nA group whose same entry failed twice is quarantined: its shards are out of service, the other groups serve \
                  (vecraft status says which, and why). First try a newer vecraft. If there is none, this command \
                  tells the group to pass the entry over from its next start on. The change in that entry, which \
                  may have been acknowledged to a client, is lost.\n\nWith replicas, run it on every node that holds \
                  the group before any of them starts: a replica that does not skip what the others skip would \
                  differ from them.";

/// Options of `vecraft group skip`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, with the numbers that vecraft status names:\n  vecraft group skip --data-dir data --group 3 --entry 1042            says what would be lost\n  vecraft group skip --data-dir data --group 3 --entry 1042 --unsafe   loses it"
)]
pub struct Skip {
    /// Directory of the stopped node.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// The quarantined group.
    #[arg(long, value_name = "ID")]
    group: u64,
    /// Its entry that cannot be applied.
    #[arg(long, value_name = "POSITION")]
    entry: u64,
    /// Say that you accept the loss.
    #[arg(long = "unsafe")]
    is_accepted: bool,
}

impl Skip {
    fn run(self) -> Result<(), String> {
        let (group, position) = (GroupId(self.group), LogPosition(self.entry));
        let offline = Offline::open(&self.data_dir).map_err(|e| e.to_string())?;
        let failed = failed_entry(offline.kv.as_ref(), group).map_err(|e| e.to_string())?;
        match failed {
            Some(failed) if failed.position == position => {
                println!(
                    "group {group}, entry {}: failed {} times, {}",
                    position.0, failed.times, failed.why
                );
            }
            Some(failed) => {
                return Err(format!(
                    "the entry of group {group} that failed is {}, not {position}",
                    failed.position
                ));
            }
            None => {
                return Err(format!("no entry of group {group} has failed in {}", self.data_dir.display()));
            }
        }
        if !self.is_accepted {
            return Err("skipping loses what the entry changed, for ever; say --unsafe to do it".to_owned());
        }
        skip_entry(offline.kv.as_ref(), group, position).map_err(|e| e.to_string())?;
        println!("It will be skipped. The change it carried is lost; start the node again.");
        Ok(())
    }
}
