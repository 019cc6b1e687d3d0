//! Row ids handed out from memory, so that not every auto-id insert costs an entry of group 0's log.

/// Ids taken from the log and not yet handed out. What a crash leaves of a block is never used: ids have gaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct IdBlock {
    next: i64,
    left: u64,
}

impl IdBlock {
    /// How many ids to take from the log at least: one entry for so many rows.
    pub const SIZE: u64 = 1 << 20;

    /// A block that begins at `first`.
    pub fn new(first: i64, count: u64) -> IdBlock {
        IdBlock { next: first, left: count }
    }

    /// The first of `count` ids, when the block has as many.
    pub fn take(&mut self, count: u64) -> Option<i64> {
        let left = self.left.checked_sub(count)?;
        let first = self.next;
        self.next = first.checked_add(i64::try_from(count).ok()?)?;
        self.left = left;
        Some(first)
    }
}
