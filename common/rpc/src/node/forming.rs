//! What a node without a cluster, or cut off from it, asks its neighbours, and is told by one of them.

// The service macro writes public types that cannot carry comments of ours.
#![allow(missing_docs)]

use crate::membership::{JoinRequest, Joined};
use crate::peer::{Channel, PeerStream, Peers};
use crate::transport::{chain, framed_over};
use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tarpc::client::{Config, NewClient, RpcError};
use tarpc::context::{self, Context};
use tarpc::server::{BaseChannel, Channel as _};
use vecraft_types::{Code, Error, NodeId, Result};

/// How a node presents itself before, while and after a cluster forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHello {
    /// Its id in `cluster.toml`.
    pub node: NodeId,
    /// Hash of what all nodes must agree on in `cluster.toml`.
    pub config_hash: u64,
    /// Version of its program.
    pub version: String,
    /// Where it stands.
    pub phase: HelloPhase,
}

/// Where a node stands (I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelloPhase {
    /// Its directory is empty.
    Empty,
    /// It was told the cluster's id, and others perhaps not yet. None of its replicas has started.
    Forming {
        /// The cluster.
        cluster: u128,
    },
    /// It belongs to a cluster.
    Formed {
        /// The cluster.
        cluster: u128,
    },
    /// As `Forming`, and every listed node has been told the id: replicas may start, and nobody is told it again.
    Told {
        /// The cluster.
        cluster: u128,
    },
}

/// What a node knows of another that asks whether it was let go, and for whom it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// Whether the cluster has removed that node, as far as the one that answers has applied it.
    pub is_removed: bool,
    /// The cluster of the one that answers, and those that it went on from. A stranger's word counts for nothing: its
    /// nodes have the same numbers.
    pub speaks_for: Vec<u128>,
}

impl LetGo {
    /// Whether a node of this cluster must end.
    pub fn ends(&self, cluster: u128) -> bool {
        self.is_removed && self.speaks_for.contains(&cluster)
    }
}

/// What a node answers, a formed one too.
#[async_trait]
pub trait Forming: Send + Sync {
    /// Who it is.
    fn hello(&self) -> NodeHello;
    /// A person says that these nodes are to become a cluster. `config_hash` is that of the configuration the person holds.
    fn init(&self, config_hash: u64) -> Result<()>;
    /// Takes the cluster's id. Durable when answered; the same id again is fine, another one is refused.
    async fn form(&self, cluster: u128) -> Result<()>;
    /// An empty node joins the cluster of this one; handed on to the coordinator.
    async fn join(&self, request: JoinRequest) -> Result<Joined>;
    /// Whether the cluster has let a node go, as far as this node knows.
    async fn is_removed(&self, node: NodeId) -> Result<LetGo>;
}

#[tarpc::service]
trait FormingService {
    /// Who are you?
    async fn hello() -> NodeHello;
    /// All listed nodes are empty and agree: this is the cluster's id. Durable when answered; repeating it is fine.
    async fn form(cluster: u128) -> Result<()>;
    /// My directory is empty: let me join.
    async fn join(request: JoinRequest) -> Result<Joined>;
    /// Was this node removed?
    async fn is_removed(node: NodeId) -> Result<LetGo>;
    /// A person says: form the cluster.
    async fn init(config_hash: u64) -> Result<()>;
}

#[derive(Clone)]
struct Served(Arc<dyn Forming>);

impl FormingService for Served {
    async fn hello(self, _: Context) -> NodeHello {
        self.0.hello()
    }

    async fn init(self, _: Context, config_hash: u64) -> Result<()> {
        self.0.init(config_hash)
    }

    async fn form(self, _: Context, cluster: u128) -> Result<()> {
        self.0.form(cluster).await
    }

    async fn join(self, _: Context, request: JoinRequest) -> Result<Joined> {
        self.0.join(request).await
    }

    async fn is_removed(self, _: Context, node: NodeId) -> Result<LetGo> {
        self.0.is_removed(node).await
    }
}

/// Answers one peer on the forming channel until its connection ends.
pub async fn serve_forming(stream: PeerStream, forming: Arc<dyn Forming>) {
    let channel = BaseChannel::with_defaults(framed_over(stream));
    channel.execute(Served(forming).serve()).for_each(|answer| answer).await;
}

/// Asks a node who it is.
///
/// # Errors
/// [`Code::ReplicaUnavailable`] when it cannot be reached or does not answer.
pub async fn ask_hello(peers: &Peers, node: NodeId) -> Result<NodeHello> {
    let client = client(peers, node).await?;
    client.hello(context::current()).await.map_err(|error| lost(node, &error))
}

/// Tells the node that leads the forming that a person wants it.
///
/// # Errors
/// [`Code::ReplicaUnavailable`] when it cannot be reached or does not answer; what it refused.
pub async fn tell_init(peers: &Peers, node: NodeId, config_hash: u64) -> Result<()> {
    let client = client(peers, node).await?;
    client.init(context::current(), config_hash).await.map_err(|error| lost(node, &error))?
}

/// Tells a node its cluster's id.
///
/// # Errors
/// [`Code::ReplicaUnavailable`] when it cannot be reached or does not answer; what it refused.
pub async fn tell_cluster(peers: &Peers, node: NodeId, cluster: u128) -> Result<()> {
    let client = client(peers, node).await?;
    client.form(context::current(), cluster).await.map_err(|error| lost(node, &error))?
}

/// Asks a node's cluster to take this node in.
///
/// # Errors
/// [`Code::ReplicaUnavailable`] when it cannot be reached or does not answer; what the coordinator refused.
pub async fn ask_join(peers: &Peers, node: NodeId, request: JoinRequest) -> Result<Joined> {
    let client = client(peers, node).await?;
    client.join(context::current(), request).await.map_err(|error| lost(node, &error))?
}

/// Asks a node whether the cluster has let `whom` go.
///
/// # Errors
/// [`Code::ReplicaUnavailable`] when it cannot be reached or does not answer, or does not know yet.
pub async fn ask_is_removed(peers: &Peers, node: NodeId, whom: NodeId) -> Result<LetGo> {
    let client = client(peers, node).await?;
    client.is_removed(context::current(), whom).await.map_err(|error| lost(node, &error))?
}

async fn client(peers: &Peers, node: NodeId) -> Result<FormingServiceClient> {
    let dialed = peers.dial(node, Channel::Forming, 0).await;
    let stream = dialed.map_err(|error| Error::new(Code::ReplicaUnavailable, error.to_string()))?;
    let NewClient { client, dispatch } = FormingServiceClient::new(Config::default(), framed_over(stream));
    tokio::spawn(async move {
        // A call on it tells its caller.
        let _ = dispatch.await;
    });
    Ok(client)
}

fn lost(node: NodeId, error: &RpcError) -> Error {
    Error::new(Code::ReplicaUnavailable, format!("node {node} did not answer: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_only_the_own_cluster_or_one_that_went_on_from_it_lets_a_node_go() {
        let says = |is_removed, speaks_for: &[u128]| LetGo { is_removed, speaks_for: speaks_for.to_vec() };
        assert!(says(true, &[7]).ends(7));
        assert!(says(true, &[7, 8]).ends(7), "8 went on from 7");
        assert!(!says(true, &[8]).ends(7), "a stranger has removed a node of the same number");
        assert!(!says(false, &[7]).ends(7));
    }
}
