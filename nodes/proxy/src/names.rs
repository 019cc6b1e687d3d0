//! From names to ids: databases, collections, partitions, fields.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, is_unavailable};
use std::sync::Arc;
use vecraft_types::api::{Call, CollectionName, Consistency};
use vecraft_types::limits::DEFAULT_DATABASE;
use vecraft_types::{
    Code, CollectionDescriptor, CollectionSchema, DdlPhase, Error, FieldSchema, PartitionId, Result,
};

/// How current a name must be (I19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameFreshness {
    /// Linearizable: for writes, DDL and Strong reads.
    Latest,
    /// What this node has; only "not found" is asked again.
    AsKnown,
}

impl From<Consistency> for NameFreshness {
    fn from(level: Consistency) -> NameFreshness {
        if level == Consistency::Strong { NameFreshness::Latest } else { NameFreshness::AsKnown }
    }
}

impl Proxy {
    /// The usable collection of a name or id, after a barrier (I19: a miss is never answered without one).
    pub(crate) async fn newest_collection(
        &self,
        call: &Call,
        name: &CollectionName,
    ) -> Result<Arc<CollectionDescriptor>> {
        check_database(call)?;
        if *name == CollectionName::Name(String::new()) {
            return Err(Error::new(Code::MissingParameter, "the collection name is empty"));
        }
        self.catalogue.barrier().await?;
        self.usable(name).ok_or_else(|| {
            let error = Error::new(Code::CollectionNotFound, "").with("database", DEFAULT_DATABASE);
            match name {
                CollectionName::Name(name) => error.with("collection", name),
                CollectionName::Id(id) => error.with("collection", id),
            }
        })
    }

    /// The same by name, asked again while the metastore cannot be reached, until the deadline.
    pub(crate) async fn collection_named(
        &self,
        call: &Call,
        deadline: &Deadline,
        name: &str,
        freshness: NameFreshness,
    ) -> Result<Arc<CollectionDescriptor>> {
        let name = CollectionName::Name(name.to_owned());
        self.collection_by(call, deadline, &name, freshness).await
    }

    /// The same of a name or an id.
    pub(crate) async fn collection_by(
        &self,
        call: &Call,
        deadline: &Deadline,
        name: &CollectionName,
        freshness: NameFreshness,
    ) -> Result<Arc<CollectionDescriptor>> {
        check_database(call)?;
        if freshness == NameFreshness::AsKnown
            && let Some(found) = self.usable(name)
        {
            return Ok(found);
        }
        // Only the metastore can say that it is not there.
        let look_up = || self.newest_collection(call, name);
        deadline.retry(Ask::look_up("looking up the collection"), is_unavailable, look_up).await
    }

    /// The collection of a read. When what is known here lacks something that the read names, it is looked up anew before
    /// anybody hears "not found" (I19): another node's door may have taken the DDL a moment ago.
    pub(crate) async fn collection_to_read(
        &self,
        call: &Call,
        deadline: &Deadline,
        name: &str,
        level: Consistency,
        lacks: impl Fn(&CollectionDescriptor) -> bool,
    ) -> Result<Arc<CollectionDescriptor>> {
        let freshness = NameFreshness::from(level);
        let found = self.collection_named(call, deadline, name, freshness).await?;
        if freshness == NameFreshness::Latest || !lacks(&found) {
            return Ok(found);
        }
        self.collection_named(call, deadline, name, NameFreshness::Latest).await
    }

    /// A collection that can be read and written, as this node knows it.
    pub(crate) fn usable(&self, name: &CollectionName) -> Option<Arc<CollectionDescriptor>> {
        let found = match name {
            CollectionName::Name(name) => self.catalogue.by_name(name),
            CollectionName::Id(id) => self.catalogue.by_id(*id),
        };
        // A collection without shards could hold no row; the coordinator never makes one Ready.
        found.filter(|collection| collection.phase == DdlPhase::Ready && !collection.shards.is_empty())
    }
}

/// Only the default database exists; others are an error (800).
pub(crate) fn check_database(call: &Call) -> Result<()> {
    if call.database.is_empty() || call.database == DEFAULT_DATABASE {
        return Ok(());
    }
    Err(Error::new(Code::DatabaseNotFound, "").with("database", &call.database))
}

/// The partitions of some names.
pub(crate) fn partition_ids(collection: &CollectionDescriptor, names: &[String]) -> Result<Vec<PartitionId>> {
    let mut ids = names.iter().map(|name| partition_id(collection, name)).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The partition of a name.
pub(crate) fn partition_id(collection: &CollectionDescriptor, name: &str) -> Result<PartitionId> {
    let found = collection.partition(name).map(|partition| partition.id);
    found.ok_or_else(|| {
        Error::new(Code::PartitionNotFound, "").with("collection", &collection.name).with("partition", name)
    })
}

/// The primary key field. A schema without one cannot have passed its check.
pub(crate) fn primary_field(schema: &CollectionSchema) -> Result<&FieldSchema> {
    schema.primary_field().ok_or_else(|| Error::internal("the schema has no primary key"))
}

/// The error for a field that is not there.
pub(crate) fn field_not_found(schema: &CollectionSchema, name: &str) -> Error {
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    Error::new(
        Code::FieldNotFound,
        format!("field {name:?} does not exist, the schema has {}", names.join(", ")),
    )
    .with("field", name)
}
