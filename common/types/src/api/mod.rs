//! The verbs: one request and one reply per thing a user can ask, and the trait [`Database`] that serves them.
//!
//! The gateway translates Milvus's wire into these, the tarpc client sends them as they are, the proxy serves
//! them. Nothing here knows how.

mod cluster;
mod ddl;
mod dml;
mod explain;
mod missing;
mod read;
mod segments;
mod topology;

pub use cluster::*;
pub use ddl::*;
pub use dml::*;
pub use explain::*;
pub use missing::*;
pub use read::*;
pub use segments::*;
pub use topology::*;

use crate::{CollectionDescriptor, CollectionId, RequestId, Result, RowBatch};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What travels beside every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Database name; empty means `default`.
    pub database: String,
    /// How long the caller still waits, in milliseconds; none means the server's default.
    pub deadline_ms: Option<u64>,
    /// The request's name, given before it is sent for the first time: what makes something in the catalogue is done once
    /// under it (I10). None: the proxy names it. Writes of rows have theirs in the request.
    pub request: Option<RequestId>,
}

/// Columns with the names users know. `batch.columns[i]` is the column called `names[i]`; its field id is `i`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedRows {
    /// Field names, one a column.
    pub names: Vec<String>,
    /// The values.
    pub batch: RowBatch,
}

impl NamedRows {
    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&crate::Column> {
        let at = self.names.iter().position(|n| n == name)?;
        self.batch.columns.get(at)
    }

    /// Rows with these columns; `None` when they differ in length. Field ids are set to the column numbers.
    pub fn new(columns: Vec<(String, crate::Column)>) -> Option<NamedRows> {
        let (names, mut columns): (Vec<String>, Vec<crate::Column>) = columns.into_iter().unzip();
        columns.iter_mut().enumerate().for_each(|(i, column)| column.field = crate::FieldId(i as u64));
        Some(NamedRows { names, batch: RowBatch::new(columns)? })
    }
}

/// The database as its users see it. Served by the proxy, called by the gateway, and by Rust programs through
/// the tarpc client or embedded: the same trait everywhere.
///
/// Every method may be called from many tasks at once. A write that returned `Ok` is durable (P1); a write that
/// returned an error with [`crate::Code::OutcomeUnknown`] or [`crate::Code::Deadline`] may have happened.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Creates a collection. Creating the same collection again succeeds; a different one of that name fails.
    async fn create_collection(&self, call: Call, request: CreateCollection) -> Result<()>;
    /// Drops a collection and all its rows. A missing one is no error, as in Milvus.
    async fn drop_collection(&self, call: Call, name: String) -> Result<()>;
    /// One collection.
    async fn describe_collection(&self, call: Call, name: CollectionName) -> Result<CollectionDescriptor>;
    /// One collection as this node knows it, perhaps a moment old; only a miss is looked up anew (I19). For a door that
    /// needs the schema of a read: where it costs a question to another node, the read may be cheaper than that.
    async fn known_collection(&self, call: Call, name: CollectionName) -> Result<Arc<CollectionDescriptor>> {
        Ok(Arc::new(self.describe_collection(call, name).await?))
    }
    /// All collections of the database, by name.
    async fn list_collections(&self, call: Call) -> Result<Vec<CollectionDescriptor>>;
    /// Exact number of rows that can be read, of the whole collection or of one partition.
    async fn row_count(&self, call: Call, request: RowCount) -> Result<u64>;
    /// Creates a partition; an existing one is no error.
    async fn create_partition(&self, call: Call, request: PartitionRequest) -> Result<()>;
    /// Drops a partition and its rows; a missing one is no error. The default partition cannot be dropped.
    async fn drop_partition(&self, call: Call, request: PartitionRequest) -> Result<()>;
    /// Creates an index; the same one again is no error.
    async fn create_index(&self, call: Call, request: CreateIndex) -> Result<()>;
    /// Drops an index; a missing one is no error.
    async fn drop_index(&self, call: Call, request: DropIndex) -> Result<()>;
    /// The indexes of a collection with their progress.
    async fn describe_indexes(&self, call: Call, collection: String) -> Result<Vec<IndexInfo>>;
    /// Sets or clears the load flag.
    async fn set_loaded(&self, call: Call, request: SetLoaded) -> Result<()>;
    /// Adds rows. All or nothing per shard; on error the message says what was committed.
    async fn insert(&self, call: Call, request: InsertRequest) -> Result<MutationReply>;
    /// Adds rows, replacing those whose key exists.
    async fn upsert(&self, call: Call, request: InsertRequest) -> Result<MutationReply>;
    /// Deletes rows by key or filter.
    async fn delete(&self, call: Call, request: DeleteRequest) -> Result<MutationReply>;
    /// Nearest rows.
    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply>;
    /// Rows by filter, or their exact count.
    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply>;
    /// Returns when everything acknowledged before the call is in files or the synced log.
    async fn flush(&self, call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>>;
    /// Asks for a compaction of everything written so far, and returns when every shard's log has the ask; `segments` tells
    /// how far it is. Asked again, it asks for what was written since. Answers which collection the name meant.
    async fn compact(&self, call: Call, request: CompactRequest) -> Result<CollectionId>;
    /// The segments of a collection and the compactions under way, as the shards' leaders have them. All shards or an error.
    async fn segments(&self, call: Call, collection: CollectionName) -> Result<CollectionSegments>;
    /// Health and versions.
    async fn server_info(&self, call: Call) -> Result<ServerInfo>;
    /// An operator's verb on the nodes. A database that is no cluster has none.
    async fn cluster(&self, _call: Call, _request: ClusterRequest) -> Result<ClusterReply> {
        Err(crate::Error::new(crate::Code::Unimplemented, "this database has no nodes to speak of"))
    }
    /// Which nodes serve what: a hint, from memory. A database that is no cluster has none.
    async fn topology(&self, _call: Call, _request: TopologyRequest) -> Result<TopologyReply> {
        Err(crate::Error::new(crate::Code::Unimplemented, "this database has no nodes to speak of"))
    }
}
