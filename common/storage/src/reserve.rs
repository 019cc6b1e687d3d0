//! Space kept back for the moment when a disk is full, and something must be written to go on at all (P6, I7).
//!
//! ```text
//! filled ── a step found no space ──> given up, the step is done once more ──> filled again when there is room
//! ```
//! The file is empty and has its space by preallocation; on a file system that cannot preallocate there is no reserve. It
//! does not decide what may be done with the space: whoever writes first has it.

use crate::{Disk, OpenMode, Result};
use std::sync::Arc;

/// A file that only takes space.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    path: String,
    bytes: u64,
}

impl Reserve {
    /// `bytes` at `path` of `disk`, once [`Reserve::fill`] made it.
    pub fn new(disk: Arc<dyn Disk>, path: &str, bytes: u64) -> Reserve {
        Reserve { disk, path: path.to_owned(), bytes }
    }

    /// Does a step; when it finds no space and there is a reserve, gives that up and does the step once more.
    ///
    /// # Errors
    /// What the step says, the second time when there was one.
    pub fn spend_on<T, E>(
        &self,
        is_no_space: impl Fn(&E) -> bool,
        mut step: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        match step() {
            Err(error) if is_no_space(&error) && self.give_up() => {
                tracing::warn!(path = self.path, "the disk is full: the reserve is given up");
                step()
            }
            done => done,
        }
    }

    /// False when there is none.
    fn give_up(&self) -> bool {
        let is_gone = self.disk.remove_file(&self.path).is_ok();
        // The space is free when the file system has this on disk. If it does not say so, the next step will.
        let _ = self.disk.sync_dir("");
        is_gone
    }

    /// Makes it, or looks that it is whole. False when the disk has no room for it.
    ///
    /// # Errors
    /// Storage errors but no space.
    pub fn fill(&self) -> Result<bool> {
        // Trying to take what is not there would take it from others for a moment.
        if !self.disk.exists(&self.path)? && self.disk.free_bytes()? < self.bytes {
            return Ok(false);
        }
        let filled = self
            .disk
            .open(&self.path, OpenMode::OpenOrCreate)
            .and_then(|file| file.preallocate(self.bytes))
            .and_then(|()| self.disk.sync_dir(""));
        match filled {
            Ok(()) => Ok(true),
            Err(error) => {
                let _ = self.disk.remove_file(&self.path);
                if error.is_no_space() { Ok(false) } else { Err(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Error, SimDisk};

    fn write(disk: &SimDisk, path: &str, bytes: usize) -> Result<()> {
        disk.open(path, OpenMode::OpenOrCreate)?.write_at(0, &vec![1; bytes])
    }

    #[test]
    fn p6_a_step_on_a_full_disk_gets_the_reserve_and_it_is_made_again_later() {
        let disk = SimDisk::new(1);
        disk.set_capacity(Some(1_000));
        let reserve = Reserve::new(Arc::new(disk.clone()), "reserve", 400);
        let open = |bytes| reserve.spend_on(Error::is_no_space, || write(&disk, "store", bytes));
        assert!(reserve.fill().unwrap() && reserve.fill().unwrap());
        write(&disk, "others", 600).unwrap();
        assert!(write(&disk, "store", 300).unwrap_err().is_no_space(), "it is full");
        open(300).unwrap();
        assert!(!disk.exists("reserve").unwrap());
        assert!(open(500).unwrap_err().is_no_space(), "there is no second reserve");
        assert!(!reserve.fill().unwrap(), "no room yet");
        disk.remove_file("others").unwrap();
        assert!(reserve.fill().unwrap());
        assert!(open(5_000).unwrap_err().is_no_space(), "more than the reserve");
    }

    #[test]
    fn a_step_that_fails_otherwise_is_not_done_again() {
        let disk = SimDisk::new(1);
        let reserve = Reserve::new(Arc::new(disk.clone()), "reserve", 400);
        assert!(reserve.fill().unwrap());
        let mut steps = 0;
        let failed = reserve.spend_on(Error::is_no_space, || {
            steps += 1;
            disk.open("missing", OpenMode::Read).map(drop)
        });
        assert!(failed.unwrap_err().is_not_found() && steps == 1 && disk.exists("reserve").unwrap());
    }
}
