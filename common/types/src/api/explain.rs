//! What is told of a search beside its hits: which way each segment was searched, what that cost, where the time went.
//!
//! These types are what users read, as JSON or in Rust: names stay, units stand in the names (`_us` are microseconds), words of
//! enums are written `like_this`. What can be missing is `null`, never left out.

use super::KeyExplanation;
use crate::{GroupId, LogPosition, NodeId, PartitionId, PrimaryKey, SegmentId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to be told beside the hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explain {
    /// Keys of which to tell where they are, and why they are not among the hits; at most
    /// [`WHY_MISSING_MAX`](crate::limits::WHY_MISSING_MAX). Looking for them compares every matching row.
    pub why_missing: Vec<PrimaryKey>,
}

/// How the answer to a search came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The collection searched.
    pub collection: String,
    /// The vector field.
    pub field: String,
    /// The metric, by Milvus's name.
    pub metric: String,
    /// The index that the field is declared to have; a segment may not have it yet.
    pub index: Option<DeclaredIndex>,
    /// What was asked for: the nearest rows, groups of rows, or a page.
    pub answers: AnswerKind,
    /// Query vectors. Figures of a segment are sums over all of them.
    pub queries: u64,
    /// Hits (or groups) asked for, after `offset` ones that were left out.
    pub limit: u64,
    /// Hits (or groups) left out.
    pub offset: u64,
    /// Only these partitions were searched; empty means all.
    pub partitions: Vec<String>,
    /// The filter as it was planned; none means every row matches.
    pub filter: Option<String>,
    /// Search parameters as they were given.
    pub params: BTreeMap<String, String>,
    /// How fresh the answer had to be.
    pub consistency: String,
    /// The whole call within the server that took it.
    pub total_us: u64,
    /// Of that, before the shards were asked: names are looked up (for Strong behind a read index on group 0), the search is checked.
    pub plan_us: u64,
    /// Of that, joining the shards' answers.
    pub merge_us: u64,
    /// What each shard did, and again for each further round that filled groups.
    pub shards: Vec<ShardExplanation>,
    /// The keys asked for, in that order.
    pub keys: Vec<KeyExplanation>,
}

/// An index as the catalogue has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredIndex {
    /// Its name.
    pub name: String,
    /// Its type, as it was asked for (`AUTOINDEX`, `HNSW`, ...).
    pub index_type: String,
}

/// What a search answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// The nearest rows of each query vector.
    #[default]
    Nearest,
    /// The nearest groups.
    Groups,
    /// A page of all matching rows, by distance.
    Page,
}

/// What one shard did, at the replica that answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardExplanation {
    /// The shard's number in its collection.
    pub shard: u32,
    /// 1, or the number of the round that asked it again (groups that are filled, ranks among several shards).
    pub round: u32,
    /// The node whose replica answered.
    pub node: NodeId,
    /// The Raft group of the shard.
    pub group: Option<GroupId>,
    /// The log position of the view that was searched: everything up to it is in the answer, nothing behind it.
    pub position: LogPosition,
    /// The timestamp of that position.
    pub timestamp: Timestamp,
    /// Waiting to be let in: for a place at the gate, which is given or refused at once, and for a free search thread.
    pub admission_us: u64,
    /// Waiting until the replica was fresh enough (the read barrier).
    pub barrier_us: u64,
    /// On the search thread: filter, search, and the output fields.
    pub execute_us: u64,
    /// Of that, copying the hits' output fields.
    pub fetch_us: u64,
    /// Of that, looking for the keys that were asked for.
    pub keys_us: u64,
    /// From the question to the answer as the proxy saw it: the network and other replicas that were asked before included.
    pub proxy_us: u64,
    /// What each segment did.
    pub segments: Vec<SegmentExplanation>,
}

impl ShardExplanation {
    /// Distances that its segments computed.
    pub fn distances(&self) -> u64 {
        self.segments.iter().map(SegmentExplanation::distances).sum()
    }

    /// Bytes that its segments touched.
    pub fn bytes_touched(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes_touched).sum()
    }
}

/// How one segment was searched; counts and times are sums over all query vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentExplanation {
    /// The segment's number in its shard.
    pub segment: SegmentId,
    /// Its partition.
    pub partition: PartitionId,
    /// Whether it takes rows still.
    pub phase: SegmentPhase,
    /// Its rows that the view shows, deleted ones included.
    pub rows: u64,
    /// Those of them that are deleted.
    pub deleted_rows: u64,
    /// Rows that the filter lets through and that are not deleted.
    pub matches: u64,
    /// As many as were assumed when the way was chosen. Filters are evaluated first, so the plan knows the number.
    pub estimated_matches: u64,
    /// The parts of the filter, and how each was answered.
    pub filter_parts: Vec<FilterAnswer>,
    /// The index at hand, used or not.
    pub index: Option<SegmentIndex>,
    /// The way most searches went; several in one call may go different ones (`ways`).
    pub strategy: SegmentStrategy,
    /// Why it was this one, in words.
    pub why: String,
    /// How many searches went which way. A range or groups may search an index several times for one query vector.
    pub ways: Vec<WayTaken>,
    /// How hard the index looked.
    pub effort: Option<Effort>,
    /// Distances computed from the rows' own values.
    pub exact_distances: u64,
    /// Distances computed from codes.
    pub code_distances: u64,
    /// Distances to centroids of inverted lists.
    pub centroid_distances: u64,
    /// Bytes that those distances and the filter's columns read, computed from their numbers and widths, not measured.
    pub bytes_touched: u64,
    /// The share of the true neighbours to expect; none where nothing was measured.
    pub expected_recall: Option<f32>,
    /// Evaluating the filter and the deletes.
    pub filter_us: u64,
    /// Searching among the matches.
    pub search_us: u64,
}

impl SegmentExplanation {
    /// All distances.
    pub fn distances(&self) -> u64 {
        self.exact_distances + self.code_distances + self.centroid_distances
    }
}

/// Where a segment is in its life, as far as a search minds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentPhase {
    /// In memory, takes rows.
    #[default]
    Growing,
    /// In a file.
    Sealed,
}

/// The index file of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIndex {
    /// What it is (`HNSW`, `IVF_FLAT`, ...): where AUTOINDEX was declared, what that came to.
    pub kind: String,
    /// What it was built with.
    pub params: BTreeMap<String, String>,
}

/// A part of a filter that all matching rows meet, and how that was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterAnswer {
    /// The part as it was planned.
    pub part: String,
    /// How its rows were found.
    pub how: String,
}

/// A way to the nearest rows of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentStrategy {
    /// No row matches: nothing was compared.
    #[default]
    NoMatch,
    /// Every matching row was compared, without an index.
    ExactScan,
    /// There is an index, and it compared every matching row, because that was estimated to be cheaper than a walk.
    BruteForce,
    /// The graph was walked; rows that do not match were stepping stones.
    GraphWalk,
    /// The graph was walked from match to match, over at most one row between.
    GraphTwoHop,
    /// A walk found too little or cost too much, and the guard finished it: every matching row was compared.
    GraphThenBruteForce,
    /// Inverted lists were read.
    ListsProbed,
}

impl SegmentStrategy {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            SegmentStrategy::NoMatch => "no match",
            SegmentStrategy::ExactScan => "exact scan",
            SegmentStrategy::BruteForce => "brute force",
            SegmentStrategy::GraphWalk => "graph walk",
            SegmentStrategy::GraphTwoHop => "graph two-hop",
            SegmentStrategy::GraphThenBruteForce => "graph, then brute force",
            SegmentStrategy::ListsProbed => "lists probed",
        }
    }
}

/// How many searches went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayTaken {
    /// The way.
    pub strategy: SegmentStrategy,
    /// Searches.
    pub searches: u64,
}

/// How hard an index looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// `ef` of a graph, `nprobe` of inverted lists.
    pub parameter: String,
    /// Its value; the largest, where several searches had different ones.
    pub value: u64,
    /// Candidates that got their exact distance at the end; 0 for an index that goes by exact distances anyway.
    pub refined: u64,
    /// Who said so: `given`, `default`, `level 3`, `recall 0.95`.
    pub set_by: String,
}
