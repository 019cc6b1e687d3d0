//! Partitions: create, drop, ask, list, count.

use crate::call::Context;
use crate::collection::wire_id;
use crate::params::pair;
use crate::proto::milvus as pb;
use vecraft_types::api::{CollectionName, PartitionRequest, RowCount};
use vecraft_types::{Code, CollectionDescriptor, CollectionId, Error, Result};

/// `ShowType`: only loaded ones, with how far they are.
const SHOW_LOADED: i32 = 1;

pub(crate) async fn create(cx: Context, request: pb::CreatePartitionRequest) -> Result<()> {
    let partition =
        PartitionRequest { collection: request.collection_name, partition: request.partition_name };
    cx.db.create_partition(cx.call, partition).await
}

pub(crate) async fn drop(cx: Context, request: pb::DropPartitionRequest) -> Result<()> {
    let partition =
        PartitionRequest { collection: request.collection_name, partition: request.partition_name };
    cx.db.drop_partition(cx.call, partition).await
}

pub(crate) async fn has(cx: Context, request: pb::HasPartitionRequest) -> Result<pb::BoolResponse> {
    let name = CollectionName::Name(request.collection_name);
    let found = cx.db.describe_collection(cx.call, name).await?;
    Ok(pb::BoolResponse { value: found.partition(&request.partition_name).is_some(), ..Default::default() })
}

pub(crate) async fn list(
    cx: Context,
    request: pb::ShowPartitionsRequest,
) -> Result<pb::ShowPartitionsResponse> {
    let name = if request.collection_name.is_empty() && request.collection_id > 0 {
        CollectionName::Id(CollectionId(request.collection_id.unsigned_abs()))
    } else {
        CollectionName::Name(request.collection_name)
    };
    let found = cx.db.describe_collection(cx.call, name).await?;
    check_names(&found, &request.partition_names)?;
    let mut reply = pb::ShowPartitionsResponse::default();
    if request.show_type == SHOW_LOADED && !found.is_loaded {
        return Ok(reply);
    }
    for partition in found.partitions {
        if !request.partition_names.is_empty() && !request.partition_names.contains(&partition.name) {
            continue;
        }
        reply.partition_ids.push(wire_id(partition.id.0));
        reply.created_timestamps.push(partition.created.0);
        reply.created_utc_timestamps.push(partition.created.millis());
        reply.in_memory_percentages.push(if found.is_loaded { 100 } else { 0 });
        reply.partition_names.push(partition.name);
    }
    Ok(reply)
}

pub(crate) async fn statistics(
    cx: Context,
    request: pb::GetPartitionStatisticsRequest,
) -> Result<pb::GetPartitionStatisticsResponse> {
    let count = RowCount { collection: request.collection_name, partition: Some(request.partition_name) };
    let rows = cx.db.row_count(cx.call, count).await?;
    Ok(pb::GetPartitionStatisticsResponse { stats: vec![pair("row_count", rows)], ..Default::default() })
}

/// Refuses a name that is no partition of the collection.
///
/// # Errors
/// [`Code::PartitionNotFound`] with the first such name.
pub(crate) fn check_names(collection: &CollectionDescriptor, names: &[String]) -> Result<()> {
    match names.iter().find(|name| collection.partition(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let error = Error::new(Code::PartitionNotFound, "").with("collection", &collection.name);
            Err(error.with("partition", name))
        }
    }
}
