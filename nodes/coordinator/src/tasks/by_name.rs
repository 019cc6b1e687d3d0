//! What tests ask by name, as users do: the proxy looks ids up, and names each request.

use super::Ddl;
use crate::messages::Named;
use std::sync::atomic::{AtomicU64, Ordering};
use vecraft_rpc::services::DropTarget;
use vecraft_types::api::{CreateCollection, CreateIndex, DropIndex, PartitionRequest, SetLoaded};
use vecraft_types::{ClientId, Code, CollectionDescriptor, CollectionId, Error, RequestId, Result};

/// A request that nobody made before.
pub(crate) fn new_request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RequestId { client: ClientId(7), sequence: NEXT.fetch_add(1, Ordering::Relaxed), part: 0 }
}

impl Ddl {
    /// Like [`Ddl::find`], but a missing one is an error.
    async fn resolve(&self, name: &str) -> Result<CollectionId> {
        let missing = || Error::new(Code::CollectionNotFound, "").with("collection", name);
        self.find(name.to_owned()).await?.ok_or_else(missing)
    }

    pub(crate) async fn create_collection(&self, wish: CreateCollection) -> Result<()> {
        self.make_collection(Named { request: new_request(), wish }).await
    }

    pub(crate) async fn create_partition(&self, wish: PartitionRequest) -> Result<()> {
        let collection = self.resolve(&wish.collection).await?;
        self.make_partition(Named { request: new_request(), wish: (collection, wish.partition) }).await
    }

    pub(crate) async fn create_index(&self, wish: CreateIndex) -> Result<()> {
        let collection = self.resolve(&wish.collection).await?;
        self.make_index(Named { request: new_request(), wish: (collection, wish) }).await
    }

    pub(crate) async fn load(&self, wish: SetLoaded) -> Result<()> {
        let collection = self.resolve(&wish.collection).await?;
        self.set_loaded((collection, wish)).await
    }

    pub(crate) async fn drop_collection(&self, name: String) -> Result<()> {
        match self.find(name).await? {
            Some(id) => self.drop_exactly(DropTarget::Collection(id)).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn drop_partition(&self, request: PartitionRequest) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        let named = |row: &CollectionDescriptor| row.partition(&request.partition).map(|found| found.id);
        match self.look_in(collection, named) {
            Some(partition) => self.drop_exactly(DropTarget::Partition { collection, partition }).await,
            None => Ok(()),
        }
    }

    /// The one on the field.
    pub(crate) async fn drop_index(&self, request: DropIndex) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        let on_field = |row: &CollectionDescriptor| {
            row.schema.field(&request.field).and_then(|field| row.index_on(field.id)).map(|found| found.id)
        };
        match self.look_in(collection, on_field) {
            Some(index) => self.drop_exactly(DropTarget::Index { collection, index }).await,
            None => Ok(()),
        }
    }

    fn look_in<T>(
        &self,
        collection: CollectionId,
        look: impl Fn(&CollectionDescriptor) -> Option<T>,
    ) -> Option<T> {
        self.metastore.read(|state| state.collection(collection).and_then(|row| look(row)))
    }

    pub(crate) fn locks_held(&self) -> usize {
        self.locks.count()
    }
}
