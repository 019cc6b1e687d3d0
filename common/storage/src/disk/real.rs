//! The operating system's file system under a root directory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{DirEntry, Disk, DiskFile, MappedFile, OpenMode, check_dir, check_path, parent};
use crate::{Error, Result};

/// Files below a root directory of this machine.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// Uses `root`, creating it when missing.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)
            .map_err(|source| Error::from_io("create directory", &root.display().to_string(), source))?;
        Ok(Self { root })
    }

    /// The root as given. For messages and for handing directories to libraries such as rocksdb.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, path: &str) -> Result<PathBuf> {
        Ok(self.root.join(check_path(path)?))
    }

    fn dir(&self, path: &str) -> Result<PathBuf> {
        Ok(self.root.join(check_dir(path)?))
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        options
            .create(matches!(mode, OpenMode::Create | OpenMode::OpenOrCreate))
            .truncate(mode == OpenMode::Create);
        let file = options.open(self.file(path)?).map_err(|source| Error::from_io("open", path, source))?;
        Ok(Arc::new(RealFile { file, path: path.to_owned(), append: Mutex::new(()) }))
    }

    fn map(&self, path: &str) -> Result<MappedFile> {
        let file = File::open(self.file(path)?).map_err(|source| Error::from_io("open", path, source))?;
        let len = file.metadata().map_err(|source| Error::from_io("stat", path, source))?.len();
        if len == 0 {
            return Ok(MappedFile::from_bytes(&[]));
        }
        // SAFETY: mapped files are immutable once published and only unlinked, never shortened, by this process; the data
        // directory is locked against others.
        let map =
            unsafe { memmap2::Mmap::map(&file) }.map_err(|source| Error::from_io("map", path, source))?;
        Ok(MappedFile::from_mmap(map))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.file(from)?, self.file(to)?).map_err(|source| Error::from_io("rename", from, source))
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        fs::remove_file(self.file(path)?).map_err(|source| Error::from_io("remove", path, source))
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>> {
        let io = |source| Error::from_io("list", dir, source);
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.dir(dir)?).map_err(io)? {
            let entry = entry.map_err(io)?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Removed between listing and asking: as if listed a moment later.
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(io(source)),
            };
            let is_dir = meta.is_dir();
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(DirEntry { name, is_dir, len: if is_dir { 0 } else { meta.len() } });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &str) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = check_dir(dir)?;
        while !at.is_empty() && !self.exists(at)? {
            missing.push(at);
            at = parent(at);
        }
        fs::create_dir_all(self.dir(dir)?)
            .map_err(|source| Error::from_io("create directory", dir, source))?;
        for made in missing.into_iter().rev() {
            self.sync_dir(parent(made))?;
        }
        Ok(())
    }

    fn remove_dir_all(&self, dir: &str) -> Result<()> {
        match fs::remove_dir_all(self.file(dir)?) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::from_io("remove directory", dir, source))
            }
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let file = File::open(self.dir(dir)?).map_err(|source| Error::from_io("open", dir, source))?;
        file.sync_all().map_err(|source| Error::from_io("sync", dir, source))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        self.dir(path)?.try_exists().map_err(|source| Error::from_io("stat", path, source))
    }

    fn free_bytes(&self) -> Result<u64> {
        fs2::available_space(&self.root).map_err(|source| Error::from_io("statvfs", "", source))
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    path: String,
    /// Serialises appenders, so that each learns its own offset.
    append: Mutex<()>,
}

impl RealFile {
    fn io(&self, op: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::from_io(op, &self.path, source)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        match self.file.read_exact_at(into, offset) {
            Err(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                let what = format!("file ends inside a read of {} bytes at {offset}", into.len());
                Err(Error::corrupt(&self.path, self.len().unwrap_or(offset), what))
            }
            other => other.map_err(self.io("read")),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(self.io("write"))
    }

    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let _one = self.append.lock();
        let offset = self.len()?;
        self.write_at(offset, bytes)?;
        Ok(offset)
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(self.io("sync"))
    }

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(self.io("stat"))?.len())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(self.io("truncate"))
    }

    #[cfg(target_os = "linux")]
    fn preallocate(&self, len: u64) -> Result<()> {
        use std::os::fd::AsRawFd;
        let Ok(len) = libc::off_t::try_from(len) else {
            return Err(Error::NoSpace { path: self.path.clone() });
        };
        // SAFETY: the descriptor is open for the whole call and fallocate touches no memory of ours.
        let rc = unsafe { libc::fallocate(self.file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, len) };
        if rc == 0 {
            return Ok(());
        }
        let source = std::io::Error::last_os_error();
        match source.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => Ok(()),
            _ => Err(Error::from_io("preallocate", &self.path, source)),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn preallocate(&self, _len: u64) -> Result<()> {
        Ok(())
    }

    fn path(&self) -> &str {
        &self.path
    }
}
