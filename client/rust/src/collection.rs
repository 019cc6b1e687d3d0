//! A collection by its name: the verbs without their long requests.

use crate::{Client, Query, Rows, Search};
use std::collections::BTreeMap;
use vecraft_types::api::*;
use vecraft_types::{
    CollectionDescriptor, CollectionSchema, Error, Metric, Packed, PrimaryKey, QueryVectors, Result,
};

/// Milvus's number of the level Bounded, the default of new collections.
const BOUNDED: i32 = 2;

/// A handle to a collection; it holds only the name, so it may be made before the collection is.
#[derive(Clone)]
pub struct Collection {
    client: Client,
    name: String,
}

impl Client {
    /// A handle to a collection. Asks nothing.
    pub fn collection(&self, name: impl Into<String>) -> Collection {
        Collection { client: self.clone(), name: name.into() }
    }

    /// Creates a collection with one shard. Creating the same one again succeeds.
    ///
    /// # Errors
    /// A schema that breaks a rule, another collection of that name, and those of any call.
    pub async fn create(&self, name: impl Into<String>, schema: CollectionSchema) -> Result<Collection> {
        let request = CreateCollection {
            name: name.into(),
            schema,
            shards: 1,
            properties: BTreeMap::new(),
            default_consistency: BOUNDED,
        };
        let name = request.name.clone();
        self.create_collection(self.inner.call(), request).await?;
        Ok(self.collection(name))
    }
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn call(&self) -> Call {
        self.client.inner.call()
    }

    /// Makes an index named like its field; `AUTOINDEX` lets the server choose.
    ///
    /// # Errors
    /// An unknown field or index type, another index there, and those of any call.
    pub async fn index(&self, field: &str, index_type: &str, metric: Metric) -> Result<()> {
        self.index_with(field, index_type, metric, &[]).await
    }

    /// The same with build parameters, by their Milvus names: `[("M", "16"), ("efConstruction", "200")]`.
    ///
    /// # Errors
    /// Those of [`index`](Collection::index), and parameters that the type does not have or that are out of range.
    pub async fn index_with(
        &self,
        field: &str,
        index_type: &str,
        metric: Metric,
        params: &[(&str, &str)],
    ) -> Result<()> {
        let request = CreateIndex {
            collection: self.name.clone(),
            field: field.to_owned(),
            name: String::new(),
            index_type: index_type.to_owned(),
            metric: Some(metric),
            params: params.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        };
        self.client.create_index(self.call(), request).await
    }

    /// Makes an index on a scalar field, or on a path of a JSON field, for filters: `INVERTED`, `BITMAP`, `STL_SORT`, `TRIE`,
    /// `NGRAM`, or `AUTOINDEX`. Parameters are Milvus's: `json_path` and `json_cast_type`, `min_gram` and `max_gram`. It is
    /// named like its field, and the path if there is one.
    ///
    /// # Errors
    /// An unknown field, an index that does not go with it, another index there, and those of any call.
    pub async fn scalar_index(&self, field: &str, index_type: &str, params: &[(&str, &str)]) -> Result<()> {
        let request = CreateIndex {
            collection: self.name.clone(),
            field: field.to_owned(),
            name: String::new(),
            index_type: index_type.to_owned(),
            metric: None,
            params: params.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        };
        self.client.create_index(self.call(), request).await
    }

    /// Its indexes and how far their building is.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn indexes(&self) -> Result<Vec<IndexInfo>> {
        self.client.describe_indexes(self.call(), self.name.clone()).await
    }

    /// Seals what has been written into files, so that indexes can be built over it. Nothing acknowledged needs
    /// this to be safe.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn flush(&self) -> Result<Vec<FlushInfo>> {
        self.client.flush(self.call(), vec![self.name.clone()]).await
    }

    /// Asks for everything written so far to be compacted: small segments are merged, of at most so many bytes, and rows that
    /// were deleted go. Returns when it is asked for; [`segments`](Collection::segments) tells when it is done.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn compact(&self, bytes_max: Option<u64>) -> Result<()> {
        let request = CompactRequest { collection: CollectionName::Name(self.name.clone()), bytes_max };
        self.client.compact(self.call(), request).await.map(|_| ())
    }

    /// Its segments, what is being compacted of them, and how far the last compaction is that was asked for.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn segments(&self) -> Result<CollectionSegments> {
        self.client.segments(self.call(), CollectionName::Name(self.name.clone())).await
    }

    /// Loads it: with a number, as many replicas of each shard answer reads from now on; others do only when none of
    /// those can. Without one all do, whether it is loaded or not.
    ///
    /// # Errors
    /// [`Code::NotEnoughNodes`](vecraft_types::Code::NotEnoughNodes) with more replicas than there are, and those of any
    /// call.
    pub async fn load(&self, replicas: Option<u32>) -> Result<()> {
        let request = SetLoaded { collection: self.name.clone(), loaded: true, replicas };
        self.client.set_loaded(self.call(), request).await
    }

    /// Releases it, and forgets how many replicas were to answer. With `milvus.strict_load` it answers no reads then.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn release(&self) -> Result<()> {
        let request = SetLoaded { collection: self.name.clone(), loaded: false, replicas: None };
        self.client.set_loaded(self.call(), request).await
    }

    /// What the catalogue says about it.
    ///
    /// # Errors
    /// [`Code::CollectionNotFound`](vecraft_types::Code::CollectionNotFound), and those of any call.
    pub async fn describe(&self) -> Result<CollectionDescriptor> {
        self.client.describe_collection(self.call(), CollectionName::Name(self.name.clone())).await
    }

    /// Drops it with all its rows; a missing one is no error.
    ///
    /// # Errors
    /// [`Code::OutcomeUnknown`](vecraft_types::Code::OutcomeUnknown) when the answer was lost: sent again, it could drop one
    /// that another user has made since. And those of any call.
    pub async fn drop(&self) -> Result<()> {
        self.client.drop_collection(self.call(), self.name.clone()).await
    }

    /// Adds rows. Durable and visible to Strong and own Session reads when it returns.
    ///
    /// # Errors
    /// Rows that do not fit the schema, and those of any write.
    pub async fn insert(&self, rows: Rows) -> Result<MutationReply> {
        let request = self.rows(rows)?;
        self.client.insert(self.call(), request).await
    }

    /// Adds rows, replacing those whose key exists.
    ///
    /// # Errors
    /// As [`insert`](Collection::insert).
    pub async fn upsert(&self, rows: Rows) -> Result<MutationReply> {
        let request = self.rows(rows)?;
        self.client.upsert(self.call(), request).await
    }

    fn rows(&self, rows: Rows) -> Result<InsertRequest> {
        Ok(InsertRequest {
            collection: self.name.clone(),
            partition: None,
            rows: rows.build()?,
            schema_timestamp: None,
            request: None,
        })
    }

    /// Deletes the rows of these keys; the reply counts those that existed.
    ///
    /// # Errors
    /// Those of any write.
    pub async fn delete(&self, keys: impl IntoIterator<Item = PrimaryKey>) -> Result<MutationReply> {
        self.remove(DeleteRows::Keys(keys.into_iter().collect())).await
    }

    /// Deletes the rows that match a filter.
    ///
    /// # Errors
    /// A bad filter (the message points at the place), and those of any write.
    pub async fn delete_where(&self, filter: &str) -> Result<MutationReply> {
        self.remove(DeleteRows::Filter(filter.to_owned())).await
    }

    async fn remove(&self, rows: DeleteRows) -> Result<MutationReply> {
        let request = DeleteRequest { collection: self.name.clone(), partition: None, rows, request: None };
        self.client.delete(self.call(), request).await
    }

    /// Begins a search with one vector or several, one after another (set [`Search::dim`] then).
    pub fn search(&self, vectors: &[f32]) -> Search {
        Search::new(self.clone(), vectors.len() as u32, vectors.to_vec().into())
    }

    /// Begins a search of a field of packed vectors (bits, 16-bit floats, int8) of `dim` dimensions: one vector or several,
    /// one after another.
    pub fn search_packed(&self, kind: Packed, dim: u32, vectors: &[u8]) -> Search {
        Search::new(self.clone(), dim, QueryVectors::Packed { kind, bytes: vectors.to_vec() })
    }

    /// Begins a query; an empty filter means all rows and needs a limit.
    pub fn query(&self, filter: &str) -> Query {
        Query::new(self.clone(), filter)
    }

    /// The exact number of rows now (Strong).
    ///
    /// # Errors
    /// Those of any call.
    pub async fn count(&self) -> Result<u64> {
        let reply = self.query("").output(["count(*)"]).consistency(Consistency::Strong).rows().await?;
        reply.count.ok_or_else(|| Error::internal("the server answered count(*) without a count"))
    }
}
