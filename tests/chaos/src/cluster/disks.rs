//! A filesystem of its own for each node's data: it can lose its power, and it can be full.
//!
//! The power cut is ext4's own: its shutdown call with NOLOGFLUSH forgets the journal's pending part and every page that
//! was not synced, as a cut does; after unmounting and mounting again there is what an fsync had promised and nothing
//! else. Needed are root, loop devices and `mkfs.ext4`; mounts are made in this process's own mount namespace, so they
//! go with it.

use super::network::run;
use crate::Trouble;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Size of a node's filesystem. Small, so that filling it is quick; large enough for the log's reserve (I7).
const BYTES: u64 = 384 << 20;
/// `EXT4_IOC_SHUTDOWN`, the number that XFS gave it: `_IOR('X', 125, __u32)`.
const SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// Without flushing the journal.
const NO_LOG_FLUSH: u32 = 2;

/// The filesystem of one node.
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes one, mounts it at `mount`, and tries whether its power can be cut.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn make(mount: &Path) -> Result<Disk, Trouble> {
        let disk = Disk { image: mount.with_extension("img"), mount: mount.to_owned() };
        std::fs::create_dir_all(mount).map_err(|e| format!("cannot make {}: {e}", mount.display()))?;
        let file =
            File::create(&disk.image).map_err(|e| format!("cannot make {}: {e}", disk.image.display()))?;
        file.set_len(BYTES).map_err(|e| format!("cannot size {}: {e}", disk.image.display()))?;
        run(&format!("mkfs.ext4 -q -F {}", disk.image.display()))?;
        disk.mount()?;
        disk.probe()?;
        Ok(disk)
    }

    /// A cut that forgets nothing, or too much, would make a test of no use: what was synced must stay, and only that.
    fn probe(&self) -> Result<(), Trouble> {
        let (synced, unsynced) = (self.mount.join("synced"), self.mount.join("unsynced"));
        let wrong = |e: std::io::Error| format!("{}: {e}", self.mount.display());
        std::fs::write(&synced, "1").and_then(|()| File::open(&synced)?.sync_all()).map_err(wrong)?;
        File::open(&self.mount).and_then(|root| root.sync_all()).map_err(wrong)?;
        std::fs::write(&unsynced, "1").map_err(wrong)?;
        let cut = self.cut_power();
        self.remount()?;
        cut?;
        if !synced.exists() || unsynced.exists() {
            return Err("a power cut here does not forget what was not synced, and only that".to_owned());
        }
        std::fs::remove_file(&synced).map_err(wrong)
    }

    /// Forgets everything that was not synced; from now on every call on it fails.
    ///
    /// # Errors
    /// When the kernel does not have the call or does not allow it.
    pub fn cut_power(&self) -> Result<(), Trouble> {
        let root = File::open(&self.mount).map_err(|e| format!("{}: {e}", self.mount.display()))?;
        let how = NO_LOG_FLUSH;
        // SAFETY: the call reads one u32, which lives until it returns.
        let done = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN as _, &raw const how) };
        match done {
            0 => Ok(()),
            _ => Err(format!("shutdown of {}: {}", self.mount.display(), std::io::Error::last_os_error())),
        }
    }

    /// Unmounts and mounts again, as after a power cut; nobody may use it.
    ///
    /// # Errors
    /// When something still uses it, or it does not mount.
    pub fn remount(&self) -> Result<(), Trouble> {
        run(&format!("umount {}", self.mount.display()))?;
        self.mount()
    }

    fn mount(&self) -> Result<(), Trouble> {
        run(&format!("mount -o loop {} {}", self.image.display(), self.mount.display())).map(drop)
    }

    /// Fills it to the last block.
    ///
    /// # Errors
    /// When it cannot be filled.
    pub fn fill(&self) -> Result<(), Trouble> {
        let path = self.ballast();
        let file = File::create(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        let mut step: libc::off_t = 64 << 20;
        let mut length: libc::off_t = 0;
        while step >= 4_096 {
            // SAFETY: a descriptor of ours and numbers.
            match unsafe { libc::fallocate(file.as_raw_fd(), 0, length, step) } {
                0 => length += step,
                _ if std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSPC) => step /= 2,
                _ => {
                    return Err(format!(
                        "cannot fill {}: {}",
                        path.display(),
                        std::io::Error::last_os_error()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When the ballast cannot be removed.
    pub fn free(&self) -> Result<(), Trouble> {
        let path = self.ballast();
        std::fs::remove_file(&path).map_err(|e| format!("cannot remove {}: {e}", path.display()))
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast-of-the-test")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Not mounted any more is as good; the namespace takes what is left.
        let _ = run(&format!("umount {}", self.mount.display()));
        let _ = std::fs::remove_file(&self.image);
    }
}
