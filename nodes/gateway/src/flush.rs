//! Flush. An acknowledged row is durable before its acknowledgement, so a flush only moves rows into files, and
//! its state is known at once.

use crate::call::Context;
use crate::proto::{milvus as pb, schema::LongArray};
use vecraft_types::api::CollectionName;
use vecraft_types::{Code, Error, Result, SegmentId, ShardId};

pub(crate) async fn flush(cx: Context, request: pb::FlushRequest) -> Result<pb::FlushResponse> {
    if request.collection_names.is_empty() {
        return Err(Error::new(Code::MissingParameter, "flush names no collection"));
    }
    let db_name = cx.call.database.clone();
    let flushed = cx.db.flush(cx.call, request.collection_names).await?;
    let mut reply = pb::FlushResponse { db_name, ..Default::default() };
    for info in flushed {
        let data = info.segments.iter().map(|&(shard, segment)| segment_id(shard, segment)).collect();
        let seconds = i64::try_from(info.timestamp.millis() / 1_000).unwrap_or(0);
        reply.coll_segment_ids.insert(info.collection.clone(), LongArray { data });
        reply.coll_seal_times.insert(info.collection.clone(), seconds);
        reply.coll_flush_ts.insert(info.collection, info.timestamp.0);
    }
    Ok(reply)
}

/// Milvus's segment ids are one number; ours count per shard, so the shard goes into the high bits. Unique within
/// a collection.
pub(crate) fn segment_id(shard: ShardId, segment: SegmentId) -> i64 {
    (i64::from(shard.index) << 48) | i64::try_from(segment.0 & ((1 << 48) - 1)).unwrap_or(0)
}

/// Flushed means: everything acknowledged up to the given time is in files or in the synced log. That holds for
/// every moment which is past, for this collection or any other.
pub(crate) async fn flush_state(
    cx: Context,
    request: pb::GetFlushStateRequest,
) -> Result<pb::GetFlushStateResponse> {
    if !request.collection_name.is_empty() {
        cx.db.describe_collection(cx.call.clone(), CollectionName::Name(request.collection_name)).await?;
    }
    let now = cx.db.server_info(cx.call).await?.now;
    Ok(pb::GetFlushStateResponse { flushed: request.flush_ts <= now.0, ..Default::default() })
}
