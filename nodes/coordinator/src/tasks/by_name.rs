//! What tests ask by name, as users do: the proxy looks the id up and drops by it.

use super::Ddl;
use vecraft_rpc::services::DropTarget;
use vecraft_types::api::{DropIndex, PartitionRequest};
use vecraft_types::{CollectionDescriptor, CollectionId, Result};

impl Ddl {
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
