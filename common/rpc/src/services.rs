//! What one role may ask of another.
//!
//! Each trait has a local implementation (the role itself) and, with several nodes, a remote one. Callers hold
//! `Arc<dyn Trait>` and do not know which.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_types::api::*;
use vecraft_types::*;

/// A change of one shard's rows, as the proxy hands it to the shard leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardWrite {
    /// The shard.
    pub shard: ShardId,
    /// The schema version the rows were encoded with (I11).
    pub schema_version: u32,
    /// Names this part of the request for ever (I10).
    pub request: RequestId,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
    /// What to do.
    pub change: RowChange,
}

/// What to do with rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RowChange {
    /// Add rows; `batch` is [`RowBatch::encode`]d, all columns of the schema present.
    Insert {
        /// Partition of the new rows.
        partition: PartitionId,
        /// The rows.
        batch: Bytes,
        /// Replace rows whose key exists, whatever the collection's conflict rule is.
        is_upsert: bool,
    },
    /// Delete by key; only rows of `partition` when it is given.
    DeleteKeys {
        /// Only in this partition.
        partition: Option<PartitionId>,
        /// The keys.
        keys: Vec<PrimaryKey>,
    },
    /// Delete by filter, resolved by the leader (I12).
    DeleteWhere {
        /// Only in these partitions; empty means all.
        partitions: Vec<PartitionId>,
        /// Filter expression.
        filter: String,
    },
}

/// What a write did to one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardWritten {
    /// Where in the group's log.
    pub position: LogPosition,
    /// The entry's timestamp, fixed by apply (I9).
    pub timestamp: Timestamp,
    /// Rows added.
    pub inserted: u64,
    /// Rows that stopped living (deleted or replaced).
    pub deleted: u64,
    /// Set when an insert was recognised as one applied before (I10): the keys that its rows got then, in their order.
    /// Empty when its rows are no longer here.
    pub earlier_keys: Option<Vec<PrimaryKey>>,
}

/// Rows and segments of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStats {
    /// Live rows by partition.
    pub rows: BTreeMap<PartitionId, u64>,
    /// Segments with their rows (dead ones included) and whether they are sealed.
    pub segments: Vec<(SegmentId, u64, bool)>,
    /// Rows in sealed segments whose index is wanted but not ready, by index.
    pub pending_index_rows: BTreeMap<IndexId, u64>,
    /// What is damaged of the shard's files on the leader's node; nothing is built over those.
    pub damage: Option<String>,
    /// Position the figures belong to.
    pub position: LogPosition,
    /// Timestamp the figures belong to.
    pub timestamp: Timestamp,
}

/// The shard leader's side of writing. Served by the data role.
#[async_trait]
pub trait ShardWriter: Send + Sync {
    /// Writes rows; returns once they are durable on a majority and visible to reads.
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten>;
    /// Makes everything acknowledged so far durable in files; answers the position reached.
    async fn flush(&self, shard: ShardId) -> Result<ShardStats>;
    /// Waits until everything committed before the call is visible here, then counts rows and segments.
    async fn stats(&self, shard: ShardId) -> Result<ShardStats>;
}

/// One shard's part of a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardSearch {
    /// The shard.
    pub shard: ShardId,
    /// Only these partitions; empty means all.
    pub partitions: Vec<PartitionId>,
    /// The vector field.
    pub field: FieldId,
    /// The metric.
    pub metric: Metric,
    /// Dimension of the queries.
    pub dim: u32,
    /// Query vectors, one after another.
    pub vectors: Arc<Vec<f32>>,
    /// Hits a query (offset included).
    pub k: usize,
    /// Filter expression; empty means all rows.
    pub filter: String,
    /// Index search parameters.
    pub params: BTreeMap<String, String>,
    /// Fields to return with the hits, the primary key always among them.
    pub output: Vec<FieldId>,
    /// Freshness.
    pub consistency: Consistency,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
}

/// Hits of one shard, query after query, nearest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardHits {
    /// Hits of each query.
    pub counts: Vec<usize>,
    /// Milvus scores.
    pub scores: Vec<f32>,
    /// One row a hit, columns as asked.
    pub rows: RowBatch,
    /// The view searched contains everything up to here.
    pub timestamp: Timestamp,
}

/// One shard's part of a query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardQuery {
    /// The shard.
    pub shard: ShardId,
    /// Only these partitions; empty means all.
    pub partitions: Vec<PartitionId>,
    /// Filter expression; empty means all rows.
    pub filter: String,
    /// Fields to return, the primary key among them; empty means only count.
    pub output: Vec<FieldId>,
    /// Most rows (offset included), in primary key order; none means all.
    pub limit: Option<usize>,
    /// Freshness.
    pub consistency: Consistency,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
}

/// Matching rows of one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardRows {
    /// Number of matching rows, whatever the limit.
    pub count: u64,
    /// Rows in primary key order; no columns when only the count was asked.
    pub rows: RowBatch,
    /// The view read contains everything up to here.
    pub timestamp: Timestamp,
}

/// Reads on one replica of a shard. Served by the query role.
#[async_trait]
pub trait ShardReader: Send + Sync {
    /// Nearest rows.
    async fn search(&self, search: ShardSearch) -> Result<ShardHits>;
    /// Rows by filter.
    async fn query(&self, query: ShardQuery) -> Result<ShardRows>;
}

/// Lets a reader wait for freshness. Served by the data role of the same node: it owns the groups.
#[async_trait]
pub trait ReadBarrier: Send + Sync {
    /// Returns when this node's view of the shard satisfies the consistency level (I15, I16, I17).
    async fn wait(&self, shard: ShardId, consistency: Consistency, deadline_ms: u64) -> Result<()>;

    /// Why this node shows no view of the shard: not here, or out of service with a reason (I24).
    fn absent(&self, shard: ShardId) -> Error {
        Error::new(Code::ReplicaUnavailable, "this node does not show the shard").with("shard", shard)
    }
}

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
    /// Makes a collection; returns when its shards exist (I11).
    async fn create_collection(&self, request: CreateCollection) -> Result<()>;
    /// Drops the collection that holds the name now; its name is free at once, its files go soon. Ask it once: asked again,
    /// it may hit one that somebody made since. Nodes use [`CatalogueWriter::drop_exactly`].
    async fn drop_collection(&self, name: String) -> Result<()>;
    /// Makes a partition.
    async fn create_partition(&self, request: PartitionRequest) -> Result<()>;
    /// Drops a partition; returns when its rows are gone from every shard. Ask it once, as above.
    async fn drop_partition(&self, request: PartitionRequest) -> Result<()>;
    /// Makes an index.
    async fn create_index(&self, request: CreateIndex) -> Result<()>;
    /// Drops an index.
    async fn drop_index(&self, request: DropIndex) -> Result<()>;
    /// Sets or clears the load flag.
    async fn set_loaded(&self, request: SetLoaded) -> Result<()>;
    /// A range of `count` unused row ids; the first is returned (auto-id, never given twice).
    async fn allocate_ids(&self, count: u64) -> Result<i64>;
    /// The collection that holds a name now, also one that is not ready yet.
    async fn holder_of(&self, name: String) -> Result<Option<CollectionId>>;
    /// Drops what has this id, as [`CatalogueWriter::drop_collection`] and [`CatalogueWriter::drop_partition`] do. What is
    /// gone is no error, and asked again it hits nothing else: ids are never used twice (I11).
    async fn drop_exactly(&self, target: DropTarget) -> Result<()>;
}

/// What is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropTarget {
    /// A collection with everything in it.
    Collection(CollectionId),
    /// A partition with its rows.
    Partition {
        /// Of which collection.
        collection: CollectionId,
        /// The partition.
        partition: PartitionId,
    },
}

/// Where groups and their leaders are, as far as this node knows. Memory only, and may be out of date: whoever is asked
/// wrongly refuses.
pub trait Topology: Send + Sync {
    /// This node.
    fn own(&self) -> NodeId;
    /// The group that holds a shard.
    fn group_of(&self, shard: ShardId) -> Option<GroupId>;
    /// The node that leads a group.
    fn leader_of(&self, group: GroupId) -> Option<NodeId>;
    /// The nodes with a replica of a group.
    fn nodes_of(&self, group: GroupId) -> Vec<NodeId>;
    /// How many replicas of a shard answer reads; none means all.
    fn replicas_of(&self, shard: ShardId) -> Option<usize>;
}

/// What one replica of a group holds, in numbers that others compare (I22, I23).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDigest {
    /// Its hash at positions of the log, oldest first.
    pub marks: Vec<(LogPosition, u64)>,
    /// Checksums of the column files of sealed segments.
    pub files: Vec<(ShardId, SegmentId, u64)>,
}

/// What this node's replicas hold. Served by the data role.
#[async_trait]
pub trait GroupDigests: Send + Sync {
    /// The digest of this node's replica.
    async fn digest(&self, group: GroupId) -> Result<GroupDigest>;
}

/// What other nodes' replicas hold.
#[async_trait]
pub trait DigestsElsewhere: Send + Sync {
    /// As [`GroupDigests::digest`] on that node.
    async fn digest(&self, node: NodeId, group: GroupId) -> Result<GroupDigest>;
}

/// Life and death of shards, and which index files count: entries of the shard's own log (I11, I13). Served by the data
/// role that leads the shard's group, asked by the coordinator and by index roles; every call may be repeated.
#[async_trait]
pub trait ShardAdmin: Send + Sync {
    /// Writes CreateShard.
    async fn create_shard(&self, group: GroupId, descriptor: ShardCreation) -> Result<()>;
    /// Writes DropShard.
    async fn drop_shard(&self, group: GroupId, shard: ShardId) -> Result<()>;
    /// Writes DropPartition.
    async fn drop_partition(&self, group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()>;
    /// Writes IndexReady for a durable file (I13). Answers the build in force after the entry; none when the segment
    /// vanished or takes rows.
    async fn index_ready(
        &self,
        group: GroupId,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>>;
    /// Writes IndexDropped (I13).
    async fn index_dropped(&self, group: GroupId, shard: ShardId, index: IndexId) -> Result<()>;
    /// The node that takes a group's writes, as far as this one knows; none when nobody does, or nobody has said yet.
    fn leader_of(&self, group: GroupId) -> Option<NodeId>;
}

/// Which index builds the shards' logs name (I13), as this node's replicas have applied them. Served by the data role,
/// asked by the index role of the same node; every call may be repeated.
#[async_trait]
pub trait IndexLedger: Send + Sync {
    /// The builds in force on a shard; none when the shard is not here. Memory only. An error when nobody can say: the
    /// shard's group is out of service here, and its files stay.
    fn builds(&self, shard: ShardId) -> Result<Option<Vec<(SegmentId, IndexBuild)>>>;
    /// Returns when this node has applied everything that was committed before the call: what [`IndexLedger::builds`]
    /// does not name afterwards, no log named before.
    async fn settle(&self) -> Result<()>;
    /// Has the leader write IndexReady for a durable file; returns when it is applied here. Answers the build in force
    /// after the entry; none when the segment vanished or takes rows.
    async fn index_ready(
        &self,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>>;
    /// Has the leader write IndexDropped; returns when it is applied here.
    async fn index_dropped(&self, shard: ShardId, index: IndexId) -> Result<()>;
}

/// What a new shard must know (I11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardCreation {
    /// The shard.
    pub shard: ShardId,
    /// Its schema.
    pub schema: CollectionSchema,
}
