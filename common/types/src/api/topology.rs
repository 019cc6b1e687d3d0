//! What a client may know of the nodes behind the doors: a hint where a call is answered with the fewest hops.
//!
//! Never more than a hint: every node answers every call, so one that goes to the wrong node costs a hop and nothing else.

use crate::NodeId;
use serde::{Deserialize, Serialize};

/// Asks where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyRequest {
    /// The collection that calls will be about; none asks for the nodes only.
    pub collection: Option<String>,
}

/// Where things are, as the node that answers has it in memory; perhaps a moment old.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyReply {
    /// The cluster, so that a door that leads into another one is noticed.
    pub cluster_id: String,
    /// The node that answers.
    pub node: NodeId,
    /// The client doors known to it, its own among them.
    pub doors: Vec<NodeDoor>,
    /// The collection that was asked for; none when this node does not know it (yet).
    pub collection: Option<CollectionPlace>,
}

/// Where clients reach a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDoor {
    /// The node.
    pub node: NodeId,
    /// `host:port` of its door for Vecraft's own clients.
    pub address: String,
}

/// Which nodes serve a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionPlace {
    /// The field whose values say which shard a row belongs to; none when the server makes them.
    pub key_field: Option<String>,
    /// By shard index.
    pub shards: Vec<ShardPlace>,
}

/// Which nodes serve a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlace {
    /// Writes go through this node; none while nobody is known to lead.
    pub leader: Option<NodeId>,
    /// Reads are answered by these.
    pub readers: Vec<NodeId>,
}
