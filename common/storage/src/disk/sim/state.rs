//! Names and bytes as a running process sees them, and as a power cut would leave them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{check_path, parent};
use crate::rng::SplitMix;
use crate::{Error, Result};

const SECTOR_BYTES: usize = 512;

#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: SplitMix,
    /// Counts power cuts; a handle of an earlier life is dead.
    pub(super) life: u64,
    /// What a running process sees.
    pub(super) names: BTreeMap<String, Node>,
    /// What a power cut leaves at least.
    pub(super) durable: BTreeMap<String, Node>,
    /// Per directory, changes of names since its last sync, in order. One change may touch two names (rename).
    pub(super) pending: BTreeMap<String, Vec<NameChange>>,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) failing_syncs: u32,
    pub(super) sync_is_a_lie: bool,
    pub(super) syncs: u64,
}

pub(super) type NameChange = Vec<(String, Option<Node>)>;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Dir,
    File(Arc<Mutex<Inode>>),
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) now: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    pub(super) reserved: u64,
    /// The life whose power cut was last applied, so that a file with two names tears once.
    pub(super) settled_life: u64,
}

#[derive(Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    pub(super) fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write_into(file, *offset, bytes),
            Self::Truncate(len) => file.resize(*len, 0),
        }
    }

    /// Lets some sectors of the write reach the disk and others not.
    pub(super) fn apply_torn(&self, file: &mut Vec<u8>, rng: &mut SplitMix) {
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

pub(super) fn write_into(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

impl State {
    pub(super) fn file(&self, path: &str) -> Result<Arc<Mutex<Inode>>> {
        match self.names.get(check_path(path)?) {
            Some(Node::File(inode)) => Ok(Arc::clone(inode)),
            Some(Node::Dir) => Err(is_a_directory(path)),
            None => Err(Error::NotFound { path: path.to_owned() }),
        }
    }

    pub(super) fn is_dir(&self, dir: &str) -> bool {
        dir.is_empty() || matches!(self.names.get(dir), Some(Node::Dir))
    }

    pub(super) fn rename_durably_later(&mut self, dir: &str, change: NameChange) {
        for (name, node) in &change {
            set(&mut self.names, name, node.clone());
        }
        self.pending.entry(dir.to_owned()).or_default().push(change);
    }

    /// Makes a directory's pending changes of names durable, unless syncs lie.
    pub(super) fn sync_names(&mut self, dir: &str) {
        if !self.sync_is_a_lie {
            for (name, node) in self.pending.remove(dir).unwrap_or_default().into_iter().flatten() {
                set(&mut self.durable, &name, node);
            }
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
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
    pub(super) fn check_room(&self, path: &str, from: u64, to: u64) -> Result<()> {
        match self.capacity_bytes {
            Some(capacity) if to > from && self.used_bytes() + (to - from) > capacity => {
                Err(Error::NoSpace { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn crash(&mut self) {
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
    pub(super) fn settle(&mut self, life: u64, rng: &mut SplitMix) {
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

    pub(super) fn change(&mut self, change: Change) {
        if let Change::Truncate(len) = &change {
            // As on a real disk, where this also frees what was reserved behind.
            self.reserved = self.reserved.min(*len as u64);
        }
        change.apply(&mut self.now);
        self.pending.push(change);
    }
}

pub(super) fn set(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

pub(super) fn is_a_directory(path: &str) -> Error {
    Error::Io { op: "open", path: path.to_owned(), source: io::Error::from(io::ErrorKind::IsADirectory) }
}
