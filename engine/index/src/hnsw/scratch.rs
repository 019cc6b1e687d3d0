//! What the searches of one index share: scratch memory, and whether they wait for a disk.

use super::walk::Scratch;
use crate::cold::Cold;
use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};

/// Scratches not in use; as many come to be as walks ever ran at once.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    idle: Mutex<Vec<Scratch>>,
    pub(crate) cold: Cold,
}

impl ScratchPool {
    /// A scratch for one walk at a time; goes back when dropped.
    pub(crate) fn take(&self) -> Borrowed<'_> {
        let scratch = self.idle.lock().pop().unwrap_or_default();
        Borrowed { pool: self, scratch }
    }
}

/// A borrowed scratch.
pub(crate) struct Borrowed<'p> {
    pool: &'p ScratchPool,
    scratch: Scratch,
}

impl Deref for Borrowed<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().push(std::mem::take(&mut self.scratch));
    }
}
