//! Ordered tables with atomic batches.
//!
//! Contract, the same for [`RocksKv`] and [`SimKv`] and checked by one suite:
//! - A batch is atomic, also over tables and over a power cut.
//! - A batch is visible to every later read at once; it is durable when it, *or any later batch*, was written with `sync`.
//! - A power cut loses a suffix of the unsynced batches, never one from the middle.
//! - Keys of a table are ordered by bytes.
//!
//! Every table is a one-byte key prefix rather than a column family: an empty store then opens in milliseconds and a batch over
//! several tables costs one log record.

mod rocks;
mod sim;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

pub use rocks::{RocksKv, RocksOptions};
pub use sim::SimKv;

use crate::Result;

/// The tables of a node's store. The number is on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Facts about this node: cluster id, node id, replica ids of its groups.
    Node = 1,
    /// Metastore state: one row per catalogue object.
    Catalog = 2,
    /// Per shard: checkpoint position, manifest, schema, fences, last timestamp (I3).
    Shard = 3,
    /// Per shard: dedup windows (I10).
    Dedup = 4,
    /// Per shard: the delete log.
    Deletes = 5,
    /// Per group: applied membership and other state-machine facts of the Raft host.
    Group = 6,
    /// Local jobs that may be redone: fetches, tail files. (Records of index files stood here before the logs named them.)
    Job = 7,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Node, Self::Catalog, Self::Shard, Self::Dedup, Self::Deletes, Self::Group, Self::Job];
}

/// Keys from `start` (included) to `end` (excluded); `None` is the end of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// First key.
    pub start: Vec<u8>,
    /// First key after the range.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The whole table.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: after_prefix(prefix) }
    }

    /// Keys from `start` to before `end`.
    #[must_use]
    pub fn between(start: &[u8], end: &[u8]) -> Self {
        Self { start: start.to_vec(), end: Some(end.to_vec()) }
    }
}

/// The smallest key above every key with this prefix; `None` when there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvOp {
    /// Sets a key.
    Put {
        /// Table of the key.
        table: Table,
        /// The key.
        key: Vec<u8>,
        /// The new value.
        value: Vec<u8>,
    },
    /// Removes a key; a missing one is fine.
    Delete {
        /// Table of the key.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key of a range.
    DeleteRange {
        /// Table of the range.
        table: Table,
        /// What to remove.
        range: KeyRange,
    },
}

/// Changes that happen together, in order: a later one of the same key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// The changes in order.
    pub ops: Vec<KvOp>,
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds setting `key`.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.ops.push(KvOp::Put { table, key: key.into(), value: value.into() });
        self
    }

    /// Adds removing `key`.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) -> &mut Self {
        self.ops.push(KvOp::Delete { table, key: key.into() });
        self
    }

    /// Adds removing a range.
    pub fn delete_range(&mut self, table: Table, range: KeyRange) -> &mut Self {
        self.ops.push(KvOp::DeleteRange { table, range });
        self
    }

    /// True when nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// Called per key and value of a scan, in key order; [`ControlFlow::Break`] ends the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered key-value store. See the [module](self) for what is durable when.
pub trait Kv: Send + Sync + std::fmt::Debug {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Visits the keys of a range in order, as of one moment: writes during the scan are not seen.
    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()>;

    /// Writes a batch atomically; with `sync`, it and all earlier ones are durable on return.
    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()>;

    /// Every key and value of a range in order. For ranges known to be small; otherwise [`Kv::visit`].
    fn scan(&self, table: Table, range: &KeyRange) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut found = Vec::new();
        self.visit(table, range, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Sets one key. See [`Kv::write`].
    fn put(&self, table: Table, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(table, key, value);
        self.write(&batch, sync)
    }
}
