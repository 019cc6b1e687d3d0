//! What can be seen of a node beside its directory: whether its process has it, and how that is.

use super::health::{self, Answer};
use super::report::State;
use crate::RunFile;
use std::path::Path;
use vecraft_storage::{DirLock, Disk};

/// How a directory stands that the process of its `run.json` does not have; none when it has it. The ports of a dead process may be
/// another node's by now, and those of a copied `run.json` are the node's from which it was copied: neither is to be asked.
pub fn unserved(run: &RunFile, data_dir: &Path) -> Result<Option<(State, Vec<String>)>, String> {
    if !is_alive(run.pid) {
        let gone = format!("process {} is gone, it did not stop in order", run.pid);
        return Ok(Some((State::Dead, vec![gone])));
    }
    if DirLock::is_held(data_dir).map_err(|e| e.to_string())? {
        return Ok(None);
    }
    let reasons = vec![
        "no process serves it".to_owned(),
        format!(
            "its run.json names process {}, which runs but does not have this directory: this is a copy of a running node's, or \
             the node was killed and another program has its number now",
            run.pid
        ),
        "if it is a copy: it is no backup, and must not be started while the other may run (docs/ops/backup.md)".to_owned(),
    ];
    Ok(Some((State::Stopped, reasons)))
}

/// What its health door says.
pub async fn ask_health(run: &RunFile) -> (State, Vec<String>) {
    match health::ask(&run.addresses.http).await {
        Ok(Answer::Well) => (State::Serving, Vec::new()),
        // Its client door is not served yet: asking it would only take time.
        Ok(Answer::Unwell(reasons)) if run.is_starting => (State::Starting, reasons),
        Ok(Answer::Unwell(reasons)) => (State::Unhealthy, reasons),
        Err(why) => (State::Silent, vec![format!("{} does not answer: {why}", run.addresses.http)]),
    }
}

/// Whether it is the id of a node that waits for its cluster.
pub fn is_nameless(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

/// Whether a process of this number exists, ours or not.
fn is_alive(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 is never sent; the call only checks.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    found || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Lengths of all files below a directory. What vanishes meanwhile is not counted.
pub fn bytes_below(disk: &dyn Disk, dir: &str) -> vecraft_storage::Result<u64> {
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
