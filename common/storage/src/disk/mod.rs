//! Files under one root, behind a trait whose second implementation loses power on request.
//!
//! Contract, the same for both implementations and checked by one suite:
//! - Paths are relative, '/'-separated, without `.` or `..`; `""` names the root where a directory is expected.
//! - Written bytes are visible to readers at once and durable after [`DiskFile::sync_data`] returned `Ok`.
//! - A created, renamed or removed *name* is durable after [`Disk::sync_dir`] on the directory that holds it.
//! - [`Disk::create_dir_all`] is durable when it returns.
//! - After a failed sync nothing is known about the bytes since the last good one: do not retry, do not trust (I7).

mod mapped;
mod real;
mod sim;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use mapped::MappedFile;
pub use real::RealDisk;
pub use sim::SimDisk;

use crate::{Error, Result};

/// How [`Disk::open`] treats a file that is there, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; writes fail.
    Read,
    /// The file must exist; reads and writes.
    Write,
    /// Reads and writes; an existing file is emptied, a missing one is created.
    Create,
    /// Reads and writes; an existing file is kept, a missing one is created.
    OpenOrCreate,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Last component of the path.
    pub name: String,
    /// True for a directory.
    pub is_dir: bool,
    /// Length in bytes, 0 for a directory.
    pub len: u64,
}

/// A directory tree. See the [module](self) for what is durable when.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens one file. Creating does not create directories.
    fn open(&self, path: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>>;
    /// Maps a whole file for reading. The file must not change length while mapped.
    fn map(&self, path: &str) -> Result<MappedFile>;
    /// Renames a file, replacing `to` if it exists. Readers see one or the other.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file. Open handles and maps stay readable.
    fn remove_file(&self, path: &str) -> Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>>;
    /// Makes a directory and its parents, durably. Existing ones are fine.
    fn create_dir_all(&self, dir: &str) -> Result<()>;
    /// Removes a directory with all it holds. A missing one is fine.
    fn remove_dir_all(&self, dir: &str) -> Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &str) -> Result<()>;
    /// True when a file or directory of that name exists.
    fn exists(&self, path: &str) -> Result<bool>;
    /// Bytes a process without privileges may still write.
    fn free_bytes(&self) -> Result<u64>;

    /// Reads up to `bytes` from `offset`: fewer when the file ends before.
    fn read_range(&self, path: &str, offset: u64, bytes: u32) -> Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let left = file.len()?.saturating_sub(offset);
        let mut into = vec![0; to_usize(path, left.min(u64::from(bytes)))?];
        if !into.is_empty() {
            file.read_at(offset, &mut into)?;
        }
        Ok(into)
    }

    /// Reads a whole file.
    fn read_all(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; to_usize(path, file.len()?)?];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

/// An open file. Shared by readers; writers bring their own order.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Fills `into` from `offset`. A file that ends earlier is [`Error::Corrupt`] at its end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()>;
    /// Writes at `offset`, extending the file with zeros when it is shorter.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Writes at the end and returns the offset where the bytes begin.
    fn append(&self, bytes: &[u8]) -> Result<u64>;
    /// Makes all written bytes and the length durable.
    fn sync_data(&self) -> Result<()>;
    /// Length in bytes.
    fn len(&self) -> Result<u64>;
    /// True when the length is 0.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Shortens, or extends with zeros.
    fn truncate(&self, len: u64) -> Result<()>;
    /// Reserves space so that the first `len` bytes can be written without [`Error::NoSpace`]; the length stays. File
    /// systems that cannot reserve answer `Ok`.
    fn preallocate(&self, len: u64) -> Result<()>;
    /// Path given at opening, for messages.
    fn path(&self) -> &str;
}

/// Checks a path of a file or directory.
pub(crate) fn check_path(path: &str) -> Result<&str> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\0', '\\']);
    if path.split('/').any(bad) { Err(Error::InvalidPath { path: path.to_owned() }) } else { Ok(path) }
}

/// Checks a directory path, where `""` is the root.
pub(crate) fn check_dir(path: &str) -> Result<&str> {
    if path.is_empty() { Ok(path) } else { check_path(path) }
}

/// The directory part of a path, `""` for a name in the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// `dir/name`, or `name` in the root.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

pub(crate) fn to_usize(path: &str, len: u64) -> Result<usize> {
    usize::try_from(len).map_err(|_| Error::corrupt(path, 0, format!("length {len} does not fit in memory")))
}
