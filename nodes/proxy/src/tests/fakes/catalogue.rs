//! The fake cluster as catalogue and coordinator.

use super::{FakeCluster, Trouble};
use async_trait::async_trait;
use std::sync::Arc;
use vecraft_rpc::services::*;
use vecraft_types::api::*;
use vecraft_types::*;

#[async_trait]
impl Catalogue for FakeCluster {
    fn by_name(&self, name: &str) -> Option<Arc<CollectionDescriptor>> {
        self.known.lock().clone().filter(|collection| collection.name == name)
    }

    fn by_id(&self, id: CollectionId) -> Option<Arc<CollectionDescriptor>> {
        self.known.lock().clone().filter(|collection| collection.id == id)
    }

    fn list(&self) -> Vec<Arc<CollectionDescriptor>> {
        self.known.lock().clone().into_iter().collect()
    }

    async fn barrier(&self) -> Result<()> {
        self.meet_meta_trouble().await?;
        let mut barriers = self.barriers.lock();
        *barriers += 1;
        let mut collection = self.collection.lock().clone();
        if let Some(change) = self.behind_names.lock().filter(|_| barriers.is_multiple_of(2)) {
            change(&mut collection);
        }
        *self.known.lock() = Some(Arc::new(collection));
        Ok(())
    }
}

impl FakeCluster {
    /// Notes what was to be made, and under which name.
    async fn make(&self, request: RequestId, what: String) -> Result<()> {
        let trouble = self.meta_trouble.lock().pop_front();
        if let Some(Trouble::Refuse(error)) = trouble {
            return Err(error);
        }
        self.ddl.lock().push(what);
        self.made_under.lock().push(request);
        match trouble {
            // Done; another user drops it, or makes something of the collection's name, and the answer is lost.
            Some(Trouble::Alter(change)) => {
                self.alter(change);
                Err(Error::new(Code::ReplicaUnavailable, "the connection broke").unanswered())
            }
            Some(Trouble::LoseAnswer(error)) => Err(error),
            Some(Trouble::Hang) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// Refuses or hangs when the test says so; what loses its answer goes on.
    async fn meet_meta_trouble(&self) -> Result<()> {
        self.check_majority(0)?;
        let trouble = self.meta_trouble.lock().pop_front();
        match trouble {
            Some(Trouble::Refuse(error) | Trouble::LoseAnswer(error)) => Err(error),
            Some(Trouble::Hang) => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl CatalogueWriter for FakeCluster {
    async fn create_collection(&self, request: RequestId, wish: CreateCollection) -> Result<()> {
        self.make(request, format!("create {} {:?}", wish.name, wish.schema.pk_conflict)).await
    }

    async fn holder_of(&self, name: String) -> Result<Option<CollectionId>> {
        self.meet_meta_trouble().await?;
        let collection = self.collection.lock();
        Ok((collection.name == name).then_some(collection.id))
    }

    async fn drop_exactly(&self, target: DropTarget) -> Result<()> {
        let dropped = match target {
            DropTarget::Collection(id) => format!("drop {id}"),
            DropTarget::Partition { collection, partition } => {
                format!("drop partition {collection}/{partition}")
            }
            DropTarget::Index { collection, index } => format!("drop index {collection}/{index}"),
        };
        self.ddl.lock().push(dropped);
        let trouble = self.meta_trouble.lock().pop_front();
        match trouble {
            // Done; another user makes something of that name, and the answer is lost.
            Some(Trouble::Alter(change)) => {
                self.alter(change);
                Err(Error::new(Code::ReplicaUnavailable, "the connection broke").unanswered())
            }
            _ => Ok(()),
        }
    }

    async fn create_partition(
        &self,
        request: RequestId,
        collection: CollectionId,
        name: String,
    ) -> Result<()> {
        self.make(request, format!("create partition {collection}/{name}")).await
    }

    async fn create_index(
        &self,
        request: RequestId,
        collection: CollectionId,
        wish: CreateIndex,
    ) -> Result<()> {
        *self.indexed.lock() = Some(wish.clone());
        self.make(request, format!("create index on {collection}/{}", wish.field)).await
    }

    async fn set_loaded(&self, collection: CollectionId, wish: SetLoaded) -> Result<()> {
        if self.collection.lock().id != collection {
            return Err(Error::new(Code::CollectionNotFound, "").with("collection", collection));
        }
        self.alter(|found| found.is_loaded = wish.loaded);
        let trouble = self.meta_trouble.lock().pop_front();
        match trouble {
            // Done; another user makes a collection of that name, and the answer is lost.
            Some(Trouble::Alter(change)) => {
                self.alter(change);
                Err(Error::new(Code::ReplicaUnavailable, "the connection broke").unanswered())
            }
            _ => Ok(()),
        }
    }

    async fn allocate_ids(&self, count: u64) -> Result<i64> {
        let mut next = self.next_id.lock();
        let first = *next;
        *next += count as i64;
        Ok(first)
    }
}
