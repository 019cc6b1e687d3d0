//! `DIR/run.json`: how to reach the process that serves a directory, or is about to.

use crate::{Addresses, Error};
use serde::{Deserialize, Serialize};
use vecraft_storage::{Disk, OpenMode};

const PATH: &str = "run.json";

/// Content of `run.json`. Present while a process has the directory; a stale one names a dead pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The process.
    pub pid: u32,
    /// Whether it does not serve yet: only its health door answers, and says for what it waits.
    #[serde(default)]
    pub is_starting: bool,
    /// The cluster; all zeros before it has one.
    pub cluster_id: String,
    /// Its name, from the configuration. Missing in a file of an older program.
    #[serde(default)]
    pub cluster_name: String,
    /// Version of the program.
    pub version: String,
    /// Where it listens.
    pub addresses: Addresses,
}

impl RunFile {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Storage errors.
    pub fn write(&self, disk: &dyn Disk) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(Error::other("write run.json"))?;
        let temporary = "run.json.tmp";
        let file = disk.open(temporary, OpenMode::Create)?;
        file.write_at(0, &text)?;
        file.sync_data()?;
        disk.rename(temporary, PATH)?;
        Ok(disk.sync_dir("")?)
    }

    /// Reads the file; `None` when nobody serves the directory.
    ///
    /// # Errors
    /// Storage errors, or a file that is not one of ours.
    pub fn read(disk: &dyn Disk) -> Result<Option<RunFile>, Error> {
        if !disk.exists(PATH)? {
            return Ok(None);
        }
        let bytes = disk.read_all(PATH)?;
        serde_json::from_slice(&bytes).map(Some).map_err(Error::other("read run.json"))
    }

    /// Removes the file.
    pub fn remove(disk: &dyn Disk) {
        if let Err(error) = disk.remove_file(PATH)
            && !error.is_not_found()
        {
            tracing::warn!(%error, "cannot remove run.json");
        }
    }
}
