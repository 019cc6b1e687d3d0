//! `vecraft status`: does a node serve, where, is it well, and what does it hold?
//!
//! Beside a directory it reads only `run.json`, which says where the node's doors are, looks whether that process has
//! the directory, and asks the doors; it opens none of the data, so it is safe beside a running server and beside a damaged directory.

mod beside;
mod database;
mod health;
mod report;
#[cfg(test)]
mod tests;

use super::address::client_door;
use super::failure::Failure;
use clap::Args;
use report::{Report, State};
use std::path::PathBuf;

/// Options of `vecraft status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends 0 when the node serves and is well; 3 when it serves and a group has no leader, be it that no majority\nof its nodes answers, or a collection does not answer: it says which; 1 otherwise.\n\nExamples:\n  vecraft status                             the node of ./data\n  vecraft status --data-dir DIR --json\n  vecraft status --connect 127.0.0.1:19540   any node, by its client door"
)]
pub struct Status {
    /// The directory that `vecraft serve --data-dir` was given.
    #[arg(long, value_name = "DIR", default_value = "data", conflicts_with = "connect")]
    data_dir: PathBuf,
    /// The node's client door, printed by `vecraft serve`.
    #[arg(long, value_name = "HOST:PORT", value_parser = client_door)]
    connect: Option<String>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start: {e}"))?;
        let (of, report) = match &self.connect {
            Some(address) => (address.clone(), runtime.block_on(Report::of_node(address))?),
            None => {
                (self.data_dir.display().to_string(), runtime.block_on(Report::of_directory(&self.data_dir))?)
            }
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?);
        } else {
            print!("{}", report.table());
        }
        match report.state {
            State::Serving => Ok(()),
            State::Degraded => Err(Failure::partial(format!("{of} serves, but not everything, see above"))),
            state => Err(Failure::from(format!("{of} is {}", state.name()))),
        }
    }
}
