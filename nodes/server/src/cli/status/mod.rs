//! `vecraft status`: is a data directory served, by whom, where, and is it well?
//!
//! It asks the process's health door; `run.json` says where that is. It opens nothing of the data itself, so it is
//! safe beside a running server and beside a damaged directory.

mod health;
#[cfg(test)]
mod tests;

use crate::RunFile;
use clap::Args;
use health::Answer;
use serde::Serialize;
use std::path::{Path, PathBuf};
use vecraft_storage::{Disk, RealDisk};

/// Options of `vecraft status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends 0 when the node serves and is well, 1 otherwise.\n\nExamples:\n  vecraft status                          of ./data\n  vecraft status --data-dir DIR --json"
)]
pub struct Status {
    /// The directory that `vecraft serve --data-dir` was given.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its health door says OK.
    Serving,
    /// Its health door names reasons why not.
    Unhealthy,
    /// Its process lives, but the health door does not answer (in time).
    Silent,
    /// `run.json` is there, its process is not: it was killed, or the machine lost power.
    Dead,
    /// Nobody serves the directory.
    Stopped,
}

/// What `vecraft status --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The directory.
    data_dir: PathBuf,
    /// Where it stands.
    state: State,
    /// Why it is not serving, one sentence each; empty when it is.
    reasons: Vec<String>,
    /// Bytes of all files in the directory.
    bytes_on_disk: u64,
    /// The process that serves it, or did; absent when stopped.
    #[serde(flatten)]
    run: Option<RunFile>,
}

impl Status {
    pub fn run(self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start: {e}"))?;
        let report = runtime.block_on(Report::gather(&self.data_dir))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?);
        } else {
            print!("{}", report.table());
        }
        match report.state {
            State::Serving => Ok(()),
            _ => Err(format!("{} is not served", self.data_dir.display())),
        }
    }
}

impl Report {
    async fn gather(data_dir: &Path) -> Result<Report, String> {
        // The disk would make a missing directory.
        if !data_dir.is_dir() {
            return Err(format!("there is no directory {}", data_dir.display()));
        }
        let disk = RealDisk::new(data_dir).map_err(|e| e.to_string())?;
        let run = RunFile::read(&disk).map_err(|e| e.to_string())?;
        let (state, reasons) = match &run {
            None => (State::Stopped, vec!["no process serves it".to_owned()]),
            Some(run) => ask(run).await,
        };
        let bytes_on_disk = bytes_below(&disk, "").map_err(|e| e.to_string())?;
        Ok(Report { data_dir: data_dir.to_owned(), state, reasons, bytes_on_disk, run })
    }

    fn table(&self) -> String {
        let mut rows = vec![
            ("data directory", self.data_dir.display().to_string()),
            ("state", state_text(self.state).to_owned()),
        ];
        rows.extend(self.reasons.iter().map(|reason| ("", reason.clone())));
        rows.push(("on disk", format!("{:.1} MB", self.bytes_on_disk as f64 / 1e6)));
        if let Some(run) = &self.run {
            rows.extend([
                ("process", run.pid.to_string()),
                ("version", run.version.clone()),
                ("cluster", run.cluster_id.clone()),
                ("Milvus clients", format!("http://{}", run.addresses.milvus)),
                ("health, metrics", format!("http://{}/healthz", run.addresses.http)),
            ]);
        }
        rows.into_iter().map(|(name, value)| format!("{name:<16} {value}\n")).collect()
    }
}

/// The word of the table.
fn state_text(state: State) -> &'static str {
    match state {
        State::Serving => "serving",
        State::Unhealthy => "unhealthy",
        State::Silent => "silent",
        State::Dead => "dead",
        State::Stopped => "stopped",
    }
}

async fn ask(run: &RunFile) -> (State, Vec<String>) {
    // The process first: the ports of a dead one may be another node's by now.
    if !is_alive(run.pid) {
        return (State::Dead, vec![format!("process {} is gone, it did not stop in order", run.pid)]);
    }
    match health::ask(&run.addresses.http).await {
        Ok(Answer::Well) => (State::Serving, Vec::new()),
        Ok(Answer::Unwell(reasons)) => (State::Unhealthy, reasons),
        Err(why) => (State::Silent, vec![format!("{} does not answer: {why}", run.addresses.http)]),
    }
}

/// Whether a process of this number exists, ours or not.
fn is_alive(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 is never sent; the call only checks.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    found || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Lengths of all files below a directory. What vanishes meanwhile is not counted.
fn bytes_below(disk: &dyn Disk, dir: &str) -> vecraft_storage::Result<u64> {
    let entries = match disk.list(dir) {
        Err(error) if error.is_not_found() => return Ok(0),
        listed => listed?,
    };
    let mut bytes = 0;
    for entry in entries {
        let path = if dir.is_empty() { entry.name } else { format!("{dir}/{}", entry.name) };
        bytes += if entry.is_dir { bytes_below(disk, &path)? } else { entry.len };
    }
    Ok(bytes)
}
