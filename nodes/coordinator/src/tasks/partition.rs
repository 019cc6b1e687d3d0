//! Create a partition.

use super::Ddl;
use crate::messages::Named;
use vecraft_state::meta::MetaChange;
use vecraft_types::{CollectionId, Result};

impl Ddl {
    /// One entry of the metastore: shards take rows of any partition that was not dropped. In the collection of this id, not
    /// in what has its name by the time the request comes again.
    ///
    /// # Errors
    /// Collection not found, a bad name, too many; the metastore cannot be reached.
    pub async fn make_partition(&self, asked: Named<(CollectionId, String)>) -> Result<()> {
        let (collection, name) = asked.wish;
        self.propose_once(asked.request, MetaChange::CreatePartition { collection, name }).await?;
        Ok(())
    }
}
