//! The verbs of [`Database`](vecraft_types::api::Database) as a tarpc service: what Vecraft's own clients speak.
//!
//! One method a verb, requests and replies as they are. The inner `Result` is the database's answer; everything
//! about the connection is tarpc's outer error. A new verb goes at the end: bincode numbers the variants.

// The service macro writes public types that cannot carry comments of ours.
#![allow(missing_docs)]

use vecraft_types::api::*;
use vecraft_types::{CollectionDescriptor, CollectionId, Result};

/// See [`Database`](vecraft_types::api::Database), method by method.
#[tarpc::service]
pub trait DatabaseService {
    /// Creates a collection.
    async fn create_collection(call: Call, request: CreateCollection) -> Result<()>;
    /// Drops a collection.
    async fn drop_collection(call: Call, name: String) -> Result<()>;
    /// One collection.
    async fn describe_collection(call: Call, name: CollectionName) -> Result<CollectionDescriptor>;
    /// All collections.
    async fn list_collections(call: Call) -> Result<Vec<CollectionDescriptor>>;
    /// Exact number of rows.
    async fn row_count(call: Call, request: RowCount) -> Result<u64>;
    /// Creates a partition.
    async fn create_partition(call: Call, request: PartitionRequest) -> Result<()>;
    /// Drops a partition.
    async fn drop_partition(call: Call, request: PartitionRequest) -> Result<()>;
    /// Creates an index.
    async fn create_index(call: Call, request: CreateIndex) -> Result<()>;
    /// Drops an index.
    async fn drop_index(call: Call, request: DropIndex) -> Result<()>;
    /// The indexes of a collection.
    async fn describe_indexes(call: Call, collection: String) -> Result<Vec<IndexInfo>>;
    /// Sets or clears the load flag.
    async fn set_loaded(call: Call, request: SetLoaded) -> Result<()>;
    /// Adds rows.
    async fn insert(call: Call, request: InsertRequest) -> Result<MutationReply>;
    /// Adds rows, replacing those whose key exists.
    async fn upsert(call: Call, request: InsertRequest) -> Result<MutationReply>;
    /// Deletes rows.
    async fn delete(call: Call, request: DeleteRequest) -> Result<MutationReply>;
    /// Nearest rows.
    async fn search(call: Call, request: SearchRequest) -> Result<SearchReply>;
    /// Rows by filter.
    async fn query(call: Call, request: QueryRequest) -> Result<QueryReply>;
    /// Makes everything acknowledged durable in files.
    async fn flush(call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>>;
    /// Health and versions.
    async fn server_info(call: Call) -> Result<ServerInfo>;
    /// An operator's verb on the nodes.
    async fn cluster(call: Call, request: ClusterRequest) -> Result<ClusterReply>;
    /// Which nodes serve what.
    async fn topology(call: Call, request: TopologyRequest) -> Result<TopologyReply>;
    /// Asks for a compaction.
    async fn compact(call: Call, request: CompactRequest) -> Result<CollectionId>;
    /// The segments of a collection.
    async fn segments(call: Call, collection: CollectionName) -> Result<CollectionSegments>;
}
