//! The newest log this directory is known to have had, so that a lost or older `log/` is noticed before it is replaced.
//!
//! ```text
//! start:  newest generation in log/  >=  generation in the store,  else refuse, nothing touched
//!         open the log (a higher generation begins, synced)  ->  store that generation, synced
//! ```
//! A log without its votes and its newest entries looks like a fresh one. Going on with it would break what this node
//! promised (I1), so its absence is an error and never a new beginning. What a log of the same generation lacks is
//! checked per group, see `raft/host`.

use crate::Error;
use crate::directory::LOG;
use std::path::Path;
use vecraft_log_store::NodeLog;
use vecraft_storage::{Disk, Kv, Table};

const KEY: &[u8] = b"log generation";

/// Compares what is there with what was seen.
///
/// # Errors
/// [`Error::LogLost`]; storage errors.
pub fn check(kv: &dyn Kv, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let Some(bytes) = kv.get(Table::Node, KEY)? else { return Ok(()) };
    let seen = bytes.try_into().map(u64::from_be_bytes);
    let seen = seen.map_err(|_| Error::Identity("the log's generation is not a number".to_owned()))?;
    match NodeLog::newest_generation(disk, LOG)? {
        Some(newest) if newest >= seen => Ok(()),
        found => Err(Error::LogLost { dir: dir.to_owned(), found, seen }),
    }
}

/// Remembers a log that is durable.
///
/// # Errors
/// Storage errors.
pub fn store(kv: &dyn Kv, generation: u64) -> Result<(), Error> {
    Ok(kv.put(Table::Node, KEY, &generation.to_be_bytes(), true)?)
}
