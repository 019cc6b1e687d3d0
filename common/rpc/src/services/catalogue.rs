//! Collections, partitions and indexes by name, and changing them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_types::api::*;
use vecraft_types::*;

/// The catalogue as this node's replica of the metastore has it (I19). Reading is memory only.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The collection a name or alias means.
    fn by_name(&self, name: &str) -> Option<Arc<CollectionDescriptor>>;
    /// The collection of an id.
    fn by_id(&self, id: CollectionId) -> Option<Arc<CollectionDescriptor>>;
    /// All collections, by name.
    fn list(&self) -> Vec<Arc<CollectionDescriptor>>;
    /// Returns when this node has seen everything the metastore had committed before the call (I19).
    async fn barrier(&self) -> Result<()>;
}

/// Changes of the catalogue. Served by the coordinator on the metastore's leader.
#[async_trait]
pub trait CatalogueWriter: Send + Sync {
    /// Makes a collection; returns when its shards exist (I11). Once under the request's name: asked again after somebody
    /// dropped it meanwhile, it makes nothing (I10), and so do the next two.
    async fn create_collection(&self, request: RequestId, wish: CreateCollection) -> Result<()>;
    /// Makes a partition of this name.
    async fn create_partition(
        &self,
        request: RequestId,
        collection: CollectionId,
        name: String,
    ) -> Result<()>;
    /// Makes an index of this collection, whatever name the wish calls it by.
    async fn create_index(
        &self,
        request: RequestId,
        collection: CollectionId,
        wish: CreateIndex,
    ) -> Result<()>;
    /// Sets or clears the load flag of this collection, whatever name the wish calls it by. One that is gone is not found, also
    /// when another has its name.
    async fn set_loaded(&self, collection: CollectionId, wish: SetLoaded) -> Result<()>;
    /// A range of `count` unused row ids; the first is returned (auto-id, never given twice).
    async fn allocate_ids(&self, count: u64) -> Result<i64>;
    /// The collection that holds a name now, also one that is not ready yet.
    async fn holder_of(&self, name: String) -> Result<Option<CollectionId>>;
    /// Drops what has this id. What is gone is no error, and asked again it hits nothing else, as by name it might: ids are
    /// never used twice (I11).
    async fn drop_exactly(&self, target: DropTarget) -> Result<()>;
}

/// What of the catalogue is gone for good: for those who hold what may be left of it.
#[async_trait]
pub trait DroppedCollections: Send + Sync {
    /// Those of these collections that were dropped. They stay so, for ids are never given twice (I11). What was committed
    /// before the call is seen (I19); a collection that this node has not heard of yet is none of them.
    async fn dropped(&self, among: BTreeSet<CollectionId>) -> Result<BTreeSet<CollectionId>>;
}

/// What is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropTarget {
    /// A collection with everything in it: its name is free at once, its files go soon.
    Collection(CollectionId),
    /// A partition: answered when its rows are gone from every shard.
    Partition {
        /// Of which collection.
        collection: CollectionId,
        /// The partition.
        partition: PartitionId,
    },
    /// An index: nobody builds it any more, and its files go soon.
    Index {
        /// Of which collection.
        collection: CollectionId,
        /// The index.
        index: IndexId,
    },
}
