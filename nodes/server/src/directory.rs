//! Opening a data directory: what it is, lock, files, store, log, identity.
//!
//! ```text
//! DIR/LOCK       held while a process serves it
//! DIR/run.json   pid, ports, cluster id of that process
//! DIR/kv/        checkpoints, catalogue, identity (RocksDB)
//! DIR/kv-reserve space for opening it on a full disk (`room.rs`)
//! DIR/log/       the write-ahead log of all groups
//! DIR/groups/    column files of the shards
//! DIR/indexes/   index files over sealed segments
//! DIR/scalars/   scalar indexes over them, which can be built again
//! ```
//! A directory is taken as new only when none of kv/, log/, groups/, indexes/ and scalars/ is there. One with something else in it is not ours; one
//! with some of these is a torn copy. Both are refused untouched: forming a new cluster over them would hide what
//! they hold (I1).

use crate::Error;
use crate::agreed;
use crate::identity::{Identity, Phase};
use crate::limits;
use crate::log_seen;
use crate::recover::Unfinished;
use crate::room;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vecraft_config::{Config, FormingMode};
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::random::Random;
use vecraft_storage::{DirLock, Disk, Kv, RealDisk, Reserve, RocksKv, RocksOptions};
use vecraft_types::NodeId;

pub(crate) const KV: &str = "kv";
pub(crate) const LOG: &str = "log";
/// There as soon as the store is one.
const STORE: &str = "kv/CURRENT";
/// What only a node that formed has.
const DATA: [&str; 4] = [LOG, "groups", "indexes", "scalars"];
/// What a directory may hold before its first start: leftovers of a process, and of a file system's root.
const HARMLESS: [&str; 4] = ["LOCK", "run.json", "run.json.tmp", "lost+found"];

/// An open data directory.
pub struct Directory {
    pub disk: Arc<dyn Disk>,
    pub kv: Arc<dyn Kv>,
    pub log: NodeLog,
    /// Who it is; changed only while forming.
    pub identity: Mutex<Identity>,
    /// Space for the next start.
    pub reserve: Arc<Reserve>,
    _lock: DirLock,
}

/// The part of a directory that commands need which do not serve it: locked, log unread.
pub struct Offline {
    pub kv: Arc<dyn Kv>,
    disk: Arc<dyn Disk>,
    path: PathBuf,
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
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(path)?);
        check_content(path, disk.as_ref())?;
        let reserve = Arc::new(room::reserve(disk.clone()));
        let lock = reserve.spend_on(Error::is_no_space, || lock(path))?;
        let open = || Directory::open_parts(path, config, node, random, clock.clone(), &disk);
        let (kv, log, identity) = reserve.spend_on(Error::is_no_space, open)?;
        Ok(Directory { disk, kv, log, identity: Mutex::new(identity), reserve, _lock: lock })
    }

    /// The store, the log, and who it is. What fails can be done again.
    fn open_parts(
        path: &Path,
        config: &Config,
        node: NodeId,
        random: &dyn Random,
        clock: Arc<dyn Clock>,
        disk: &Arc<dyn Disk>,
    ) -> Result<(Arc<dyn Kv>, NodeLog, Identity), Error> {
        let kv: Arc<dyn Kv> = Arc::new(RocksKv::open(&path.join(KV), RocksOptions::default())?);
        let data = present(disk.as_ref(), &DATA)?;
        // Before the log: a directory of a newer program is refused untouched.
        let mut identity = Identity::open(kv.as_ref(), node, || match data.is_empty() {
            true => Ok(()),
            false => Err(Error::Torn { dir: path.to_owned(), missing: "the identity in kv/", present: data }),
        })?;
        Unfinished::check(kv.as_ref(), path)?;
        crate::recover::announce(kv.as_ref())?;
        agreed::check_directory(kv.as_ref(), config)?;
        let names_itself = config.nodes.len() == 1 && config.cluster.forming == FormingMode::Automatic;
        if names_itself && identity.phase == Phase::Empty {
            identity.begin(kv.as_ref(), random.next_u128())?;
        }
        log_seen::check(kv.as_ref(), disk.as_ref(), path)?;
        let options = LogOptions {
            segment_bytes: config.log.segment_bytes,
            salt: random.next_u64(),
            now: Some(Arc::new(move || clock.monotonic())),
            cache_bytes: LogOptions::default().cache_bytes.min(limits::memory_bytes() as usize / 32),
            ..LogOptions::default()
        };
        let options = options.reserving_for(config.proxy.entry_bytes_max);
        let (log, _) = NodeLog::open(disk.clone(), LOG, options)?;
        log_seen::store(kv.as_ref(), log.generation())?;
        Ok((kv, log, identity))
    }
}

impl Directory {
    /// A copy of the identity as it is now.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }
}

impl Offline {
    /// Opens the store of a directory that nobody serves.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::NoNode`] for a directory that is not there or not a node's, of which nothing is made (a
    /// slip of the pen must not look like an empty node).
    pub fn open(path: &Path) -> Result<Offline, Error> {
        let no_node = |why: &str| Error::NoNode { dir: path.to_owned(), why: why.to_owned() };
        // The disk, the lock and the store would each make what is missing.
        if !path.is_dir() {
            return Err(no_node("it is not there"));
        }
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(path)?);
        if !disk.exists(STORE)? {
            return Err(no_node("it has no store in kv/"));
        }
        let reserve = room::reserve(disk.clone());
        let lock = reserve.spend_on(Error::is_no_space, || lock(path))?;
        let open = || Ok(RocksKv::open(&path.join(KV), RocksOptions::default())?);
        let kv = reserve.spend_on(Error::is_no_space, open).map_err(|error| room::advise(error, path))?;
        let kv = Arc::new(kv);
        if Identity::read(kv.as_ref())?.is_none() {
            return Err(no_node("its store in kv/ names no node"));
        }
        Ok(Offline { kv, disk, path: path.to_owned(), _lock: lock })
    }

    /// Opens the log as a start does: a torn tail is cut off, a new generation begins. Blocks while it is read.
    ///
    /// # Errors
    /// [`Error::LogLost`]; a log that is damaged.
    pub fn open_log(&self, random: &dyn Random) -> Result<NodeLog, Error> {
        log_seen::check(self.kv.as_ref(), self.disk.as_ref(), &self.path)?;
        let options = LogOptions { salt: random.next_u64(), ..LogOptions::default() };
        let (log, _) = NodeLog::open(self.disk.clone(), LOG, options)?;
        log_seen::store(self.kv.as_ref(), log.generation())?;
        Ok(log)
    }
}

fn lock(path: &Path) -> Result<DirLock, Error> {
    DirLock::acquire(path).map_err(|error| match error {
        vecraft_storage::Error::Locked { pid } => Error::InUse { dir: path.to_owned(), pid },
        other => other.into(),
    })
}

/// Whether this is a node's directory, or may become one. Changes nothing.
///
/// # Errors
/// [`Error::NotOurs`], [`Error::Torn`].
pub(crate) fn check_content(path: &Path, disk: &dyn Disk) -> Result<(), Error> {
    if disk.exists(KV)? {
        return Ok(());
    }
    let data = present(disk, &DATA)?;
    if !data.is_empty() {
        return Err(Error::Torn { dir: path.to_owned(), missing: "kv/", present: data });
    }
    let names = disk.list("")?.into_iter().map(|entry| entry.name);
    let foreign: Vec<String> = names.filter(|name| !HARMLESS.contains(&name.as_str())).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let shown = foreign.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if foreign.len() > 3 { format!(" and {} more", foreign.len() - 3) } else { String::new() };
    Err(Error::NotOurs { dir: path.to_owned(), found: format!("{shown}{more}") })
}

fn present(disk: &dyn Disk, names: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    let mut found = Vec::new();
    for name in names {
        if disk.exists(name)? {
            found.push(*name);
        }
    }
    Ok(found)
}
