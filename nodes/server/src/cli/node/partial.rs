//! What can be told of a cluster whose coordinator does not answer: the nodes that the one that was asked knows, and which of
//! them answer at their client doors. For programs: a person is told in words.

use super::reach::greet;
use futures::future::join_all;
use serde::Serialize;
use vecraft_client::Client;
use vecraft_types::api::{Call, Database, NodeDoor, TopologyRequest};
use vecraft_types::{GroupId, NodeId};

/// What `vecraft node list --json` prints then. The names are those of the whole answer, as far as they are in both.
#[derive(Debug, Serialize)]
pub struct Partial {
    /// Why it is not the whole answer, which has no such field.
    partial: String,
    cluster_id: String,
    nodes: Vec<KnownNode>,
    leaderless: Vec<GroupId>,
}

/// A node, by what this command saw itself.
#[derive(Debug, Serialize)]
struct KnownNode {
    id: NodeId,
    client_door: String,
    is_alive: bool,
}

impl Partial {
    /// Asks the node at hand, and each that it knows.
    pub async fn seen_by(client: &Client, why: &str) -> Partial {
        // From its memory. Without it there is still the reason.
        let known = client.topology(Call::default(), TopologyRequest::default()).await.unwrap_or_default();
        let look = |NodeDoor { node, address }| async move {
            KnownNode { id: node, is_alive: greet(&address).await.is_ok(), client_door: address }
        };
        let mut nodes = join_all(known.doors.into_iter().map(look)).await;
        nodes.sort_by_key(|node| node.id);
        Partial {
            partial: why.to_owned(),
            cluster_id: known.cluster_id,
            nodes,
            leaderless: vec![GroupId::META],
        }
    }
}
