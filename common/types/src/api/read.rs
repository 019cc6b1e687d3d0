//! Requests and replies that read rows.

use super::NamedRows;
use crate::{Metric, QueryVectors, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How fresh a read must be (P4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consistency {
    /// Linearizable per key.
    Strong,
    /// At least as fresh as this timestamp.
    Session(Timestamp),
    /// No staler than so many milliseconds, and at least as fresh as the timestamp.
    Bounded(u64, Timestamp),
    /// Whatever the replica has.
    Eventually,
}

/// Nearest rows to some vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// The collection.
    pub collection: String,
    /// Only these partitions; empty means all.
    pub partitions: Vec<String>,
    /// The vector field; empty means the only one.
    pub field: String,
    /// Dimension of the query vectors.
    pub dim: u32,
    /// Query vectors, of the field's type.
    pub vectors: QueryVectors,
    /// Metric; must equal the index's. None means the index's.
    pub metric: Option<Metric>,
    /// Hits a query, 1 to 16,384.
    pub limit: usize,
    /// Best hits to leave out; `offset + limit` is at most 16,384.
    pub offset: usize,
    /// Filter expression; empty means all rows.
    pub filter: String,
    /// Index search parameters (`ef`, `nprobe`, ...).
    pub params: BTreeMap<String, String>,
    /// Fields to return with each hit.
    pub output_fields: Vec<String>,
    /// Freshness.
    pub consistency: Consistency,
}

/// Hits, query after query, nearest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchReply {
    /// Hits of each query.
    pub counts: Vec<usize>,
    /// Score of each hit in Milvus's terms (L2 squared; the others as they are).
    pub scores: Vec<f32>,
    /// Name of the primary key field; always a column of `rows`, the first.
    pub primary_field: String,
    /// The hits' keys and output fields.
    pub rows: NamedRows,
    /// Names of the requested dynamic keys, which come inside `$meta`.
    pub output_fields: Vec<String>,
    /// The data seen contains everything up to here.
    pub timestamp: Timestamp,
}

/// Rows by filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryRequest {
    /// The collection.
    pub collection: String,
    /// Only these partitions; empty means all.
    pub partitions: Vec<String>,
    /// Filter expression; empty means all rows, then a limit is needed.
    pub filter: String,
    /// Fields to return; `*` means all, `count(*)` alone means the exact count.
    pub output_fields: Vec<String>,
    /// Most rows returned.
    pub limit: Option<usize>,
    /// Rows to leave out, in primary key order.
    pub offset: usize,
    /// Freshness.
    pub consistency: Consistency,
}

/// Rows, or their number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryReply {
    /// The number of matching rows, when `count(*)` was asked.
    pub count: Option<u64>,
    /// The rows, in primary key order.
    pub rows: NamedRows,
    /// Name of the primary key field.
    pub primary_field: String,
    /// Names of the requested output fields; dynamic keys come inside `$meta`.
    pub output_fields: Vec<String>,
    /// The data seen contains everything up to here.
    pub timestamp: Timestamp,
}
