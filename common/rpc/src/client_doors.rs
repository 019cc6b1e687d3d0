//! Where clients reach the nodes: each node knows its own door, and any may be asked for all of them.

use async_trait::async_trait;
use vecraft_types::Result;
use vecraft_types::api::NodeDoor;

/// One node's door for Vecraft's own clients. Served by every node, asked by the others.
#[async_trait]
pub trait ClientDoor: Send + Sync {
    /// Its `host:port`.
    async fn client_door(&self) -> Result<String>;
}

/// The doors of all nodes, as one node knows them.
#[async_trait]
pub trait ClientDoors: Send + Sync {
    /// Those known, the own one among them. A node that was never heard of is asked, but not waited for long.
    async fn doors(&self) -> Vec<NodeDoor>;
}
