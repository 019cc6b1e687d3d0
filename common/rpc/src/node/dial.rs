//! One connection per node for calls between roles, over the peer transport.

use super::remote::Dial;
use super::service::NodeServiceClient;
use crate::peer::{Channel, Peers};
use crate::transport::{chain, framed_over};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use tarpc::client;
use tokio::sync::Mutex;
use vecraft_types::{Code, Error, NodeId, Result};

/// Calls to one node under way at once; further ones queue here.
const IN_FLIGHT_MAX: usize = 1_024;

/// Connections to the other nodes' roles: opened when first needed, shared, replaced when they break.
pub struct PeerDial {
    peers: Arc<Peers>,
    nodes: parking_lot::Mutex<BTreeMap<NodeId, Arc<Mutex<Option<NodeServiceClient>>>>>,
}

impl PeerDial {
    /// Over these peers.
    pub fn new(peers: Arc<Peers>) -> PeerDial {
        PeerDial { peers, nodes: parking_lot::Mutex::default() }
    }

    fn slot(&self, node: NodeId) -> Arc<Mutex<Option<NodeServiceClient>>> {
        self.nodes.lock().entry(node).or_default().clone()
    }
}

#[async_trait]
impl Dial for PeerDial {
    async fn client(&self, node: NodeId) -> Result<NodeServiceClient> {
        // The lock is held while connecting: callers that arrive meanwhile wait for the same attempt.
        let slot = self.slot(node);
        let mut open = slot.lock().await;
        if let Some(client) = &*open {
            return Ok(client.clone());
        }
        let dialed = self.peers.dial(node, Channel::Rpc, 0).await;
        let stream = dialed.map_err(|error| Error::new(Code::ReplicaUnavailable, error.to_string()))?;
        let client::NewClient { client, dispatch } = NodeServiceClient::new(config(), framed_over(stream));
        tokio::spawn(async move {
            if let Err(error) = dispatch.await {
                tracing::debug!(%node, error = chain(&error), "the connection to a node broke");
            }
        });
        *open = Some(client.clone());
        Ok(client)
    }

    async fn broke(&self, node: NodeId) {
        *self.slot(node).lock().await = None;
    }
}

fn config() -> client::Config {
    let mut config = client::Config::default();
    config.max_in_flight_requests = IN_FLIGHT_MAX;
    config
}
