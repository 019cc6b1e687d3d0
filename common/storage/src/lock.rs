//! One process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::{Error, Result};

/// An advisory lock on `DIR/LOCK`, held until dropped. The kernel releases it when the process dies, however it dies.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Creates `dir` when missing and takes its lock. [`Error::Locked`] names the process that holds it.
    pub fn acquire(dir: &Path) -> Result<Self> {
        let shown = dir.join("LOCK").display().to_string();
        let io = |op| {
            let shown = shown.clone();
            move |source| Error::from_io(op, &shown, source)
        };
        std::fs::create_dir_all(dir).map_err(io("create directory"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("LOCK"))
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder may be between taking the lock and writing its id: then 0 is all we can say.
                let _ = file.read_to_string(&mut text);
                return Err(Error::Locked { pid: text.trim().parse().unwrap_or(0) });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        file.set_len(0).map_err(io("write"))?;
        file.seek(SeekFrom::Start(0)).map_err(io("write"))?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(io("write"))?;
        Ok(Self { _file: file })
    }

    /// Whether some process holds the lock of `dir`. Makes nothing; a directory without `LOCK` is held by nobody. The answer
    /// is a moment old. A holder that would begin in just this moment is told that it is in use, so this is asked only where
    /// there is reason to think that it is held.
    pub fn is_held(dir: &Path) -> Result<bool> {
        let path = dir.join("LOCK");
        let wrong = |op| {
            let shown = path.display().to_string();
            move |source| Error::from_io(op, &shown, source)
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(wrong("open")(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(wrong("look at the lock")(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn second_holder_is_told_who_holds() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirLock::acquire(dir.path()).unwrap();
        match DirLock::acquire(dir.path()) {
            Err(Error::Locked { pid }) => assert_eq!(pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(held);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn asking_who_holds_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!DirLock::is_held(dir.path()).unwrap() && !dir.path().join("LOCK").exists());
        let held = DirLock::acquire(dir.path()).unwrap();
        assert!(DirLock::is_held(dir.path()).unwrap());
        drop(held);
        assert!(!DirLock::is_held(dir.path()).unwrap());
        DirLock::acquire(dir.path()).unwrap();
    }
}
