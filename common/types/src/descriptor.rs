//! What the catalogue knows about a collection; read by proxies, data and query actors.

use crate::schema::IndexSpec;
use crate::{CollectionId, CollectionSchema, GroupId, IndexId, PartitionId, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The property that says how many replicas answer reads, under Milvus's name. Set by loading with `replica_number`.
pub const REPLICA_NUMBER: &str = "collection.replica.number";

/// A collection as the metastore holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectionDescriptor {
    /// Never reused.
    pub id: CollectionId,
    /// Unique within the database at any moment.
    pub name: String,
    /// The fields.
    pub schema: CollectionSchema,
    /// Where each shard's log lives, by shard index.
    pub shards: Vec<ShardPlacement>,
    /// In order of creation; the default partition is first.
    pub partitions: Vec<PartitionDescriptor>,
    /// In order of creation.
    pub indexes: Vec<IndexDescriptor>,
    /// As given by users (`milvus.strict_load`, `pk.on_conflict`, ...).
    pub properties: BTreeMap<String, String>,
    /// Consistency level used when a request names none (Milvus's number: 0 Strong, 1 Session, 2 Bounded, 3 Eventually).
    pub default_consistency: i32,
    /// Whether users asked to load it. Search needs this only with `milvus.strict_load = true`.
    pub is_loaded: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When the schema last changed; clients send it back with inserts.
    pub updated: Timestamp,
    /// Where its DDL stands (I11).
    pub phase: DdlPhase,
}

/// The life of a collection's rows in the metastore (I11): intent, then entries in every shard log, then done.
///
/// `Creating -> Ready -> Dropping -> (row removed)`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DdlPhase {
    /// Its shards are being created; names are taken, nobody can use it.
    Creating,
    /// Usable.
    Ready,
    /// Its name is free again; its shards are being dropped.
    Dropping,
}

/// Which group carries a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlacement {
    /// The shard.
    pub shard: ShardId,
    /// Its group.
    pub group: GroupId,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDescriptor {
    /// Never reused.
    pub id: PartitionId,
    /// Unique within the collection.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexDescriptor {
    /// Never reused.
    pub id: IndexId,
    /// What was asked for.
    pub spec: IndexSpec,
    /// When it was created.
    pub created: Timestamp,
}

impl CollectionDescriptor {
    /// The partition of this name.
    pub fn partition(&self, name: &str) -> Option<&PartitionDescriptor> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    /// The first index on a field, if any. A vector field has at most one, a JSON field one for each path.
    pub fn index_on(&self, field: crate::FieldId) -> Option<&IndexDescriptor> {
        self.indexes.iter().find(|index| index.spec.field == field)
    }

    /// How many replicas of each shard answer reads; none means all.
    pub fn replicas(&self) -> Option<usize> {
        self.properties.get(REPLICA_NUMBER)?.parse().ok()
    }

    /// Whether search and query need a load first (`milvus.strict_load`).
    pub fn is_strict_load(&self) -> bool {
        self.properties.get("milvus.strict_load").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
