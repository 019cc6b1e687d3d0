//! The two services that the role stands in front of: it adds what it knows and hears what it must.

use crate::node::IndexNode;
use async_trait::async_trait;
use std::sync::Arc;
use vecraft_rpc::services::{
    CatalogueWriter, DropTarget, PinReply, ShardPin, ShardStats, ShardWrite, ShardWriter, ShardWritten,
};
use vecraft_types::api::{CreateCollection, CreateIndex, SetLoaded};
use vecraft_types::{CollectionId, RequestId, Result, ShardId};

/// A [`ShardWriter`] whose figures tell how many rows wait for their index. The data role counts rows and segments
/// and knows no index.
pub struct IndexedWriter {
    data: Arc<dyn ShardWriter>,
    node: Arc<IndexNode>,
}

impl IndexedWriter {
    /// Stands in front of the data role.
    pub fn new(data: Arc<dyn ShardWriter>, node: Arc<IndexNode>) -> IndexedWriter {
        IndexedWriter { data, node }
    }
}

#[async_trait]
impl ShardWriter for IndexedWriter {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        self.data.write(write).await
    }

    async fn pin(&self, pin: ShardPin) -> Result<PinReply> {
        self.data.pin(pin).await
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        let mut stats = self.data.flush(shard).await?;
        self.node.add_pending(shard, &mut stats);
        Ok(stats)
    }

    async fn stats(&self, shard: ShardId) -> Result<ShardStats> {
        let mut stats = self.data.stats(shard).await?;
        self.node.add_pending(shard, &mut stats);
        Ok(stats)
    }
}

/// A [`CatalogueWriter`] that wakes the role when what is wanted changed. On one node every change passes here;
/// with several, the catalogue's own publication is the event to listen to.
pub struct CatalogueWatch {
    coordinator: Arc<dyn CatalogueWriter>,
    node: Arc<IndexNode>,
}

impl CatalogueWatch {
    /// Stands in front of the coordinator.
    pub fn new(coordinator: Arc<dyn CatalogueWriter>, node: Arc<IndexNode>) -> CatalogueWatch {
        CatalogueWatch { coordinator, node }
    }
}

#[async_trait]
impl CatalogueWriter for CatalogueWatch {
    async fn create_collection(&self, request: RequestId, wish: CreateCollection) -> Result<()> {
        // A new collection has no segments.
        self.coordinator.create_collection(request, wish).await
    }

    async fn create_partition(
        &self,
        request: RequestId,
        collection: CollectionId,
        name: String,
    ) -> Result<()> {
        self.coordinator.create_partition(request, collection, name).await
    }

    async fn create_index(
        &self,
        request: RequestId,
        collection: CollectionId,
        wish: CreateIndex,
    ) -> Result<()> {
        let done = self.coordinator.create_index(request, collection, wish).await;
        self.node.wake();
        done
    }

    async fn set_loaded(&self, collection: CollectionId, wish: SetLoaded) -> Result<()> {
        self.coordinator.set_loaded(collection, wish).await
    }

    async fn allocate_ids(&self, count: u64) -> Result<i64> {
        self.coordinator.allocate_ids(count).await
    }

    async fn holder_of(&self, name: String) -> Result<Option<CollectionId>> {
        self.coordinator.holder_of(name).await
    }

    async fn drop_exactly(&self, target: DropTarget) -> Result<()> {
        let done = self.coordinator.drop_exactly(target).await;
        // Also after an error: the change may have happened.
        self.node.wake();
        done
    }
}
