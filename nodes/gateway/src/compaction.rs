//! Compactions on demand: asking, and how far what was asked for is.
//!
//! A compaction's id is its collection's: that is never used again and needs no table of jobs. So it tells about the last ask of
//! a collection, by whomever, and lasts as long as the collection; another id is Milvus's undefined state.
//!
//! | Milvus | here |
//! |---|---|
//! | `target_size` | MB of an output, at most; a very large one means as much as the server makes |
//! | `is_clustering`, `is_l0`, partition, channel, segments | refused by name |
//! | executing plans, `mergeInfos` | what readers do not see yet, with inputs and output |
//! | completed plans | outputs that readers see since the ask; their inputs are not remembered |
//! | failed plans, timed out ones | 0: what fails is tried again and stays executing |

use crate::call::Context;
use crate::collection::{channel, wire_id};
use crate::flush::segment_id;
use crate::params::refuse;
use crate::proto::common::{CompactionState, CompactionTaskState, CompactionType};
use crate::proto::milvus as pb;
use vecraft_types::api::{AskedInfo, CollectionName, CollectionSegments, CompactRequest, MergeInfo};
use vecraft_types::{Code, CollectionId, Error, Result};

/// Milvus's MB are 1,024 x 1,024 bytes.
const MB: u64 = 1 << 20;

pub(crate) async fn compact(
    cx: Context,
    request: pb::ManualCompactionRequest,
) -> Result<pb::ManualCompactionResponse> {
    refuse(&[
        ("is_clustering", request.major_compaction),
        (
            "is_l0 (deletes need no level of their own here: leave it out, and they are compacted)",
            request.l0_compaction,
        ),
        ("partition_id", request.partition_id > 0),
        ("channel", !request.channel.is_empty()),
        ("segment_ids", !request.segment_ids.is_empty()),
    ])?;
    let bytes_max = match request.target_size {
        0 => None,
        mb => Some(u64::try_from(mb).map_err(|_| {
            Error::invalid(format!("target_size is {mb}, allowed is 1 or more (MB), or none"))
        })?),
    };
    let collection = named(request.collection_name, request.collection_id)?;
    let bytes_max = bytes_max.map(|mb| mb.saturating_mul(MB));
    let asked = cx.db.compact(cx.call, CompactRequest { collection, bytes_max }).await?;
    // What is due the leaders find from now on.
    Ok(pb::ManualCompactionResponse { compaction_id: wire_id(asked.0), ..Default::default() })
}

pub(crate) async fn state(
    cx: Context,
    request: pb::GetCompactionStateRequest,
) -> Result<pb::GetCompactionStateResponse> {
    let asked = of_id(&cx, request.compaction_id).await?.and_then(|found| found.asked);
    let AskedInfo { finished, under_way, .. } = asked.unwrap_or_default();
    Ok(pb::GetCompactionStateResponse {
        state: state_of(asked).into(),
        executing_plan_no: wire_id(under_way),
        completed_plan_no: wire_id(finished),
        ..Default::default()
    })
}

pub(crate) async fn plans(
    cx: Context,
    request: pb::GetCompactionPlansRequest,
) -> Result<pb::GetCompactionPlansResponse> {
    let found = if request.collection_name.is_empty() && request.collection_id <= 0 {
        of_id(&cx, request.compaction_id).await?
    } else {
        let name = named(request.collection_name, request.collection_id)?;
        Some(cx.db.segments(cx.call, name).await?)
    };
    let Some(CollectionSegments { collection, merges, asked, .. }) = found else {
        return Ok(pb::GetCompactionPlansResponse::default());
    };
    let is_asked = asked.is_some_and(|asked| !asked.is_done);
    let merge_infos = merges.iter().map(|merge| merge_info(collection, merge, is_asked)).collect();
    Ok(pb::GetCompactionPlansResponse { state: state_of(asked).into(), merge_infos, ..Default::default() })
}

fn merge_info(collection: CollectionId, merge: &MergeInfo, is_asked: bool) -> pb::CompactionMergeInfo {
    let target = segment_id(merge.shard, merge.output);
    let state = match merge.is_written {
        true => CompactionTaskState::Indexing,
        false => CompactionTaskState::Executing,
    };
    pb::CompactionMergeInfo {
        sources: merge.inputs.iter().map(|input| segment_id(merge.shard, *input)).collect(),
        target,
        plan_id: target,
        trigger_id: if is_asked { wire_id(collection.0) } else { 0 },
        collection_id: wire_id(collection.0),
        partition_id: wire_id(merge.partition.0),
        channel: channel(merge.shard),
        r#type: CompactionType::Mix.into(),
        state: state.into(),
        failure_reason: String::new(),
        targets: vec![target],
    }
}

fn state_of(asked: Option<AskedInfo>) -> CompactionState {
    match asked {
        None => CompactionState::UndefinedState,
        Some(AskedInfo { is_done: true, .. }) => CompactionState::Completed,
        Some(AskedInfo { is_done: false, .. }) => CompactionState::Executing,
    }
}

/// The segments of a compaction's collection; none when there is none of that id (any more).
async fn of_id(cx: &Context, id: i64) -> Result<Option<CollectionSegments>> {
    let Some(id) = u64::try_from(id).ok().filter(|id| *id > 0) else { return Ok(None) };
    match cx.db.segments(cx.call.clone(), CollectionName::Id(CollectionId(id))).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == Code::CollectionNotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// By name, or by id when there is no name.
pub(crate) fn named(name: String, id: i64) -> Result<CollectionName> {
    match u64::try_from(id) {
        _ if !name.is_empty() => Ok(CollectionName::Name(name)),
        Ok(id) if id > 0 => Ok(CollectionName::Id(CollectionId(id))),
        _ => Err(Error::new(Code::MissingParameter, "the request names no collection")),
    }
}
