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

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{DirEntry, Disk, DiskFile, MappedFile, OpenMode, check_dir, check_path, join, parent};
use crate::rng::SplitMix;
use crate::{Error, Result};

const SECTOR_BYTES: usize = 512;

/// A simulated disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rng: SplitMix,
    /// Counts power cuts; a handle of an earlier life is dead.
    life: u64,
    /// What a running process sees.
    names: BTreeMap<String, Node>,
    /// What a power cut leaves at least.
    durable: BTreeMap<String, Node>,
    /// Per directory, changes of names since its last sync, in order. One change may touch two names (rename).
    pending: BTreeMap<String, Vec<NameChange>>,
    capacity_bytes: Option<u64>,
    failing_syncs: u32,
    sync_is_a_lie: bool,
    syncs: u64,
}

type NameChange = Vec<(String, Option<Node>)>;

#[derive(Debug, Clone)]
enum Node {
    Dir,
    File(Arc<Mutex<Inode>>),
}

#[derive(Debug, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    reserved: u64,
    /// The life whose power cut was last applied, so that a file with two names tears once.
    settled_life: u64,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write_into(file, *offset, bytes),
            Self::Truncate(len) => file.resize(*len, 0),
        }
    }

    /// Lets some sectors of the write reach the disk and others not.
    fn apply_torn(&self, file: &mut Vec<u8>, rng: &mut SplitMix) {
        let Self::Write { offset, bytes } = self else { return };
        let mut at = 0;
        while at < bytes.len() {
            let to_boundary = SECTOR_BYTES - (offset + at) % SECTOR_BYTES;
            let end = bytes.len().min(at + to_boundary);
            if rng.below(2) == 0 {
                write_into(file, offset + at, &bytes[at..end]);
            }
            at = end;
        }
    }
}

fn write_into(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
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

impl State {
    fn file(&self, path: &str) -> Result<Arc<Mutex<Inode>>> {
        match self.names.get(check_path(path)?) {
            Some(Node::File(inode)) => Ok(Arc::clone(inode)),
            Some(Node::Dir) => Err(is_a_directory(path)),
            None => Err(Error::NotFound { path: path.to_owned() }),
        }
    }

    fn is_dir(&self, dir: &str) -> bool {
        dir.is_empty() || matches!(self.names.get(dir), Some(Node::Dir))
    }

    fn rename_durably_later(&mut self, dir: &str, change: NameChange) {
        for (name, node) in &change {
            set(&mut self.names, name, node.clone());
        }
        self.pending.entry(dir.to_owned()).or_default().push(change);
    }

    fn used_bytes(&self) -> u64 {
        let mut used = 0;
        for node in self.names.values() {
            if let Node::File(inode) = node {
                let inode = inode.lock();
                used += (inode.now.len() as u64).max(inode.reserved);
            }
        }
        used
    }

    /// Checks that a file may grow from `from` to `to` bytes.
    fn check_room(&self, path: &str, from: u64, to: u64) -> Result<()> {
        match self.capacity_bytes {
            Some(capacity) if to > from && self.used_bytes() + (to - from) > capacity => {
                Err(Error::NoSpace { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn crash(&mut self) {
        self.life += 1;
        self.capacity_bytes = None;
        self.failing_syncs = 0;
        for (_, changes) in std::mem::take(&mut self.pending) {
            let kept = self.rng.below(changes.len() as u64 + 1) as usize;
            for (name, node) in changes.into_iter().take(kept).flatten() {
                set(&mut self.durable, &name, node);
            }
        }
        // A name below a directory that did not survive is unreachable. Parents sort before their children.
        let mut reachable: BTreeMap<String, Node> = BTreeMap::new();
        for (name, node) in std::mem::take(&mut self.durable) {
            let dir = parent(&name);
            if dir.is_empty() || matches!(reachable.get(dir), Some(Node::Dir)) {
                reachable.insert(name, node);
            }
        }
        for node in reachable.values() {
            if let Node::File(inode) = node {
                inode.lock().settle(self.life, &mut self.rng);
            }
        }
        self.names = reachable.clone();
        self.durable = reachable;
    }
}

impl Inode {
    fn settle(&mut self, life: u64, rng: &mut SplitMix) {
        if self.settled_life == life {
            return;
        }
        self.settled_life = life;
        self.reserved = 0;
        for change in std::mem::take(&mut self.pending) {
            match rng.below(3) {
                0 => change.apply(&mut self.durable),
                1 => {}
                _ => change.apply_torn(&mut self.durable, rng),
            }
        }
        self.now = self.durable.clone();
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }
}

fn set(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

fn is_a_directory(path: &str) -> Error {
    Error::Io { op: "open", path: path.to_owned(), source: io::Error::from(io::ErrorKind::IsADirectory) }
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
        if state.sync_is_a_lie {
            return Ok(());
        }
        for (name, node) in state.pending.remove(dir).unwrap_or_default().into_iter().flatten() {
            set(&mut state.durable, &name, node);
        }
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

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    inode: Arc<Mutex<Inode>>,
    life: u64,
    path: String,
    writable: bool,
}

impl SimFile {
    /// Runs with the disk locked, unless the power was cut since this handle was opened.
    fn with<T>(&self, op: &'static str, run: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        if state.life != self.life {
            return Err(self.io(op, "handle from before the power cut"));
        }
        run(&mut state)
    }

    fn io(&self, op: &'static str, what: &'static str) -> Error {
        Error::Io { op, path: self.path.clone(), source: io::Error::other(what) }
    }

    fn write(&self, state: &State, offset: u64, bytes: &[u8]) -> Result<()> {
        if !self.writable {
            return Err(self.io("write", "opened for reading"));
        }
        let end = offset + bytes.len() as u64;
        let held = {
            let inode = self.inode.lock();
            (inode.now.len() as u64).max(inode.reserved)
        };
        state.check_room(&self.path, held, end)?;
        let offset = super::to_usize(&self.path, offset)?;
        self.inode.lock().change(Change::Write { offset, bytes: bytes.to_vec() });
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.with("read", |_| {
            let inode = self.inode.lock();
            let from = super::to_usize(&self.path, offset)?;
            match inode.now.get(from..from.saturating_add(into.len())) {
                Some(bytes) => {
                    into.copy_from_slice(bytes);
                    Ok(())
                }
                None => {
                    let what = format!("file ends inside a read of {} bytes at {offset}", into.len());
                    Err(Error::corrupt(&self.path, inode.now.len() as u64, what))
                }
            }
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.with("write", |state| self.write(state, offset, bytes))
    }

    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.with("write", |state| {
            let offset = self.inode.lock().now.len() as u64;
            self.write(state, offset, bytes)?;
            Ok(offset)
        })
    }

    fn sync_data(&self) -> Result<()> {
        self.with("sync", |state| {
            state.syncs += 1;
            let mut inode = self.inode.lock();
            if state.failing_syncs > 0 {
                state.failing_syncs -= 1;
                inode.pending.clear();
                return Err(self.io("sync", "injected"));
            }
            if !state.sync_is_a_lie {
                for change in std::mem::take(&mut inode.pending) {
                    change.apply(&mut inode.durable);
                }
            }
            Ok(())
        })
    }

    fn len(&self) -> Result<u64> {
        self.with("stat", |_| Ok(self.inode.lock().now.len() as u64))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.with("truncate", |state| {
            let held = self.inode.lock().now.len() as u64;
            state.check_room(&self.path, held, len)?;
            let len = super::to_usize(&self.path, len)?;
            self.inode.lock().change(Change::Truncate(len));
            Ok(())
        })
    }

    fn preallocate(&self, len: u64) -> Result<()> {
        self.with("preallocate", |state| {
            let held = {
                let inode = self.inode.lock();
                (inode.now.len() as u64).max(inode.reserved)
            };
            state.check_room(&self.path, held, len)?;
            let mut inode = self.inode.lock();
            inode.reserved = inode.reserved.max(len);
            Ok(())
        })
    }

    fn path(&self) -> &str {
        &self.path
    }
}
