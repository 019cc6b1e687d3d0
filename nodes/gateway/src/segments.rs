//! Segments: those that the collection consists of, and those that searches read.
//!
//! Both come from the leaders of the shards. They differ while a compaction is under way: then the collection consists of the
//! output, and searches read the inputs.
//!
//! | Milvus | here |
//! |---|---|
//! | Growing, Sealed, Flushed, Dropped | takes rows; is being written; is in its file; replaced, and still read |
//! | `num_rows` | rows that take space, deleted ones too |
//! | `is_sorted` | whether it is in the form in which it stays; benchmark tools wait for that. Rows are in the order of the log |
//! | level | L1: deletes have no segments of their own, and nothing is clustered |
//! | `storage_version` | 0: the files are not Milvus's |

use crate::call::Context;
use crate::collection::{channel, wire_id};
use crate::flush::segment_id;
use crate::proto::common::{SegmentLevel, SegmentState};
use crate::proto::milvus as pb;
use crate::replicas::{check_loaded, places};
use vecraft_types::api::{CollectionName, CollectionSegments, MergeInfo, SegmentInfo, SegmentStanding};
use vecraft_types::{CollectionDescriptor, IndexDescriptor, Result};

pub(crate) async fn persistent(
    cx: Context,
    request: pb::GetPersistentSegmentInfoRequest,
) -> Result<pb::GetPersistentSegmentInfoResponse> {
    let name = CollectionName::Name(request.collection_name);
    let CollectionSegments { collection, segments, merges, .. } = cx.db.segments(cx.call, name).await?;
    let is_wanted = |segment: &&SegmentInfo| match request.states.as_slice() {
        [] => matches!(segment.standing, SegmentStanding::Sealed | SegmentStanding::Flushed),
        states => states.contains(&i32::from(state_of(segment.standing))),
    };
    let info = |segment: &SegmentInfo| pb::PersistentSegmentInfo {
        segment_id: segment_id(segment.shard, segment.id),
        collection_id: wire_id(collection.0),
        partition_id: wire_id(segment.partition.0),
        num_rows: wire_id(segment.rows),
        state: state_of(segment.standing).into(),
        level: SegmentLevel::L1.into(),
        is_sorted: is_final(segment),
        storage_version: 0,
        insert_channel: channel(segment.shard),
        compaction_from: inputs_of(segment, &merges),
    };
    let infos = segments.iter().filter(is_wanted).map(info).collect();
    Ok(pb::GetPersistentSegmentInfoResponse { infos, ..Default::default() })
}

pub(crate) async fn loaded(
    cx: Context,
    request: pb::GetQuerySegmentInfoRequest,
) -> Result<pb::GetQuerySegmentInfoResponse> {
    let name = CollectionName::Name(request.collection_name);
    let found = cx.db.describe_collection(cx.call.clone(), name).await?;
    check_loaded(&found)?;
    let told = cx.db.segments(cx.call.clone(), CollectionName::Id(found.id)).await?;
    let places = places(&cx, &found).await?;
    let infos = told.segments.iter().filter(|segment| segment.is_searched).map(|segment| {
        let index = index_of(segment, &found);
        let readers =
            places.iter().find(|(shard, _)| *shard == segment.shard).map(|(_, place)| &place.readers);
        let node_ids: Vec<i64> = readers.into_iter().flatten().map(|node| wire_id(node.0)).collect();
        pb::QuerySegmentInfo {
            segment_id: segment_id(segment.shard, segment.id),
            collection_id: wire_id(found.id.0),
            partition_id: wire_id(segment.partition.0),
            mem_size: wire_id(segment.memory_bytes),
            num_rows: wire_id(segment.rows),
            index_name: index.map(|index| index.spec.name.clone()).unwrap_or_default(),
            index_id: index.map_or(0, |index| wire_id(index.id.0)),
            node_id: node_ids.first().copied().unwrap_or_default(),
            state: match segment.standing {
                SegmentStanding::Growing => SegmentState::Growing.into(),
                _ => SegmentState::Sealed.into(),
            },
            node_ids,
            level: SegmentLevel::L1.into(),
            is_sorted: is_final(segment),
            storage_version: 0,
        }
    });
    Ok(pb::GetQuerySegmentInfoResponse { infos: infos.collect(), ..Default::default() })
}

fn state_of(standing: SegmentStanding) -> SegmentState {
    match standing {
        SegmentStanding::Growing => SegmentState::Growing,
        SegmentStanding::Sealed => SegmentState::Sealed,
        SegmentStanding::Flushed => SegmentState::Flushed,
        SegmentStanding::Replaced => SegmentState::Dropped,
    }
}

fn is_final(segment: &SegmentInfo) -> bool {
    matches!(segment.standing, SegmentStanding::Flushed | SegmentStanding::Replaced)
}

fn inputs_of(segment: &SegmentInfo, merges: &[MergeInfo]) -> Vec<i64> {
    let is_output = |merge: &&MergeInfo| (merge.shard, merge.output) == (segment.shard, segment.id);
    let inputs = merges.iter().find(is_output).map(|merge| &merge.inputs);
    inputs.into_iter().flatten().map(|input| segment_id(segment.shard, *input)).collect()
}

/// The first index of the collection that searches of the segment use.
fn index_of<'a>(segment: &SegmentInfo, found: &'a CollectionDescriptor) -> Option<&'a IndexDescriptor> {
    found.indexes.iter().find(|index| segment.indexed.contains(&index.spec.field))
}
