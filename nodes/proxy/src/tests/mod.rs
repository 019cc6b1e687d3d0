#![allow(clippy::unwrap_used)]
//! The proxy over services that really store rows, in memory.

mod asked_again;
mod bad_input;
mod ddl;
mod dropped;
mod explain;
mod fakes;
mod figures;
mod grouping;
mod majority;
mod moments;
mod names;
mod packed;
mod reading;
mod refusing;
mod segments;
mod topology;
mod writing;

use crate::{Proxy, ProxyConfig, ProxyParts, ServerIdentity};
use fakes::FakeCluster;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_runtime::clock::{Clock, SystemClock};
use vecraft_types::api::*;
use vecraft_types::*;

/// Dimensions of the field `vector`.
const DIM: u32 = 2;

/// A proxy over a cluster.
struct Bench {
    proxy: Proxy,
    cluster: Arc<FakeCluster>,
}

impl Bench {
    /// Collection `docs` with this schema on so many shards.
    fn new(schema: CollectionSchema, shards: u32) -> Bench {
        Bench::with_config(schema, shards, ProxyConfig::default())
    }

    fn with_config(schema: CollectionSchema, shards: u32, config: ProxyConfig) -> Bench {
        let cluster = Arc::new(FakeCluster::new(schema, shards));
        let proxy = Bench::proxy(&cluster, config);
        Bench { proxy, cluster }
    }

    /// The node is started anew: a proxy that remembers nothing.
    fn restart(&mut self, config: ProxyConfig) {
        self.proxy = Bench::proxy(&self.cluster, config);
    }

    fn proxy(cluster: &Arc<FakeCluster>, config: ProxyConfig) -> Proxy {
        Proxy::new(Bench::parts(cluster, config))
    }

    /// A proxy whose time is the test's.
    fn use_clock(&mut self, clock: Arc<dyn Clock>) {
        let parts = Bench::parts(&self.cluster, ProxyConfig::default());
        self.proxy = Proxy::new(ProxyParts { clock, ..parts });
    }

    fn parts(cluster: &Arc<FakeCluster>, config: ProxyConfig) -> ProxyParts {
        ProxyParts {
            cluster: Arc::new(fakes::NoNodes),
            topology: Arc::new(fakes::Places { has_leader: true, ..fakes::Places::default() }),
            doors: Arc::new(fakes::Places::default()),
            catalogue: cluster.clone(),
            catalogue_writer: cluster.clone(),
            shard_writer: cluster.clone(),
            shard_reader: cluster.clone(),
            clock: SystemClock::shared(),
            client: ClientId(7),
            identity: ServerIdentity {
                version: "test".into(),
                cluster_id: "c".into(),
                cluster_name: "demo".into(),
            },
            config,
        }
    }

    async fn insert(&self, rows: NamedRows) -> Result<MutationReply> {
        self.proxy.insert(Call::default(), insert_request(rows)).await
    }

    async fn query(&self, change: impl FnOnce(&mut QueryRequest)) -> Result<QueryReply> {
        let mut request = query_request();
        change(&mut request);
        self.proxy.query(Call::default(), request).await
    }

    async fn search(&self, change: impl FnOnce(&mut SearchRequest)) -> Result<SearchReply> {
        let mut request = search_request(vec![0.0, 0.0]);
        change(&mut request);
        self.proxy.search(Call::default(), request).await
    }
}

fn short() -> Call {
    Call { deadline_ms: Some(60), ..Call::default() }
}

fn insert_request(rows: NamedRows) -> InsertRequest {
    InsertRequest { collection: "docs".into(), partition: None, rows, schema_timestamp: None, request: None }
}

fn query_request() -> QueryRequest {
    QueryRequest {
        collection: "docs".into(),
        partitions: vec![],
        filter: String::new(),
        output_fields: vec![],
        limit: Some(100),
        offset: 0,
        consistency: Consistency::Strong,
        moment: Moment::Present,
        seen: Vec::new(),
    }
}

fn search_request(vectors: Vec<f32>) -> SearchRequest {
    SearchRequest {
        collection: "docs".into(),
        partitions: vec![],
        field: String::new(),
        dim: DIM,
        vectors: vectors.into(),
        metric: Some(Metric::L2),
        limit: 10,
        offset: 0,
        filter: String::new(),
        params: BTreeMap::new(),
        output_fields: vec![],
        group_by: None,
        page: None,
        consistency: Consistency::Strong,
        moment: Moment::Present,
        seen: Vec::new(),
        explain: None,
    }
}

/// `id` Int64 key, `title` VarChar(8), `year` Int64 nullable, `rank` Double with default 1.5, `vector`, `$meta`.
fn schema() -> CollectionSchema {
    let mut year = FieldSchema::new("year", DataType::Int64);
    year.nullable = true;
    let mut rank = FieldSchema::new("rank", DataType::Double);
    rank.default_value = Some(Value::Float(1.5));
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("title", DataType::VarChar { max_length: 8 }),
        year,
        rank,
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM }),
    ])
    .with_dynamic_field()
}

fn auto_id_schema() -> CollectionSchema {
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(true),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM }),
    ])
}

fn ints(values: impl IntoIterator<Item = i64>) -> Column {
    Column::new(FieldId(0), ColumnData::Int64(values.into_iter().collect()))
}

fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Column {
    Column::new(FieldId(0), ColumnData::VarChar(values.into_iter().collect()))
}

fn json<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Column {
    Column::new(FieldId(0), ColumnData::Json(values.into_iter().collect()))
}

fn vectors(values: Vec<f32>) -> Column {
    Column::new(FieldId(0), ColumnData::FloatVector { dim: DIM, values })
}

fn named(columns: Vec<(&str, Column)>) -> NamedRows {
    NamedRows::new(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect()).unwrap()
}

/// Rows of [`schema`] with these keys; the vector of key `k` is `[k, 0]`, the title `t<k>`.
fn rows(keys: impl IntoIterator<Item = i64>) -> NamedRows {
    let keys: Vec<i64> = keys.into_iter().collect();
    let values = keys.iter().flat_map(|key| [*key as f32, 0.0]).collect();
    let titles: Vec<String> = keys.iter().map(|key| format!("t{key}")).collect();
    named(vec![("id", ints(keys)), ("title", texts(titles)), ("vector", vectors(values))])
}

fn int_keys(keys: impl IntoIterator<Item = i64>) -> Vec<PrimaryKey> {
    keys.into_iter().map(PrimaryKey::Int64).collect()
}

/// The int64 values of a column of a reply.
fn int_column(rows: &NamedRows, name: &str) -> Vec<i64> {
    match &rows.column(name).unwrap().data {
        ColumnData::Int64(values) => values.clone(),
        other => panic!("{name} is {other:?}"),
    }
}
