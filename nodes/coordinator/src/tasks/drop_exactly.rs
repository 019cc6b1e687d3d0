//! Dropping by id, for whoever asks again after an answer that was lost.
//!
//! By name, the second time could hit what another user made under the same name since; ids are never used twice (I11),
//! so here it finds nothing left to do.

use super::Ddl;
use vecraft_rpc::services::DropTarget;
use vecraft_state::meta::MetaChange;
use vecraft_types::{CollectionId, PartitionId, Result};

impl Ddl {
    /// Drops what has this id; what is gone is no error.
    ///
    /// # Errors
    /// When the metastore cannot be reached. Of a partition, also when it is the default one, or why a shard did not drop it,
    /// and then the reconcile task goes on with it.
    pub async fn drop_exactly(&self, target: DropTarget) -> Result<()> {
        match target {
            DropTarget::Collection(id) => self.drop_collection_of(id).await,
            DropTarget::Partition { collection, partition } => {
                self.drop_partition_of(collection, partition).await
            }
            DropTarget::Index { collection, index } => {
                // The shards' own logs let go of what was built (I13).
                self.metastore.propose(MetaChange::DropIndexOf { collection, index }).await?;
                Ok(())
            }
        }
    }

    /// Frees the name at once. Dropping the shards is tried before the answer; what fails is finished in the
    /// background, since nobody can reach the rows any more.
    async fn drop_collection_of(&self, id: CollectionId) -> Result<()> {
        self.metastore.propose(MetaChange::DropCollection(id)).await?;
        // The failure is in the log and on the reconcile task's list.
        let _ = self.finish(id).await;
        Ok(())
    }

    /// Intent, a DropPartition entry in every shard's log, done (I11).
    async fn drop_partition_of(&self, collection: CollectionId, partition: PartitionId) -> Result<()> {
        self.metastore.propose(MetaChange::DropPartitionOf { collection, partition }).await?;
        // Also when an earlier attempt took the name away: the rows may still be there.
        self.finish(collection).await
    }
}
