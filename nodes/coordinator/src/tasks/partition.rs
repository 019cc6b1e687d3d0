//! Create a partition.

use super::Ddl;
use vecraft_state::meta::MetaChange;
use vecraft_types::Result;
use vecraft_types::api::PartitionRequest;

impl Ddl {
    /// One entry of the metastore: shards take rows of any partition that was not dropped.
    ///
    /// # Errors
    /// Collection not found, a bad name, too many; the metastore cannot be reached.
    pub async fn create_partition(&self, request: PartitionRequest) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        self.metastore.propose(MetaChange::CreatePartition { collection, name: request.partition }).await?;
        Ok(())
    }
}
