//! An open file of the simulated disk.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::state::{Change, Inode, State};
use crate::disk::{DiskFile, to_usize};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) inode: Arc<Mutex<Inode>>,
    /// The disk's life at opening.
    pub(super) life: u64,
    pub(super) path: String,
    pub(super) writable: bool,
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
        let offset = to_usize(&self.path, offset)?;
        self.inode.lock().change(Change::Write { offset, bytes: bytes.to_vec() });
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.with("read", |_| {
            let inode = self.inode.lock();
            let from = to_usize(&self.path, offset)?;
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
            let len = to_usize(&self.path, len)?;
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
