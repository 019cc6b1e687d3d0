//! Requests and replies that read rows.

use super::{Explain, Explanation, NamedRows};
use crate::{Metric, QueryVectors, RowBatch, ShardId, Timestamp};
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

impl Consistency {
    /// Whether reads at this level go by what their session has written and read (I20).
    pub fn follows_session(self) -> bool {
        matches!(self, Consistency::Session(_) | Consistency::Bounded(..))
    }

    /// The same, and everything up to `own` beside, if the level goes by a session.
    #[must_use]
    pub fn at_least(self, own: Timestamp) -> Consistency {
        match self {
            Consistency::Session(at) => Consistency::Session(at.max(own)),
            Consistency::Bounded(ms, at) => Consistency::Bounded(ms, at.max(own)),
            other => other,
        }
    }
}

/// Which moment a read shows (I18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// The present, as far as the consistency level wants it.
    #[default]
    Present,
    /// The present, everything acknowledged before the call included; and reads may go back to it. The reply's timestamp is
    /// its name.
    Begin,
    /// That of an earlier reply. An error when it ended: an hour later, or sooner when very many began.
    Of(Timestamp),
}

/// Up to when an answer showed a shard. Timestamps of different groups have no common order, so each shard has its own:
/// the largest of all would make every other shard look behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The shard.
    pub shard: ShardId,
    /// Everything up to here was shown.
    pub timestamp: Timestamp,
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
    /// Groups instead of single rows; `limit` and `offset` count groups then.
    pub group_by: Option<GroupBy>,
    /// A page of all matching rows instead of the nearest ones alone.
    pub page: Option<SearchPage>,
    /// Freshness; nothing when the moment is another than the present.
    pub consistency: Consistency,
    /// The moment shown.
    pub moment: Moment,
    /// What the session has seen: a level that goes by the session shows no less of these shards (I20). Shards of other
    /// collections are passed over.
    pub seen: Vec<Seen>,
    /// Tell with the answer how it came about. None tells nothing, and costs nothing.
    pub explain: Option<Explain>,
}

/// Rows with the same value are one group, which stands where its nearest row stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupBy {
    /// The field: Bool, an integer or VarChar. Rows without a value are a group too.
    pub field: String,
    /// Rows of a group, at most; with `offset + limit` groups 16,384 rows at most.
    pub size: usize,
    /// Fill every group as far as it has rows. Else further rows are those that were seen on the way.
    pub is_strict: bool,
}

/// A page of all matching rows by distance, for one query vector: at least `limit` rows while there are so many, and all those
/// that are as near as the last of them. The next page begins behind the score of that one, so no row is lost or told twice
/// as long as the pages are of one [`Moment`]. Every matching row is compared, whatever index there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchPage {
    /// The score that the page before ended with.
    pub after: Option<f32>,
}

/// Hits, query after query, nearest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchReply {
    /// Hits of each query.
    pub counts: Vec<usize>,
    /// Score of each hit in Milvus's terms (L2 squared; the others as they are).
    pub scores: Vec<f32>,
    /// The share of the true neighbours to expect among the hits of each query, by what was measured when the indexes were
    /// built: 1 where every match was compared. Empty where nothing was measured, for groups, pages and ranges.
    pub recalls: Vec<f32>,
    /// Name of the primary key field; always a column of `rows`, the first.
    pub primary_field: String,
    /// The hits' keys and output fields.
    pub rows: NamedRows,
    /// Names of the requested dynamic keys, which come inside `$meta`.
    pub output_fields: Vec<String>,
    /// The value of each hit's group as the only column, when groups were asked for; the hits of a group follow one
    /// another.
    pub groups: Option<RowBatch>,
    /// The data seen contains everything up to here, of the shard that has come the furthest; the name of the moment when it
    /// was another than the present.
    pub timestamp: Timestamp,
    /// The same of each shard that was asked.
    pub seen: Vec<Seen>,
    /// How the answer came about, if that was asked.
    pub explanation: Option<Box<Explanation>>,
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
    /// Freshness; nothing when the moment is another than the present.
    pub consistency: Consistency,
    /// The moment shown.
    pub moment: Moment,
    /// What the session has seen: a level that goes by the session shows no less of these shards (I20). Shards of other
    /// collections are passed over.
    pub seen: Vec<Seen>,
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
    /// The data seen contains everything up to here, of the shard that has come the furthest; the name of the moment when it
    /// was another than the present.
    pub timestamp: Timestamp,
    /// The same of each shard that was asked.
    pub seen: Vec<Seen>,
}
