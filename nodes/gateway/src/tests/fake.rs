//! A database that remembers its last requests and has one collection.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_types::api::*;
use vecraft_types::*;

/// What was asked, and how to answer.
#[derive(Default)]
pub struct Fake {
    pub created: Mutex<Option<CreateCollection>>,
    pub inserted: Mutex<Option<InsertRequest>>,
    pub deleted: Mutex<Option<DeleteRequest>>,
    pub searched: Mutex<Option<SearchRequest>>,
    pub queried: Mutex<Option<QueryRequest>>,
    pub indexed: Mutex<Option<CreateIndex>>,
    pub loaded: Mutex<Option<bool>>,
    /// With how many replicas.
    pub replicas: Mutex<Option<u32>>,
    pub compacted: Mutex<Option<CompactRequest>>,
    /// How far the compaction is that was asked for.
    pub asked: Mutex<Option<AskedInfo>>,
    /// Nobody knows a node that reads.
    pub is_nowhere: Mutex<bool>,
    /// As soon as somebody asks where things are, another collection has the name.
    pub is_made_anew: Mutex<bool>,
    /// Every verb, in order.
    pub verbs: Mutex<Vec<&'static str>>,
    /// The last call.
    pub call: Mutex<Call>,
    /// How long `row_count` takes; it counts in `finished` when it gets to its end.
    pub delay: Duration,
    /// How long `row_count` keeps its thread before that.
    pub blocks: Duration,
    pub finished: Mutex<u32>,
}

impl Fake {
    fn note(&self, verb: &'static str, call: Call) {
        self.verbs.lock().push(verb);
        *self.call.lock() = call;
    }
}

/// `books`: int64 key, varchar title (nullable), vector of dimension 2, dynamic field; default level Session.
pub fn books() -> CollectionDescriptor {
    let mut title = FieldSchema::new("title", DataType::VarChar { max_length: 64 });
    title.nullable = true;
    let fields = vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        title,
        FieldSchema::new("vector", DataType::FloatVector { dim: 2 }),
    ];
    let partition = |id, name: &str| PartitionDescriptor {
        id: PartitionId(id),
        name: name.to_owned(),
        created: Timestamp::from_millis(1_000),
    };
    CollectionDescriptor {
        id: CollectionId(7),
        name: "books".to_owned(),
        schema: CollectionSchema::new(fields).with_dynamic_field(),
        shards: vec![ShardPlacement {
            shard: ShardId { collection: CollectionId(7), index: 0 },
            group: GroupId(1),
        }],
        partitions: vec![partition(1, "_default"), partition(2, "old")],
        indexes: Vec::new(),
        properties: BTreeMap::from([("milvus.strict_load".to_owned(), "true".to_owned())]),
        default_consistency: 1,
        is_loaded: true,
        created: Timestamp::from_millis(1_000),
        updated: Timestamp::from_millis(2_000),
        phase: DdlPhase::Ready,
    }
}

/// Two rows of `books`: (1, "a", [1, 2]) and (2, null, [3, 4]).
pub fn two_rows() -> NamedRows {
    let column = |data| Column::new(FieldId(0), data);
    let mut title = column(ColumnData::VarChar(["a", ""].into_iter().collect()));
    title.validity = Some([true, false].into_iter().collect());
    let meta = ["{\"year\": 1999}", "{}"].into_iter().collect();
    NamedRows::new(vec![
        ("id".to_owned(), column(ColumnData::Int64(vec![1, 2]))),
        ("title".to_owned(), title),
        ("vector".to_owned(), column(ColumnData::FloatVector { dim: 2, values: vec![1.0, 2.0, 3.0, 4.0] })),
        ("$meta".to_owned(), column(ColumnData::Json(meta))),
    ])
    .unwrap()
}

/// What a database says was asked for: a star is spelled out.
fn spelled_out(asked: &[String]) -> Vec<String> {
    if asked.contains(&"*".to_owned()) {
        return ["id", "title", "vector", "$meta"]
            .map(str::to_owned)
            .into_iter()
            .chain(asked[1..].to_vec())
            .collect();
    }
    asked.to_vec()
}

fn missing(name: &str) -> Error {
    Error::new(Code::CollectionNotFound, "").with("database", "default").with("collection", name)
}

/// An explanation with one key of each type.
fn explained() -> Explanation {
    let segment = SegmentExplanation { bytes_touched: 4_096, ..SegmentExplanation::default() };
    let shard = ShardExplanation { segments: vec![segment], barrier_us: 12, ..ShardExplanation::default() };
    let text = PrimaryKey::VarChar("abc".into());
    let key = |key| KeyExplanation { rank: Some(17), ..KeyExplanation::new(key, KeyVerdict::BeyondLimit) };
    let keys = vec![key(PrimaryKey::Int64(-7)), key(text)];
    Explanation { collection: "books".to_owned(), shards: vec![shard], keys, ..Explanation::default() }
}

#[async_trait]
impl Database for Fake {
    async fn create_collection(&self, call: Call, request: CreateCollection) -> Result<()> {
        self.note("create_collection", call);
        *self.created.lock() = Some(request);
        Ok(())
    }
    async fn drop_collection(&self, call: Call, _: String) -> Result<()> {
        self.note("drop_collection", call);
        Ok(())
    }
    async fn describe_collection(&self, call: Call, name: CollectionName) -> Result<CollectionDescriptor> {
        self.note("describe_collection", call);
        match name {
            CollectionName::Name(name) if name != "books" => Err(missing(&name)),
            CollectionName::Id(id) if id != CollectionId(7) => Err(missing(&id.to_string())),
            _ => Ok(books()),
        }
    }
    async fn known_collection(&self, call: Call, name: CollectionName) -> Result<Arc<CollectionDescriptor>> {
        self.note("known_collection", call);
        match name {
            CollectionName::Name(name) if name != "books" => Err(missing(&name)),
            _ if *self.is_made_anew.lock() && self.verbs.lock().contains(&"topology") => {
                Ok(Arc::new(CollectionDescriptor { id: CollectionId(8), ..books() }))
            }
            _ => Ok(Arc::new(books())),
        }
    }
    async fn list_collections(&self, call: Call) -> Result<Vec<CollectionDescriptor>> {
        self.note("list_collections", call);
        Ok(vec![books()])
    }
    async fn row_count(&self, call: Call, _: RowCount) -> Result<u64> {
        self.note("row_count", call);
        std::thread::sleep(self.blocks);
        tokio::time::sleep(self.delay).await;
        *self.finished.lock() += 1;
        Ok(42)
    }
    async fn create_partition(&self, call: Call, _: PartitionRequest) -> Result<()> {
        self.note("create_partition", call);
        Ok(())
    }
    async fn drop_partition(&self, call: Call, _: PartitionRequest) -> Result<()> {
        self.note("drop_partition", call);
        Ok(())
    }
    async fn create_index(&self, call: Call, request: CreateIndex) -> Result<()> {
        self.note("create_index", call);
        *self.indexed.lock() = Some(request);
        Ok(())
    }
    async fn drop_index(&self, call: Call, _: DropIndex) -> Result<()> {
        self.note("drop_index", call);
        Ok(())
    }
    async fn describe_indexes(&self, call: Call, _: String) -> Result<Vec<IndexInfo>> {
        self.note("describe_indexes", call);
        Ok(vec![index()])
    }
    async fn set_loaded(&self, call: Call, request: SetLoaded) -> Result<()> {
        self.note("set_loaded", call);
        *self.loaded.lock() = Some(request.loaded);
        *self.replicas.lock() = request.replicas;
        Ok(())
    }
    async fn insert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.note("insert", call);
        let rows = request.rows.batch.rows as u64;
        *self.inserted.lock() = Some(request);
        let keys = (0..rows as i64).map(PrimaryKey::Int64).collect();
        Ok(MutationReply { keys, inserted: rows, timestamp: Timestamp(99), ..Default::default() })
    }
    async fn upsert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.note("upsert", call);
        let rows = request.rows.batch.rows as u64;
        *self.inserted.lock() = Some(request);
        Ok(MutationReply { upserted: rows, ..Default::default() })
    }
    async fn delete(&self, call: Call, request: DeleteRequest) -> Result<MutationReply> {
        self.note("delete", call);
        *self.deleted.lock() = Some(request);
        Ok(MutationReply { deleted: 2, ..Default::default() })
    }
    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply> {
        self.note("search", call);
        let output_fields = spelled_out(&request.output_fields);
        let explanation = request.explain.as_ref().map(|_| Box::new(explained()));
        *self.searched.lock() = Some(request);
        Ok(SearchReply {
            counts: vec![2],
            scores: vec![0.123_456, 0.5],
            recalls: vec![0.97],
            primary_field: "id".to_owned(),
            rows: two_rows(),
            output_fields,
            groups: None,
            timestamp: Timestamp(77),
            seen: Vec::new(),
            explanation,
        })
    }
    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply> {
        self.note("query", call);
        let count = request.output_fields.contains(&"count(*)".to_owned()).then_some(5);
        let output_fields = spelled_out(&request.output_fields);
        *self.queried.lock() = Some(request);
        let rows = if count.is_some() { NamedRows::default() } else { two_rows() };
        let primary_field = "id".to_owned();
        let (timestamp, seen) = (Timestamp(77), Vec::new());
        Ok(QueryReply { count, rows, primary_field, output_fields, timestamp, seen })
    }
    async fn flush(&self, call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>> {
        self.note("flush", call);
        let shard = ShardId { collection: CollectionId(7), index: 1 };
        let info = |collection| FlushInfo {
            collection,
            segments: vec![(shard, SegmentId(4))],
            timestamp: Timestamp::from_millis(5_000),
        };
        Ok(collections.into_iter().map(info).collect())
    }
    async fn compact(&self, call: Call, request: CompactRequest) -> Result<CollectionId> {
        self.note("compact", call);
        *self.compacted.lock() = Some(request);
        Ok(CollectionId(7))
    }
    async fn segments(&self, call: Call, collection: CollectionName) -> Result<CollectionSegments> {
        self.note("segments", call);
        match collection {
            CollectionName::Name(name) if name != "books" => return Err(missing(&name)),
            CollectionName::Id(id) if id != CollectionId(7) => return Err(missing(&id.to_string())),
            _ => {}
        }
        Ok(super::segments::told(*self.asked.lock()))
    }
    async fn topology(&self, call: Call, request: TopologyRequest) -> Result<TopologyReply> {
        self.note("topology", call);
        let readers = if *self.is_nowhere.lock() { vec![] } else { vec![NodeId(1), NodeId(2)] };
        let place = CollectionPlace {
            key_field: None,
            shards: vec![ShardPlace { leader: Some(NodeId(2)), readers }],
        };
        let door = NodeDoor { node: NodeId(2), address: "two:1".to_owned() };
        let collection = request.collection.map(|_| place);
        Ok(TopologyReply { doors: vec![door], collection, ..TopologyReply::default() })
    }
    async fn server_info(&self, call: Call) -> Result<ServerInfo> {
        self.note("server_info", call);
        Ok(ServerInfo {
            version: "1.2.3".to_owned(),
            cluster_id: "c".to_owned(),
            cluster_name: "demo".to_owned(),
            is_healthy: true,
            reasons: Vec::new(),
            now: Timestamp::from_millis(9_000),
        })
    }
}

/// The index that is described.
pub fn index() -> IndexInfo {
    let spec = schema::IndexSpec {
        name: "by_vector".to_owned(),
        field: FieldId(102),
        index_type: "IVF_FLAT".to_owned(),
        metric: Metric::L2,
        params: BTreeMap::from([("nlist".to_owned(), "128".to_owned())]),
    };
    let index = IndexDescriptor { id: IndexId(3), spec, created: Timestamp::from_millis(1_000) };
    IndexInfo {
        index,
        field: "vector".to_owned(),
        indexed_rows: 1,
        total_rows: 3,
        pending_rows: 2,
        failure: None,
    }
}
