//! Row ids for auto-id keys.

use super::Ddl;
use crate::block::IdBlock;
use vecraft_state::meta::{MetaChange, MetaOutcome};
use vecraft_types::{Error, Result};

impl Ddl {
    /// The first of `count` ids that no row ever had, also across restarts. Taken from the log in large blocks.
    ///
    /// # Errors
    /// A count of 0 or beyond what one allocation gives; the metastore cannot be reached.
    pub async fn allocate_ids(&self, count: u64) -> Result<i64> {
        if count == 0 {
            return Err(Error::invalid("0 row ids asked, at least 1 is needed"));
        }
        let mut block = self.ids.lock().await;
        if let Some(first) = block.take(count) {
            return Ok(first);
        }
        let size = count.max(IdBlock::SIZE);
        match self.metastore.propose(MetaChange::AllocateRowIds { count: size }).await? {
            MetaOutcome::RowIds(first) => *block = IdBlock::new(first, size),
            other => return Err(Error::internal(format!("the metastore answered row ids with {other:?}"))),
        }
        block.take(count).ok_or_else(|| Error::internal(format!("a block of {size} row ids has no {count}")))
    }
}
