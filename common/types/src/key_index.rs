//! The seam between apply and the primary-key index.

use crate::{LogPosition, PrimaryKey, SegmentId};
use serde::{Deserialize, Serialize};

/// Where a live row is and which entry wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowRef {
    /// The segment that holds the row.
    pub segment: SegmentId,
    /// The row's number inside the segment.
    pub row: u32,
    /// The entry that wrote it: the row's version (I12).
    pub position: LogPosition,
}

/// Primary key -> live rows of one shard. The only thing apply reads besides the machine's own state (I12).
///
/// With unique keys a key has at most one live row; with `pk.on_conflict = allow` it may have several.
/// Implementations are in memory and never fail; they are rebuilt from key columns before serving (I5).
pub trait KeyIndex: Send {
    /// The live rows of a key, oldest first.
    fn rows(&self, key: &PrimaryKey) -> Vec<RowRef>;

    /// The newest live row of a key.
    fn newest(&self, key: &PrimaryKey) -> Option<RowRef> {
        self.rows(key).last().copied()
    }

    /// Adds a live row beside any that exist.
    fn add(&mut self, key: PrimaryKey, row: RowRef);

    /// Forgets all live rows of a key and returns them.
    fn remove(&mut self, key: &PrimaryKey) -> Vec<RowRef>;

    /// Forgets all live rows of a key, adds this one and returns the others.
    fn replace(&mut self, key: PrimaryKey, row: RowRef) -> Vec<RowRef> {
        let others = self.remove(&key);
        self.add(key, row);
        others
    }

    /// Forgets one live row of a key; false when the key has no such row.
    fn remove_row(&mut self, key: &PrimaryKey, row: &RowRef) -> bool;

    /// Keeps only the rows for which `keep` says yes (used when a partition is dropped).
    fn retain(&mut self, keep: &mut dyn FnMut(&RowRef) -> bool);

    /// Number of live rows.
    fn len(&self) -> usize;

    /// True when no row lives.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
