//! Searching and querying a shard, at any replica.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_types::api::*;
use vecraft_types::*;

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
    /// Query vectors, of the field's type.
    pub vectors: Arc<QueryVectors>,
    /// Hits a query (offset included).
    pub k: usize,
    /// Filter expression; empty means all rows.
    pub filter: String,
    /// Index search parameters.
    pub params: BTreeMap<String, String>,
    /// Fields to return with the hits, the primary key always among them.
    pub output: Vec<FieldId>,
    /// Groups instead of single rows; `k` counts groups then.
    pub group_by: Option<ShardGroupBy>,
    /// A page of all matching rows; `k` rows of it, and those as near as the last.
    pub page: Option<SearchPage>,
    /// Freshness.
    pub consistency: Consistency,
    /// The pinned moment to be shown (I18); none shows the present.
    pub at: Option<Timestamp>,
    /// How long the caller still waits, in milliseconds.
    pub deadline_ms: u64,
    /// Tell with the hits how they were found.
    pub explain: Option<ShardExplain>,
}

/// What a shard is asked to tell beside its hits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardExplain {
    /// Keys of this shard of which to tell what became of them.
    pub keys: Vec<PrimaryKey>,
    /// Of each of these distances (smaller is nearer, for every metric): how many matching rows are nearer, and how many as near.
    pub distances: Vec<f32>,
}

/// How a shard groups its hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardGroupBy {
    /// The field; of a type that can group, and one of the output.
    pub field: FieldId,
    /// Rows of a group, at most.
    pub size: usize,
    /// Every group has all its rows, if there are at most `k` groups.
    pub is_strict: bool,
}

/// Hits of one shard, query after query, nearest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardHits {
    /// Hits of each query.
    pub counts: Vec<usize>,
    /// Milvus scores.
    pub scores: Vec<f32>,
    /// The share of the true neighbours to expect among each query's hits; `None` where nothing was measured. Empty for
    /// groups and pages.
    pub recalls: Vec<Option<f32>>,
    /// One row a hit, columns as asked.
    pub rows: RowBatch,
    /// The view searched contains everything up to here.
    pub timestamp: Timestamp,
    /// How they were found, if that was asked.
    pub explained: Option<Box<ShardExplained>>,
}

/// What a shard tells beside its hits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardExplained {
    /// What it did.
    pub shard: ShardExplanation,
    /// What became of each key, ranks and places being those within the shard.
    pub keys: Vec<ShardKey>,
    /// Of each distance, the rows before it.
    pub nearer: Vec<Nearer>,
}

/// What became of a key within its shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardKey {
    /// What became of it.
    pub told: KeyExplanation,
    /// How far it is from the query, if it matches.
    pub distance: Option<f32>,
}

/// Matching rows before a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearer {
    /// Nearer than it.
    pub rows: u64,
    /// Just as near.
    pub as_near: u64,
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
    /// The pinned moment to be shown (I18); none shows the present.
    pub at: Option<Timestamp>,
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

    /// The position that a pinned moment of the shard means, for a read of these partitions; none means all (I18). What is not known
    /// here may be so behind a read index.
    fn pinned(&self, shard: ShardId, at: Timestamp, partitions: &[PartitionId]) -> Result<LogPosition>;

    /// Why this node shows no view of the shard: not here, or out of service with a reason (I24).
    fn absent(&self, shard: ShardId) -> Error {
        Error::unknown_shard("this node does not show the shard", shard)
    }
}
