//! Death in the middle of things: a disk and a store that stop answering after a number of operations.
//!
//! [`SimDisk`] and [`SimKv`] decide what a power cut leaves; this wrapper decides *when* it comes: between any two
//! operations that change something, also between the files and the batch of a checkpoint, inside a log commit or
//! inside a recovery. The operation at which it comes may still take effect, but its caller never hears so.

use crate::rng::Rng;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use vecraft_storage::{
    DirEntry, Disk, DiskFile, Error, KeyRange, Kv, MappedFile, OpenMode, Result, SimDisk, SimKv, Table,
    Visit, WriteBatch,
};

/// Counts operations down to the moment of death.
#[derive(Clone, Debug)]
pub struct Fuse(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    left: Option<u64>,
    is_blown: bool,
    coin: Rng,
}

impl Fuse {
    /// A fuse that is not lit.
    pub fn new(coin: Rng) -> Fuse {
        Fuse(Arc::new(Mutex::new(State { left: None, is_blown: false, coin })))
    }

    /// Death comes after so many more changing operations.
    pub fn light(&self, operations: u64) {
        self.0.lock().left = Some(operations);
    }

    /// No death comes that has not come yet.
    pub fn put_out(&self) {
        self.0.lock().left = None;
    }

    /// The machine is started again: nothing is lit.
    pub fn renew(&self) {
        let mut state = self.0.lock();
        state.left = None;
        state.is_blown = false;
    }

    /// True once death came.
    pub fn is_blown(&self) -> bool {
        self.0.lock().is_blown
    }

    /// Death comes now.
    pub fn blow(&self) {
        self.0.lock().is_blown = true;
    }

    fn reading<T>(&self, path: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.is_blown() { Err(dead(path)) } else { run() }
    }

    fn changing<T>(&self, path: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.next_operation() {
            Fate::Lives => run(),
            Fate::DiesAfter => {
                drop(run());
                Err(dead(path))
            }
            Fate::IsDead => Err(dead(path)),
        }
    }

    fn next_operation(&self) -> Fate {
        let mut state = self.0.lock();
        match state.left {
            _ if state.is_blown => Fate::IsDead,
            None => Fate::Lives,
            Some(0) => {
                state.is_blown = true;
                if state.coin.chance(50) { Fate::DiesAfter } else { Fate::IsDead }
            }
            Some(left) => {
                state.left = Some(left - 1);
                Fate::Lives
            }
        }
    }
}

/// What becomes of an operation.
enum Fate {
    Lives,
    /// It takes effect, and nobody hears so.
    DiesAfter,
    IsDead,
}

fn dead(path: &str) -> Error {
    Error::Io { op: "reach", path: path.to_owned(), source: io::Error::other("the process is dead") }
}

/// A disk behind a fuse.
#[derive(Clone, Debug)]
pub struct FusedDisk {
    /// The disk itself.
    pub inner: SimDisk,
    /// Its fuse, shared with the store.
    pub fuse: Fuse,
    /// Removes nothing of the groups' files, and says that it did: a planted bug.
    pub keeps_files: bool,
}

impl FusedDisk {
    fn keeps(&self, path: &str) -> bool {
        self.keeps_files && path.starts_with("groups/")
    }
}

#[derive(Debug)]
struct FusedFile {
    inner: Arc<dyn DiskFile>,
    fuse: Fuse,
}

impl Disk for FusedDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let run = || -> Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(FusedFile { inner: self.inner.open(path, mode)?, fuse: self.fuse.clone() }))
        };
        match mode {
            OpenMode::Read | OpenMode::Write => self.fuse.reading(path, run),
            OpenMode::Create | OpenMode::OpenOrCreate => self.fuse.changing(path, run),
        }
    }
    fn map(&self, path: &str) -> Result<MappedFile> {
        self.fuse.reading(path, || self.inner.map(path))
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.fuse.changing(from, || self.inner.rename(from, to))
    }
    fn remove_file(&self, path: &str) -> Result<()> {
        if self.keeps(path) {
            return Ok(());
        }
        self.fuse.changing(path, || self.inner.remove_file(path))
    }
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>> {
        self.fuse.reading(dir, || self.inner.list(dir))
    }
    fn create_dir_all(&self, dir: &str) -> Result<()> {
        self.fuse.changing(dir, || self.inner.create_dir_all(dir))
    }
    fn remove_dir_all(&self, dir: &str) -> Result<()> {
        if self.keeps(dir) {
            return Ok(());
        }
        self.fuse.changing(dir, || self.inner.remove_dir_all(dir))
    }
    fn sync_dir(&self, dir: &str) -> Result<()> {
        self.fuse.changing(dir, || self.inner.sync_dir(dir))
    }
    fn exists(&self, path: &str) -> Result<bool> {
        self.fuse.reading(path, || self.inner.exists(path))
    }
    fn free_bytes(&self) -> Result<u64> {
        self.fuse.reading("", || self.inner.free_bytes())
    }
}

impl DiskFile for FusedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.fuse.reading(self.path(), || self.inner.read_at(offset, into))
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.fuse.changing(self.path(), || self.inner.write_at(offset, bytes))
    }
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.fuse.changing(self.path(), || self.inner.append(bytes))
    }
    fn sync_data(&self) -> Result<()> {
        self.fuse.changing(self.path(), || self.inner.sync_data())
    }
    fn len(&self) -> Result<u64> {
        self.fuse.reading(self.path(), || self.inner.len())
    }
    fn truncate(&self, len: u64) -> Result<()> {
        self.fuse.changing(self.path(), || self.inner.truncate(len))
    }
    fn preallocate(&self, len: u64) -> Result<()> {
        self.fuse.changing(self.path(), || self.inner.preallocate(len))
    }
    fn path(&self) -> &str {
        self.inner.path()
    }
}

/// A store behind the same fuse.
#[derive(Clone, Debug)]
pub struct FusedKv {
    /// The store itself.
    pub inner: SimKv,
    /// Its fuse, shared with the disk.
    pub fuse: Fuse,
}

impl Kv for FusedKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.fuse.reading("kv", || self.inner.get(table, key))
    }
    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        self.fuse.reading("kv", || self.inner.visit(table, range, visit))
    }
    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()> {
        self.fuse.changing("kv", || self.inner.write(batch, sync))
    }
}
