//! What travels beside a request: the database, the deadline, and the bytes it occupies.

use crate::proto::milvus as pb;
use crate::weigh;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use vecraft_types::api::{Call, Database};
use vecraft_types::limits::DEFAULT_DATABASE;
use vecraft_types::{Code, Error, Result};

/// Everything a handler needs beside its request.
#[derive(Clone)]
pub(crate) struct Context {
    /// Who serves.
    pub db: Arc<dyn Database>,
    /// Sent along with every verb.
    pub call: Call,
}

/// A request that may name its database in its body. An empty name leaves it to the metadata.
pub(crate) trait InDatabase {
    /// The name given.
    fn database(&self) -> &str {
        ""
    }

    /// Memory that it takes beyond its length on the wire, when that can be much (I21).
    fn extra_bytes(&self) -> usize {
        0
    }
}

macro_rules! in_database {
    ($($request:ident),+ $(,)?) => {
        $(impl InDatabase for pb::$request {
            fn database(&self) -> &str {
                &self.db_name
            }
        })+
    };
}

in_database!(
    CreateCollectionRequest,
    CreateIndexRequest,
    CreatePartitionRequest,
    DeleteRequest,
    DescribeCollectionRequest,
    DescribeIndexRequest,
    DropCollectionRequest,
    DropIndexRequest,
    DropPartitionRequest,
    FlushRequest,
    GetCollectionStatisticsRequest,
    GetCompactionPlansRequest,
    GetFlushStateRequest,
    GetLoadStateRequest,
    GetLoadingProgressRequest,
    GetPartitionStatisticsRequest,
    GetPersistentSegmentInfoRequest,
    GetQuerySegmentInfoRequest,
    GetReplicasRequest,
    HasCollectionRequest,
    HasPartitionRequest,
    LoadCollectionRequest,
    LoadPartitionsRequest,
    ManualCompactionRequest,
    QueryRequest,
    ReleaseCollectionRequest,
    ReleasePartitionsRequest,
    SearchRequest,
    ShowCollectionsRequest,
    ShowPartitionsRequest,
);

macro_rules! with_rows {
    ($($request:ident),+) => {
        $(impl InDatabase for pb::$request {
            fn database(&self) -> &str {
                &self.db_name
            }

            fn extra_bytes(&self) -> usize {
                weigh::extra_bytes(&self.fields_data)
            }
        })+
    };
}

with_rows!(InsertRequest, UpsertRequest);

impl InDatabase for pb::GetCompactionStateRequest {}
impl InDatabase for pb::ConnectRequest {}
impl InDatabase for pb::GetVersionRequest {}
impl InDatabase for pb::CheckHealthRequest {}
impl InDatabase for pb::GetComponentStatesRequest {}
impl InDatabase for pb::AllocTimestampRequest {}

/// The call of a request: its database (the body's name wins over the metadata's) and how long the caller waits.
///
/// # Errors
/// [`Code::DatabaseNotFound`] for any database but the default one.
pub(crate) fn call(metadata: &MetadataMap, in_body: &str) -> Result<Call> {
    let text = |key: &str| metadata.get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let database = if in_body.is_empty() { text("dbname") } else { in_body };
    if !database.is_empty() && database != DEFAULT_DATABASE {
        return Err(Error::new(Code::DatabaseNotFound, "").with("database", database));
    }
    let deadline_ms = patience(metadata).map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Ok(Call { database: DEFAULT_DATABASE.to_owned(), deadline_ms, request: None })
}

/// How long the caller waits: gRPC's `grpc-timeout`, at most eight digits and a unit.
pub(crate) fn patience(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
