//! Requests and replies about collections, partitions, indexes and the server itself.

use crate::{CollectionId, CollectionSchema, IndexDescriptor, Metric, SegmentId, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a request names a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CollectionName {
    /// By name.
    Name(String),
    /// By id.
    Id(CollectionId),
}

/// Makes a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateCollection {
    /// Its name.
    pub name: String,
    /// Its fields; ids and version are given by the server.
    pub schema: CollectionSchema,
    /// Number of shards, 1 to 16; 0 means the default, 1.
    pub shards: u32,
    /// Collection properties.
    pub properties: BTreeMap<String, String>,
    /// Milvus's number of the default consistency level (2, Bounded, unless the user says otherwise).
    pub default_consistency: i32,
}

/// Asks for a number of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCount {
    /// The collection.
    pub collection: String,
    /// Only this partition.
    pub partition: Option<String>,
}

/// Names a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRequest {
    /// The collection.
    pub collection: String,
    /// The partition.
    pub partition: String,
}

/// Makes an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIndex {
    /// The collection.
    pub collection: String,
    /// The field.
    pub field: String,
    /// Name of the index; empty means the field's name.
    pub name: String,
    /// Index type as given; empty means AUTOINDEX.
    pub index_type: String,
    /// Metric; none means COSINE.
    pub metric: Option<Metric>,
    /// Build parameters.
    pub params: BTreeMap<String, String>,
}

/// Removes an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropIndex {
    /// The collection.
    pub collection: String,
    /// Field of the index; may be empty when the name is given.
    pub field: String,
    /// Name of the index; may be empty when the field is given.
    pub name: String,
}

/// An index and how far its building is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexInfo {
    /// The index.
    pub index: IndexDescriptor,
    /// Name of its field.
    pub field: String,
    /// Rows whose best way of being searched is ready (indexed, or in a segment small enough to scan).
    pub indexed_rows: u64,
    /// All rows.
    pub total_rows: u64,
    /// Rows of segments that still wait for their index.
    pub pending_rows: u64,
    /// Why pending rows will get none before somebody acts: a damaged file, or a scalar index
    /// that a node has no memory to build. None while the index is built or ready.
    pub failure: Option<String>,
}

/// Sets or clears the load flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLoaded {
    /// The collection.
    pub collection: String,
    /// The new value.
    pub loaded: bool,
    /// With a load: how many replicas of each shard answer reads from now on. None changes nothing; a release forgets it.
    pub replicas: Option<u32>,
}

/// What flush did for one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushInfo {
    /// The collection.
    pub collection: String,
    /// Segments that hold the flushed rows.
    pub segments: Vec<(ShardId, SegmentId)>,
    /// Everything up to here is durable.
    pub timestamp: Timestamp,
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Version of the program.
    pub version: String,
    /// Random id given at bootstrap.
    pub cluster_id: String,
    /// Name from the configuration.
    pub cluster_name: String,
    /// True when every role can serve.
    pub is_healthy: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// A fresh hybrid timestamp.
    pub now: Timestamp,
}
