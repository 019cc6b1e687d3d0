//! Opening a data directory: lock, files, store, log, identity.
//!
//! ```text
//! DIR/LOCK       held while a process serves it
//! DIR/run.json   pid, ports, cluster id of that process
//! DIR/kv/        checkpoints, catalogue, identity (RocksDB)
//! DIR/log/       the write-ahead log of all groups
//! DIR/groups/    column files of the shards
//! DIR/indexes/   index files over sealed segments
//! ```

use crate::Error;
use crate::identity::Identity;
use std::path::Path;
use std::sync::Arc;
use vecraft_config::Config;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::random::Random;
use vecraft_storage::{DirLock, Disk, Kv, RealDisk, RocksKv, RocksOptions};
use vecraft_types::NodeId;

/// An open data directory.
pub struct Directory {
    pub disk: Arc<dyn Disk>,
    pub kv: Arc<dyn Kv>,
    pub log: NodeLog,
    pub identity: Identity,
    _lock: DirLock,
}

impl Directory {
    /// Opens `path`, making it when it is not there. Blocks while the log is read.
    pub fn open(
        path: &Path,
        config: &Config,
        node: NodeId,
        random: &dyn Random,
        clock: Arc<dyn Clock>,
    ) -> Result<Directory, Error> {
        let lock = DirLock::acquire(path).map_err(|error| match error {
            vecraft_storage::Error::Locked { pid } => Error::InUse { dir: path.to_owned(), pid },
            other => other.into(),
        })?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(path)?);
        let kv: Arc<dyn Kv> = Arc::new(RocksKv::open(&path.join("kv"), RocksOptions::default())?);
        // Before the log: a directory of a newer program is refused untouched.
        let identity = Identity::open(kv.as_ref(), random, node)?;
        let options = LogOptions {
            segment_bytes: config.log.segment_bytes,
            salt: random.next_u64(),
            now: Some(Arc::new(move || clock.monotonic())),
            ..LogOptions::default()
        };
        let (log, _) = NodeLog::open(disk.clone(), "log", options)?;
        Ok(Directory { disk, kv, log, identity, _lock: lock })
    }
}
