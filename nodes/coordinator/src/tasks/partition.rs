//! Create and drop a partition.

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

    /// Intent, a DropPartition entry in every shard's log, done (I11). A missing partition is no error.
    ///
    /// # Errors
    /// Collection not found, the default partition; or why a shard did not drop it, and then the reconcile task
    /// goes on with it.
    pub async fn drop_partition(&self, request: PartitionRequest) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        self.metastore.propose(MetaChange::DropPartition { collection, name: request.partition }).await?;
        self.finish(collection).await
    }
}
