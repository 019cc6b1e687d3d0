//! Indexes: create, drop, describe with their progress.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::{NameFreshness, field_not_found};
use vecraft_index::IndexSpec;
use vecraft_rpc::services::{DropTarget, ShardStats};
use vecraft_types::api::{Call, CollectionName, CreateIndex, DropIndex, IndexInfo};
use vecraft_types::schema::{check_name, check_vector_index, is_scan};
use vecraft_types::{Code, Error, Result};

impl Proxy {
    pub(crate) async fn make_index(&self, call: Call, asked: CreateIndex) -> Result<()> {
        if !asked.name.is_empty() {
            check_name("index", &asked.name)?;
        }
        let (deadline, request) = (self.deadline(&call), self.request_id(call.request)?);
        let collection =
            self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        let schema = &collection.schema;
        let field = schema.field(&asked.field).ok_or_else(|| field_not_found(schema, &asked.field))?;
        if !field.data_type.is_vector() {
            let kind = if asked.index_type.is_empty() { "an index" } else { asked.index_type.as_str() };
            let data_type = field.data_type.name();
            let text = format!("{kind} on a field of type {data_type} is not supported by this version");
            return Err(Error::invalid(text).with("field", &field.name));
        }
        let dim = field.data_type.dim().unwrap_or(0) as usize;
        IndexSpec::parse(&asked.index_type, &asked.params)
            .and_then(|spec| spec.check_dim(dim))
            .map_err(|error| Error::invalid(error.to_string()).with("field", &field.name))?;
        let index_type = match asked.index_type.as_str() {
            "" => "AUTOINDEX".to_owned(),
            given => given.to_ascii_uppercase(),
        };
        check_vector_index(field, &index_type, asked.metric)?;
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
        let Some(index) = collection.index_on(field.id) else { return };
        if is_scan(&index.spec.index_type, &field.data_type) {
            return;
        }
        let Ok(stats) = self.shard_stats(&deadline, &collection).await else { return };
        for (placement, shard) in collection.shards.iter().zip(stats) {
            let in_memory = self.growing_rows(&shard) > 0;
            let waiting = shard.pending_index_rows.get(&index.id).is_some_and(|rows| *rows > 0);
            if in_memory || waiting {
                let attempt = || self.shard_writer.flush(placement.shard);
                let _ = deadline
                    .retry(Ask::leader("flush for an index", placement.group), is_unavailable, attempt)
                    .await;
            }
        }
    }

    pub(crate) async fn remove_index(&self, call: Call, asked: DropIndex) -> Result<()> {
        if asked.field.is_empty() && asked.name.is_empty() {
            return Err(Error::new(Code::MissingParameter, "dropping an index needs its name or its field"));
        }
        for (what, name) in [("field", &asked.field), ("index", &asked.name)] {
            if !name.is_empty() {
                check_name(what, name)?;
            }
        }
        let deadline = self.deadline(&call);
        let found = self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        // A field that is not there has no index. Dropping what is not there succeeds.
        let index = match asked.name.is_empty() {
            true => found.schema.field(&asked.field).and_then(|field| found.index_on(field.id)),
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
            let growing: u64 = stats.iter().map(|shard| self.growing_rows(shard)).sum();
            let pending =
                stats.iter().filter_map(|shard| shard.pending_index_rows.get(&index.id)).sum::<u64>();
            let waits =
                |shard: &&ShardStats| shard.pending_index_rows.get(&index.id).is_some_and(|rows| *rows > 0);
            let failure = stats.iter().filter(waits).find_map(|shard| shard.damage.clone());
            let field = collection.schema.field_by_id(index.spec.field);
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
