//! Indexes: create, drop, describe with their progress.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::{NameFreshness, field_not_found};
use std::collections::BTreeSet;
use vecraft_expr::JsonPath;
use vecraft_index::IndexSpec;
use vecraft_rpc::services::{DropTarget, ShardStats};
use vecraft_types::api::{Call, CollectionName, CreateIndex, DropIndex, IndexInfo};
use vecraft_types::limits::{META_FIELD, NAME_CHARS_MAX};
use vecraft_types::schema::{
    JSON_CAST_TYPE, JSON_PATH, check_name, check_scalar_index, check_vector_index, is_scan,
};
use vecraft_types::{
    Code, CollectionDescriptor, CollectionSchema, DataType, Error, FieldSchema, IndexDescriptor, Result,
};

impl Proxy {
    pub(crate) async fn make_index(&self, call: Call, asked: CreateIndex) -> Result<()> {
        if !asked.name.is_empty() {
            check_name("index", &asked.name)?;
        }
        let (deadline, request) = (self.deadline(&call), self.request_id(call.request)?);
        let collection =
            self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        let asked = match collection.schema.field(&asked.field) {
            Some(field) if field.data_type.is_vector() => {
                check_vectors(field, &asked)?;
                asked
            }
            _ => scalar_index(&collection, asked)?,
        };
        // Under a name, and on the collection of this id, as partitions are made.
        let attempt = || self.catalogue_writer.create_index(request, collection.id, asked.clone());
        deadline.retry(Ask::ddl("create index"), is_unavailable, attempt).await?;
        self.seal_for_index(&call, &asked).await;
        Ok(())
    }

    /// Only sealed segments get an index, so what is large and in memory is flushed now rather than with the next
    /// flush. The index is made whatever comes of it: rows without one are scanned, and sealing by size or age
    /// comes anyway.
    async fn seal_for_index(&self, call: &Call, asked: &CreateIndex) {
        let deadline = self.deadline(call);
        // Read again: the index is new.
        let found = self.collection_named(call, &deadline, &asked.collection, NameFreshness::Latest).await;
        let Ok(collection) = found else { return };
        let Some(field) = collection.schema.field(&asked.field) else { return };
        let path = asked.params.get(JSON_PATH);
        let is_it = |index: &&IndexDescriptor| {
            index.spec.field == field.id
                && (field.data_type.is_vector() || index.spec.params.get(JSON_PATH) == path)
        };
        let Some(index) = collection.indexes.iter().find(is_it) else { return };
        if is_scan(&index.spec.index_type, &field.data_type) {
            return;
        }
        let Ok(stats) = self.shard_stats(&deadline, &collection).await else { return };
        for (placement, shard) in collection.shards.iter().zip(stats) {
            let in_memory = self.growing_rows(&shard) > 0;
            let waiting = shard.pending_index_rows.get(&index.id).is_some_and(|rows| *rows > 0);
            if in_memory || waiting {
                let attempt = || self.shard_writer.flush(placement.shard);
                let ask = Ask::leader("flush for an index", placement.group);
                let _ = self.retry_in(&collection, &deadline, ask, is_unavailable, attempt).await;
            }
        }
    }

    pub(crate) async fn remove_index(&self, call: Call, asked: DropIndex) -> Result<()> {
        if asked.field.is_empty() && asked.name.is_empty() {
            return Err(Error::new(Code::MissingParameter, "dropping an index needs its name or its field"));
        }
        for (what, name) in [("field", &asked.field), ("index", &asked.name)] {
            if !name.is_empty() && name != META_FIELD {
                check_name(what, name)?;
            }
        }
        let deadline = self.deadline(&call);
        let found = self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        // A field that is not there has no index. Dropping what is not there succeeds.
        let index = match asked.name.is_empty() {
            true => only_index_on(&found, &asked.field)?,
            false => found.indexes.iter().find(|index| index.spec.name == asked.name),
        };
        let Some(index) = index.map(|index| index.id) else { return Ok(()) };
        // By its id: an attempt after a lost answer must not hit what another user made under the name since (I11).
        let target = DropTarget::Index { collection: found.id, index };
        let attempt = || self.catalogue_writer.drop_exactly(target);
        deadline.retry(Ask::ddl("drop index"), is_unavailable, attempt).await
    }

    pub(crate) async fn index_progress(&self, call: Call, name: String) -> Result<Vec<IndexInfo>> {
        let name = CollectionName::Name(name);
        let deadline = self.deadline(&call);
        let collection = self.newest_or_known(&call, &deadline, &name, "looking up the collection").await?;
        if collection.indexes.is_empty() {
            return Ok(Vec::new());
        }
        let stats = self.shard_stats(&deadline, &collection).await?;
        let total_rows: u64 = stats.iter().flat_map(|shard| shard.rows.values()).sum();
        let infos = collection.indexes.iter().map(|index| {
            let field = collection.schema.field_by_id(index.spec.field);
            let is_scan = field.is_some_and(|field| is_scan(&index.spec.index_type, &field.data_type));
            // A comparison of all rows is whole from the first row on.
            let growing: u64 =
                if is_scan { 0 } else { stats.iter().map(|shard| self.growing_rows(shard)).sum() };
            let pending =
                stats.iter().filter_map(|shard| shard.pending_index_rows.get(&index.id)).sum::<u64>();
            let waits =
                |shard: &&ShardStats| shard.pending_index_rows.get(&index.id).is_some_and(|rows| *rows > 0);
            let told =
                |shard: &ShardStats| shard.damage.as_ref().or(shard.index_failures.get(&index.id)).cloned();
            let failure = stats.iter().filter(waits).find_map(told);
            IndexInfo {
                index: index.clone(),
                field: field.map(|field| field.name.clone()).unwrap_or_default(),
                // Pending and growing rows are counted by segment and may include deleted ones.
                indexed_rows: total_rows.saturating_sub(pending + growing),
                total_rows,
                pending_rows: pending,
                failure,
            }
        });
        Ok(infos.collect())
    }

    /// Rows of segments that are still in memory and large enough for a graph: a flush, or sealing by size or age, brings
    /// them one. Smaller ones are scanned, which is their index.
    fn growing_rows(&self, shard: &ShardStats) -> u64 {
        let large = |rows: u64| rows >= self.config.flat_rows_max.max(1);
        shard
            .segments
            .iter()
            .filter(|(_, rows, is_sealed)| !is_sealed && large(*rows))
            .map(|(_, rows, _)| rows)
            .sum()
    }
}

/// Refuses an index on vectors that cannot be built.
fn check_vectors(field: &FieldSchema, asked: &CreateIndex) -> Result<()> {
    let dim = field.data_type.dim().unwrap_or(0) as usize;
    IndexSpec::parse(&asked.index_type, &asked.params)
        .and_then(|spec| spec.check_dim(dim))
        .map_err(|error| Error::invalid(error.to_string()).with("field", &field.name))?;
    let index_type = match asked.index_type.as_str() {
        "" => "AUTOINDEX".to_owned(),
        given => given.to_ascii_uppercase(),
    };
    check_vector_index(field, &index_type, asked.metric)?;
    Ok(())
}

/// A scalar index as the metastore is to have it. A name that the schema does not have is a key of the dynamic field when the
/// kind of its values is given; a JSON path that has an index is written as there, and one without a name gets a name of its own.
fn scalar_index(collection: &CollectionDescriptor, mut asked: CreateIndex) -> Result<CreateIndex> {
    let schema = &collection.schema;
    let field = match schema.field(&asked.field) {
        Some(field) => field,
        None => {
            let dynamic = schema.dynamic_field().filter(|_| asked.params.contains_key(JSON_CAST_TYPE));
            let dynamic = dynamic.ok_or_else(|| field_not_found(schema, &asked.field))?;
            let path = asked.params.entry(JSON_PATH.to_owned()).or_default();
            if path.is_empty() {
                path.clone_from(&asked.field);
            }
            asked.field.clone_from(&dynamic.name);
            dynamic
        }
    };
    let at_field = |error: Error| error.with("field", &field.name);
    if let Some(metric) = asked.metric {
        let (metric, kind) = (metric.name(), field.data_type.name());
        let text =
            format!("metric_type {metric} compares vectors, an index on a field of type {kind} has none");
        return Err(at_field(Error::invalid(text)));
    }
    let index = check_scalar_index(field, &asked.index_type, &asked.params)?;
    if field.data_type != DataType::Json {
        return Ok(asked);
    }
    let Some((text, _)) = index.json else { return Ok(asked) };
    let path = JsonPath::parse(&text, schema).map_err(at_field)?;
    if path.field != field.id {
        let text = format!(
            "json_path {text} leads into another field than {:?}, which is to be indexed",
            field.name
        );
        return Err(at_field(Error::invalid(text)));
    }
    let same = collection.indexes.iter().find(|index| is_on_path(index, &path, schema));
    let written = same.and_then(|same| same.spec.params.get(JSON_PATH)).cloned().unwrap_or(text);
    asked.params.insert(JSON_PATH.to_owned(), written);
    if asked.name.is_empty() && same.is_none() {
        asked.name = free_name(collection, &field.name, &path.steps);
    }
    Ok(asked)
}

/// Whether an index is on this path, however that is written.
fn is_on_path(index: &IndexDescriptor, path: &JsonPath, schema: &CollectionSchema) -> bool {
    let known = index.spec.params.get(JSON_PATH).and_then(|known| JsonPath::parse(known, schema).ok());
    index.spec.field == path.field && known.is_some_and(|known| known == *path)
}

/// `meta["a"]["b"]` becomes `meta_a_b`, or `meta_a_b_2` when another index has that name.
fn free_name(collection: &CollectionDescriptor, field: &str, steps: &[String]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let parts: Vec<&str> = std::iter::once(field).chain(steps.iter().map(String::as_str)).collect();
    // Room for a number.
    let name: String = parts.join("_").chars().map(plain).take(NAME_CHARS_MAX - 8).collect();
    let taken: BTreeSet<&str> = collection.indexes.iter().map(|index| index.spec.name.as_str()).collect();
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains(name.as_str())).unwrap_or(name)
}

/// The index on a field that has at most one, or on a key of the dynamic field: by the name under which it was made.
fn only_index_on<'a>(
    collection: &'a CollectionDescriptor,
    field: &str,
) -> Result<Option<&'a IndexDescriptor>> {
    let schema = &collection.schema;
    let Some(field) = schema.field(field) else {
        let Ok(wanted) = JsonPath::parse(field, schema) else { return Ok(None) };
        return Ok(collection.indexes.iter().find(|index| is_on_path(index, &wanted, schema)));
    };
    let mut on_field = collection.indexes.iter().filter(|index| index.spec.field == field.id);
    match (on_field.next(), on_field.next()) {
        (Some(first), Some(second)) => {
            let (first, second) = (&first.spec.name, &second.spec.name);
            let text = format!(
                "the field has several indexes, {first:?} and {second:?} among them: name the one to drop"
            );
            Err(Error::invalid(text).with("field", &field.name))
        }
        (only, _) => Ok(only),
    }
}
