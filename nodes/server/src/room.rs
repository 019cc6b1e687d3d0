//! Room for a start on a full disk (P6, I7): a reserve for the store, and advice when that is not enough.
//!
//! Opening writes before a node can refuse or remove anything: the store turns its log of changes into a file, the log
//! begins a segment (for which it has a reserve of its own), `run.json` says who serves. The reserve is given up at a start
//! that finds no space, and made again while the node runs.

use crate::Error;
use crate::directory::KV;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vecraft_log_store::LogOptions;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_storage::{Disk, RealDisk, Reserve, RocksOptions};

/// Of the data directory.
const PATH: &str = "kv-reserve";
/// Between two looks whether there is room for it again.
const LOOK: Duration = Duration::from_secs(10);

/// The reserve of a data directory.
pub fn reserve(disk: Arc<dyn Disk>) -> Reserve {
    Reserve::new(disk, PATH, RocksOptions::default().opening_bytes())
}

/// Makes the reserve as soon as there is room for it, then ends.
///
/// # Errors
/// None; the type is what background tasks return.
pub async fn keep(reserve: Arc<Reserve>, io: IoPool, shutdown: Shutdown) -> Result<(), Infallible> {
    let mut is_missed = false;
    loop {
        let filling = reserve.clone();
        match io.run(move || filling.fill()).await {
            Ok(Ok(true)) => {
                if is_missed {
                    tracing::info!("the reserve for a start on a full disk is there again");
                }
                return Ok(());
            }
            Ok(Ok(false)) if !is_missed => {
                tracing::warn!(
                    "no space for the reserve that a start on a full disk needs; it is made when there is room"
                );
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot make the reserve for a start on a full disk"),
            // The pool has ended, and the node with it.
            Err(_) => return Ok(()),
        }
        is_missed = true;
        if shutdown.unless_triggered(tokio::time::sleep(LOOK)).await.is_none() {
            return Ok(());
        }
    }
}

/// Says what a start needs, when it is room that it lacks.
pub fn advise(error: Error, dir: &Path) -> Error {
    if !error.is_no_space() {
        return error;
    }
    let disk = RealDisk::new(dir);
    let free = disk.as_ref().ok().and_then(|disk| disk.free_bytes().ok()).unwrap_or(0);
    let store = disk.map_or(0, |disk| store_log_bytes(&disk)) + RocksOptions::default().beside_bytes();
    let needed = store + LogOptions::default().first_step_bytes();
    Error::NoRoom { dir: dir.to_owned(), why: error.to_string(), needed, free }
}

/// Bytes of the store's log of changes, which become a file when it is opened.
fn store_log_bytes(disk: &dyn Disk) -> u64 {
    let files = disk.list(KV).unwrap_or_default().into_iter();
    files.filter(|file| file.name.ends_with(".log")).map(|file| file.len).sum()
}
