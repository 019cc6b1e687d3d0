//! Making the demo's collection and filling it.

use super::data::{Passage, Set};
use super::progress::Progress;
use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_runtime::clock::Clock;
use vecraft_types::api::{Call, CreateCollection, CreateIndex, Database, InsertRequest, NamedRows, RowCount};
use vecraft_types::{
    CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, Metric, StrColumn, Timestamp,
};

/// The demo's collection. Loading it again replaces the rows by themselves, because keys are unique.
pub const COLLECTION: &str = "demo_passages";
/// Rows of one insert.
const ROWS_A_REQUEST: usize = 500;
/// Bytes; titles and sources of the shipped data are far shorter.
const SHORT_BYTES_MAX: u32 = 512;
/// Bytes.
const TEXT_BYTES_MAX: u32 = 65_535;

/// What loading did.
pub struct Loaded {
    /// Exact number of rows that can be read now.
    pub rows: u64,
    /// How long the inserts took.
    pub took: Duration,
    /// A read that carries it sees every row.
    pub timestamp: Timestamp,
}

/// Creates the collection when it is not there and inserts the passages.
pub async fn load(db: &dyn Database, passages: &Set, clock: &dyn Clock) -> Result<Loaded, String> {
    let failed = |what: &'static str| move |error: vecraft_types::Error| format!("{what}: {error}");
    let request = CreateCollection {
        name: COLLECTION.into(),
        schema: schema(passages.vectors.columns as u32),
        shards: 0,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    db.create_collection(Call::default(), request).await.map_err(failed("create the collection"))?;
    let index = CreateIndex {
        collection: COLLECTION.into(),
        field: "vector".into(),
        name: String::new(),
        index_type: "AUTOINDEX".into(),
        metric: Some(Metric::Cosine),
        params: BTreeMap::new(),
    };
    db.create_index(Call::default(), index).await.map_err(failed("create the index"))?;

    let progress = Progress::new(passages.texts.len());
    let (started, mut timestamp) = (clock.monotonic(), Timestamp::default());
    for (number, texts) in passages.texts.chunks(ROWS_A_REQUEST).enumerate() {
        let first = number * ROWS_A_REQUEST;
        let request = InsertRequest {
            collection: COLLECTION.into(),
            partition: None,
            rows: rows(texts, passages, first)?,
            schema_timestamp: None,
            request: None,
        };
        let reply = db.insert(Call::default(), request).await.map_err(failed("insert"))?;
        timestamp = timestamp.max(reply.timestamp);
        progress.reached(first + texts.len());
    }
    let took = clock.monotonic().saturating_sub(started);
    progress.finish();
    let count = RowCount { collection: COLLECTION.into(), partition: None };
    let rows = db.row_count(Call::default(), count).await.map_err(failed("count the rows"))?;
    Ok(Loaded { rows, took, timestamp })
}

fn schema(dim: u32) -> CollectionSchema {
    let varchar = |max_length| DataType::VarChar { max_length };
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim }),
        FieldSchema::new("title", varchar(SHORT_BYTES_MAX)),
        FieldSchema::new("text", varchar(TEXT_BYTES_MAX)),
        FieldSchema::new("source", varchar(SHORT_BYTES_MAX)),
        FieldSchema::new("length", DataType::Int64),
    ])
}

/// The columns of some passages, the first of which is row `first` of the set.
fn rows(texts: &[Passage], set: &Set, first: usize) -> Result<NamedRows, String> {
    let dim = set.vectors.columns;
    let strings = |of: fn(&Passage) -> &str| ColumnData::VarChar(texts.iter().map(of).collect::<StrColumn>());
    let vectors = &set.vectors.values[first * dim..(first + texts.len()) * dim];
    let columns = [
        ("id", ColumnData::Int64(texts.iter().map(|text| text.id).collect())),
        ("vector", ColumnData::FloatVector { dim: dim as u32, values: vectors.to_vec() }),
        ("title", strings(|text| &text.title)),
        ("text", strings(|text| &text.text)),
        ("source", strings(|text| &text.source)),
        ("length", ColumnData::Int64(texts.iter().map(|text| text.length).collect())),
    ];
    let columns = columns.map(|(name, data)| (name.to_owned(), Column::new(FieldId(0), data)));
    NamedRows::new(columns.into()).ok_or_else(|| "the columns differ in length".to_owned())
}
