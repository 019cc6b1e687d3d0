//! Replicas: which nodes answer reads of a collection.
//!
//! Milvus's replica is a whole copy of a collection, with a leader for each shard in it. Here each shard has copies on nodes of
//! its own; the first replica that is told consists of the first reading node of each shard, and so on. A shard's "leader" in
//! a replica is the node that reads it there, as in Milvus; who takes the writes is first, if it reads.
//!
//! From memory, as [`Database::topology`](vecraft_types::api::Database::topology) has it; a shard without a node is an error.

use crate::call::Context;
use crate::collection::{channel, wire_id};
use crate::compaction::named;
use crate::proto::milvus as pb;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::api::{CollectionName, ShardPlace, TopologyRequest};
use vecraft_types::{Code, CollectionDescriptor, Error, NodeId, Result, ShardId};

/// The only resource group there is.
pub(crate) const DEFAULT_RESOURCE_GROUP: &str = "__default_resource_group";

pub(crate) async fn replicas(
    cx: Context,
    request: pb::GetReplicasRequest,
) -> Result<pb::GetReplicasResponse> {
    let name = named(request.collection_name, request.collection_id)?;
    let found = cx.db.describe_collection(cx.call.clone(), name).await?;
    check_loaded(&found)?;
    let doors = doors(&cx).await?;
    let places = places(&cx, &found).await?;
    // Whole ones only: a shard that is moving may have a node more than others.
    let count = places.iter().map(|(_, place)| place.readers.len()).min().unwrap_or(0);
    let replica = |number: usize| {
        let shards = places.iter().map(|(shard, place)| (*shard, place.readers[number]));
        let nodes: BTreeSet<NodeId> = shards.clone().map(|(_, node)| node).collect();
        let shard_replicas = shards.map(|(shard, node)| pb::ShardReplica {
            leader_id: wire_id(node.0),
            leader_addr: doors.get(&node).cloned().unwrap_or_default(),
            dm_channel_name: channel(shard),
            node_ids: vec![wire_id(node.0)],
        });
        pb::ReplicaInfo {
            replica_id: wire_id(number as u64 + 1),
            collection_id: wire_id(found.id.0),
            partition_ids: found.partitions.iter().map(|partition| wire_id(partition.id.0)).collect(),
            shard_replicas: shard_replicas.collect(),
            node_ids: nodes.into_iter().map(|node| wire_id(node.0)).collect(),
            resource_group_name: DEFAULT_RESOURCE_GROUP.to_owned(),
            num_outbound_node: Default::default(),
        }
    };
    Ok(pb::GetReplicasResponse { replicas: (0..count).map(replica).collect(), ..Default::default() })
}

/// With `milvus.strict_load`, what is not loaded has no replicas and no loaded segments, as in Milvus.
pub(crate) fn check_loaded(found: &CollectionDescriptor) -> Result<()> {
    if found.is_strict_load() && !found.is_loaded {
        return Err(Error::new(Code::CollectionNotLoaded, "").with("collection", &found.name));
    }
    Ok(())
}

/// The nodes of each shard, the one that takes its writes first among those that read it.
///
/// # Errors
/// A shard of which no node is known; another collection has the name by now.
pub(crate) async fn places(cx: &Context, found: &CollectionDescriptor) -> Result<Vec<(ShardId, ShardPlace)>> {
    let request = TopologyRequest { collection: Some(found.name.clone()) };
    let told = cx.db.topology(cx.call.clone(), request).await?.collection;
    // That was asked by name. A name that is this collection's before and after was so in between: ids are never given twice (I11).
    let name = CollectionName::Name(found.name.clone());
    if cx.db.known_collection(cx.call.clone(), name).await?.id != found.id {
        let text = "it was dropped while the request was under way, and another has its name";
        return Err(Error::new(Code::CollectionNotFound, text).with("collection", &found.name));
    }
    let shards = found.shards.iter().map(|placement| placement.shard).enumerate();
    shards
        .map(|(at, shard)| {
            let place = told.as_ref().and_then(|told| told.shards.get(at)).cloned();
            let mut place = place.filter(|place| !place.readers.is_empty()).ok_or_else(|| {
                let text = "no node that reads the shard is known yet";
                Error::new(Code::ReplicaUnavailable, text).with("shard", shard)
            })?;
            place.readers.sort_by_key(|node| (Some(*node) != place.leader, *node));
            Ok((shard, place))
        })
        .collect()
}

async fn doors(cx: &Context) -> Result<BTreeMap<NodeId, String>> {
    let told = cx.db.topology(cx.call.clone(), TopologyRequest::default()).await?;
    Ok(told.doors.into_iter().map(|door| (door.node, door.address)).collect())
}
