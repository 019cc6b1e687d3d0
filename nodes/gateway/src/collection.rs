//! Collections: create, drop, describe, list, count.

use crate::call::Context;
use crate::params::{Params, pair, refuse};
use crate::proto::milvus as pb;
use crate::proto::schema as wire;
use crate::{schema, weigh};
use prost::Message;
use std::collections::BTreeMap;
use vecraft_types::api::{CollectionName, CreateCollection, RowCount};
use vecraft_types::schema::MMAP_ENABLED;
use vecraft_types::{Code, CollectionDescriptor, CollectionId, Error, PkConflict, Result, ShardId};

/// Collection property: search and query need a load first.
const STRICT_LOAD: &str = "milvus.strict_load";

/// `ShowType`: only loaded ones, with how far they are.
const SHOW_LOADED: i32 = 1;

pub(crate) async fn create(cx: Context, request: pb::CreateCollectionRequest) -> Result<()> {
    weigh::check(&request.schema, weigh::SCHEMA)?;
    let mut wire = wire::CollectionSchema::decode(request.schema.as_slice())
        .map_err(|error| Error::invalid(format!("the schema cannot be decoded: {error}")))?;
    if !wire.name.is_empty() && wire.name != request.collection_name {
        let text = format!("the schema is called {:?}, the request {:?}", wire.name, request.collection_name);
        return Err(Error::invalid(text));
    }
    refuse(&[("num_partitions (partition keys)", request.num_partitions > 0)])?;
    let shards = u32::try_from(request.shards_num)
        .map_err(|_| Error::invalid(format!("shards_num is {}, allowed is 1 to 16", request.shards_num)))?;
    if !(0..=4).contains(&request.consistency_level) {
        let text = format!("consistency level {} is unknown, allowed are 0 to 4", request.consistency_level);
        return Err(Error::invalid(text));
    }
    let mut pairs = request.properties;
    pairs.append(&mut wire.properties);
    let properties = properties(Params::new("collection property", pairs)?)?;
    let mut ours = schema::from_wire(wire)?;
    if let Some(rule) = properties.get(PkConflict::PROPERTY) {
        ours.pk_conflict = PkConflict::parse(rule)?;
    }
    let create = CreateCollection {
        name: request.collection_name,
        schema: ours,
        shards,
        properties,
        default_consistency: request.consistency_level,
    };
    cx.db.create_collection(cx.call, create).await
}

/// The properties that have a meaning here; any other is refused by name.
fn properties(mut params: Params) -> Result<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    for key in [STRICT_LOAD, MMAP_ENABLED] {
        known.extend(params.said(key)?.map(|is_on| (key.to_owned(), is_on.to_string())));
    }
    if let Some(value) = params.take(PkConflict::PROPERTY) {
        known.insert(PkConflict::PROPERTY.to_owned(), value);
    }
    params.refuse_if_on(&["partitionkey.isolation"])?;
    params.finish()?;
    Ok(known)
}

pub(crate) async fn drop(cx: Context, request: pb::DropCollectionRequest) -> Result<()> {
    cx.db.drop_collection(cx.call, request.collection_name).await
}

pub(crate) async fn has(cx: Context, request: pb::HasCollectionRequest) -> Result<pb::BoolResponse> {
    let name = CollectionName::Name(request.collection_name);
    let value = match cx.db.describe_collection(cx.call, name).await {
        Ok(found) => request.time_stamp == 0 || request.time_stamp >= found.created.0,
        Err(error) if error.code == Code::CollectionNotFound => false,
        Err(error) => return Err(error),
    };
    Ok(pb::BoolResponse { value, ..Default::default() })
}

pub(crate) async fn describe(
    cx: Context,
    request: pb::DescribeCollectionRequest,
) -> Result<pb::DescribeCollectionResponse> {
    let name = if request.collection_name.is_empty() && request.collection_id > 0 {
        CollectionName::Id(CollectionId(request.collection_id.unsigned_abs()))
    } else {
        CollectionName::Name(request.collection_name)
    };
    let db_name = cx.call.database.clone();
    let found = cx.db.describe_collection(cx.call, name).await?;
    if request.time_stamp > 0 && request.time_stamp < found.created.0 {
        let error = Error::new(Code::CollectionNotFound, "it was created later than the given time");
        return Err(error.with("database", db_name).with("collection", &found.name));
    }
    let channels: Vec<String> = found.shards.iter().map(|placement| channel(placement.shard)).collect();
    Ok(pb::DescribeCollectionResponse {
        schema: Some(schema::to_wire(&found.name, &found.schema)),
        collection_id: wire_id(found.id.0),
        virtual_channel_names: channels.clone(),
        physical_channel_names: channels,
        created_timestamp: found.created.0,
        created_utc_timestamp: found.created.millis(),
        shards_num: shards(&found),
        consistency_level: found.default_consistency,
        collection_name: found.name,
        properties: found.properties.into_iter().map(|(key, value)| pair(key, value)).collect(),
        db_name,
        num_partitions: i64::try_from(found.partitions.len()).unwrap_or(0),
        db_id: 1,
        update_timestamp: found.updated.0,
        update_timestamp_str: found.updated.to_string(),
        ..Default::default()
    })
}

pub(crate) async fn list(
    cx: Context,
    request: pb::ShowCollectionsRequest,
) -> Result<pb::ShowCollectionsResponse> {
    let mut found = cx.db.list_collections(cx.call.clone()).await?;
    if request.show_type == SHOW_LOADED {
        found.retain(|collection| collection.is_loaded);
    }
    if !request.collection_names.is_empty() {
        found.retain(|collection| request.collection_names.contains(&collection.name));
    }
    if request.time_stamp > 0 {
        found.retain(|collection| collection.created.0 <= request.time_stamp);
    }
    let mut reply = pb::ShowCollectionsResponse::default();
    for collection in found {
        reply.collection_ids.push(wire_id(collection.id.0));
        reply.created_timestamps.push(collection.created.0);
        reply.created_utc_timestamps.push(collection.created.millis());
        reply.in_memory_percentages.push(if collection.is_loaded { 100 } else { 0 });
        reply.query_service_available.push(collection.is_loaded || !collection.is_strict_load());
        reply.shards_num.push(shards(&collection));
        reply.collection_names.push(collection.name);
    }
    Ok(reply)
}

pub(crate) async fn statistics(
    cx: Context,
    request: pb::GetCollectionStatisticsRequest,
) -> Result<pb::GetCollectionStatisticsResponse> {
    let count = RowCount { collection: request.collection_name, partition: None };
    let rows = cx.db.row_count(cx.call, count).await?;
    Ok(pb::GetCollectionStatisticsResponse { stats: vec![pair("row_count", rows)], ..Default::default() })
}

/// Milvus shows the log of each shard; ours are numbered.
pub(crate) fn channel(shard: ShardId) -> String {
    format!("{}-shard-{}", shard.collection, shard.index)
}

/// Ids count from 1 and never reach the sign bit.
pub(crate) fn wire_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn shards(collection: &CollectionDescriptor) -> i32 {
    i32::try_from(collection.shards.len()).unwrap_or(0)
}
