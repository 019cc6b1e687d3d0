//! A disk in memory that can lose power, fill up, fail a sync, or lie about one; the same for the same seed.
//!
//! What survives [`SimDisk::crash`]:
//! - bytes that were synced, always;
//! - each unsynced write or truncation: kept, dropped, or torn at 512-byte sectors, at random;
//! - names: what [`Disk::sync_dir`] covered, plus a random prefix of the later changes of each directory;
//! - nothing of an open handle: its calls fail from then on, so a leftover thread cannot write into the new life.
//!
//! After a failed sync the pending bytes are readable and a later sync succeeds, yet they are never durable, as on Linux. That
//! is what makes retrying a sync a bug that a test can see (I7).

mod file;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use self::file::SimFile;
use self::state::{Change, Inode, Node, State};
use super::{DirEntry, Disk, DiskFile, MappedFile, OpenMode, check_dir, check_path, join, parent};
use crate::rng::SplitMix;
use crate::{Error, Result};

/// A simulated disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose crashes follow `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                rng: SplitMix::new(seed),
                life: 0,
                names: BTreeMap::new(),
                durable: BTreeMap::new(),
                pending: BTreeMap::new(),
                capacity_bytes: None,
                failing_syncs: 0,
                sync_is_a_lie: false,
                syncs: 0,
            })),
        }
    }

    /// Cuts the power: the disk becomes what a machine would find at its next start. Switches are reset, except the lie.
    pub fn crash(&self) {
        self.state.lock().crash();
    }

    /// Limits the bytes the disk holds, reservations included; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity_bytes = bytes;
    }

    /// The next `count` syncs of a file fail with an I/O error.
    pub fn fail_syncs(&self, count: u32) {
        self.state.lock().failing_syncs = count;
    }

    /// A planted bug for the simulation to find: syncs answer `Ok` and make nothing durable.
    pub fn set_sync_is_a_lie(&self, lie: bool) {
        self.state.lock().sync_is_a_lie = lie;
    }

    /// File syncs asked for since the start, lies included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Flips bits of a durable byte, as a decaying medium would: `mask` is xored in.
    pub fn corrupt(&self, path: &str, offset: u64, mask: u8) -> Result<()> {
        let state = self.state.lock();
        let inode = state.file(path)?;
        let mut inode = inode.lock();
        let at = super::to_usize(path, offset)?;
        for copy in [0, 1] {
            let bytes = if copy == 0 { &mut inode.now } else { &mut inode.durable };
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let found = match state.file(path) {
            Err(error) if error.is_not_found() => None,
            other => Some(other?),
        };
        let inode = match (found, mode) {
            (Some(inode), OpenMode::Create) => {
                inode.lock().change(Change::Truncate(0));
                inode
            }
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::Write) => {
                return Err(Error::NotFound { path: path.to_owned() });
            }
            (None, OpenMode::Create | OpenMode::OpenOrCreate) => {
                let dir = parent(path);
                if !state.is_dir(dir) {
                    return Err(Error::NotFound { path: dir.to_owned() });
                }
                let inode = Arc::new(Mutex::new(Inode::default()));
                let node = Node::File(Arc::clone(&inode));
                state.rename_durably_later(dir, vec![(path.to_owned(), Some(node))]);
                inode
            }
        };
        let life = state.life;
        Ok(Arc::new(SimFile {
            state: Arc::clone(&self.state),
            inode,
            life,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        }))
    }

    fn map(&self, path: &str) -> Result<MappedFile> {
        let inode = self.state.lock().file(path)?;
        let inode = inode.lock();
        Ok(MappedFile::from_bytes(&inode.now))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.state.lock();
        let node = Node::File(state.file(from)?);
        let (from_dir, to_dir) = (parent(from), parent(check_path(to)?));
        if !state.is_dir(to_dir) {
            return Err(Error::NotFound { path: to_dir.to_owned() });
        }
        if from == to {
            return Ok(());
        }
        if from_dir == to_dir {
            state.rename_durably_later(to_dir, vec![(from.to_owned(), None), (to.to_owned(), Some(node))]);
        } else {
            state.rename_durably_later(to_dir, vec![(to.to_owned(), Some(node))]);
            state.rename_durably_later(from_dir, vec![(from.to_owned(), None)]);
        }
        Ok(())
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.file(path)?;
        state.rename_durably_later(parent(path), vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>> {
        let state = self.state.lock();
        if !state.is_dir(check_dir(dir)?) {
            return Err(Error::NotFound { path: dir.to_owned() });
        }
        let mut entries = Vec::new();
        for (name, node) in &state.names {
            if parent(name) != dir {
                continue;
            }
            let (is_dir, len) = match node {
                Node::Dir => (true, 0),
                Node::File(inode) => (false, inode.lock().now.len() as u64),
            };
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            entries.push(DirEntry { name, is_dir, len });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &str) -> Result<()> {
        let mut state = self.state.lock();
        let mut at = String::new();
        for part in check_dir(dir)?.split('/').filter(|part| !part.is_empty()) {
            at = join(&at, part);
            match state.names.get(&at) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => {
                    let source = io::Error::from(io::ErrorKind::NotADirectory);
                    return Err(Error::Io { op: "create directory", path: at, source });
                }
                None => {
                    // The parent is synced, as on a real disk: an earlier removal of this name cannot come after.
                    state.sync_names(parent(&at));
                    state.names.insert(at.clone(), Node::Dir);
                    state.durable.insert(at.clone(), Node::Dir);
                }
            }
        }
        Ok(())
    }

    fn remove_dir_all(&self, dir: &str) -> Result<()> {
        let mut state = self.state.lock();
        let below = format!("{}/", check_path(dir)?);
        // Children first, as a real removal goes, so that every prefix of the work is a tree.
        let doomed: Vec<String> =
            state.names.keys().filter(|name| *name == dir || name.starts_with(&below)).cloned().collect();
        for name in doomed.into_iter().rev() {
            state.rename_durably_later(parent(&name).to_owned().as_str(), vec![(name, None)]);
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let mut state = self.state.lock();
        if !state.is_dir(check_dir(dir)?) {
            return Err(Error::NotFound { path: dir.to_owned() });
        }
        state.sync_names(dir);
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool> {
        let state = self.state.lock();
        Ok(path.is_empty() || state.names.contains_key(check_dir(path)?))
    }

    fn free_bytes(&self) -> Result<u64> {
        let state = self.state.lock();
        Ok(state.capacity_bytes.map_or(1 << 40, |capacity| capacity.saturating_sub(state.used_bytes())))
    }
}
