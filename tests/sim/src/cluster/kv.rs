//! A store that can forget its delete lists while a snapshot is described ([`super::bug::Bug::SnapshotWithoutDeletes`]).

use crate::power::FusedKv;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_storage::{KeyRange, Kv, Result, Table, Visit, WriteBatch};

/// The store of a process.
#[derive(Clone, Debug)]
pub struct ForgetfulKv {
    inner: FusedKv,
    is_forgetful: Arc<AtomicBool>,
}

impl ForgetfulKv {
    /// One that forgets nothing.
    pub fn new(inner: FusedKv) -> ForgetfulKv {
        ForgetfulKv { inner, is_forgetful: Arc::default() }
    }

    /// Shows no delete lists, or shows them again.
    pub fn set_forgetful(&self, is_forgetful: bool) {
        self.is_forgetful.store(is_forgetful, Ordering::Relaxed);
    }
}

impl Kv for ForgetfulKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.get(table, key)
    }

    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        if table == Table::Deletes && self.is_forgetful.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.inner.visit(table, range, visit)
    }

    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()> {
        self.inner.write(batch, sync)
    }
}
