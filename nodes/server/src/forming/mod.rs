//! From the empty directories of the listed nodes to one cluster (I1).
//!
//! ```text
//! every node   serves the forming service on its node port, asks the others who they are
//! lowest id    all there, empty, one configuration: draws the cluster id, writes it down, tells it to each
//! the others   write it down and answer
//! lowest id    all have it: writes that down, says so; the others hear it and write it down too
//! then         all start their replicas; group 0's first entry says who is in the cluster and who holds what
//! ```
//! What may be decided from the answers is [`decide`], which is pure. A node that crashes in the middle comes back in the
//! phase it wrote down and the forming goes on. No replica starts, so nobody votes, while a node may still be told the
//! name: one that is emptied after it voted is never told again. With `cluster.forming = "explicit"` the lowest id draws nothing before a
//! person told it to (`vecraft cluster init`). An empty node that finds a cluster joins it: it gets its replica of
//! group 0 there, writes it down and is formed.

mod decide;
mod door;

use crate::Error;
use crate::agreed;
use crate::directory::Directory;
use crate::ground::Ground;
use crate::identity::Phase;
use crate::member_record::{self, MetaReplica};
use decide::{Next, decide};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use vecraft_config::Config;
use vecraft_rpc::membership::JoinRequest;
use vecraft_rpc::node::{HelloPhase, NodeHello, ask_hello, ask_join, tell_cluster};
use vecraft_rpc::peer::{Channel, ListenOptions, PeerListener, Peers};
use vecraft_types::{Code, NodeId};

pub use decide::{lowest, no_agreement};
pub use door::FormingDoor;

/// Between two rounds of questions.
const ROUND: Duration = Duration::from_millis(200);
/// For one answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What a node says of itself.
pub fn hello(config: &Config, directory: &Directory) -> NodeHello {
    let identity = directory.identity.lock();
    let cluster = identity.cluster_id;
    NodeHello {
        node: identity.node,
        config_hash: config.hash(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        phase: match identity.phase {
            Phase::Empty => HelloPhase::Empty,
            Phase::Forming => HelloPhase::Forming { cluster },
            Phase::Told => HelloPhase::Told { cluster },
            Phase::Formed => HelloPhase::Formed { cluster },
        },
    }
}

/// A node that does not know its cluster yet.
pub struct Nameless<'a> {
    pub config: &'a Config,
    pub directory: &'a Arc<Directory>,
    /// The other listed nodes, asked as a node of no cluster.
    pub peers: Arc<Peers>,
    /// Where others reach this node.
    pub address: &'a str,
    pub ground: &'a Ground,
}

impl Nameless<'_> {
    /// Returns once this node knows its cluster. `listener` is the node port; it is free again when this returns.
    ///
    /// # Errors
    /// Why it can never be, in words for a person; the caller's stop.
    pub async fn form(&self, listener: TcpListener) -> Result<(), Error> {
        let (done, formed) = tokio::sync::oneshot::channel::<()>();
        let door = FormingDoor::new(self.config.clone(), self.directory.clone());
        let doors = [(Channel::Forming, door.door())];
        let serving = PeerListener::new(listener, self.peers.clone(), ListenOptions::default(), doors);
        let serving = tokio::spawn(serving.serve(async move {
            // Also when the sender is dropped.
            let _ = formed.await;
        }));
        let outcome = self.ground.shutdown.unless_triggered(self.rounds(&door)).await;
        let _ = done.send(());
        let _ = serving.await;
        outcome.unwrap_or_else(|| Err(refused("stopped while the cluster was forming".to_owned())))
    }

    async fn rounds(&self, door: &FormingDoor) -> Result<(), Error> {
        let listed: Vec<NodeId> = self.config.nodes.iter().map(|node| NodeId(node.id)).collect();
        let mut told = String::new();
        loop {
            let own = hello(self.config, self.directory);
            let others = listed.iter().copied().filter(|id| *id != own.node);
            let answers = ask_all(&self.peers, others).await;
            let silence: Vec<String> = answers.values().filter_map(|answer| answer.clone().err()).collect();
            let answers = answers.into_iter().filter_map(|(id, answer)| Some((id, answer.ok()?))).collect();
            // It may have been told meanwhile.
            let own = hello(self.config, self.directory);
            let waiting = match decide(&own, &listed, &answers, door.may_begin()) {
                Next::Refuse(why) => return Err(refused(why)),
                Next::Follow { cluster } => {
                    self.directory.identity.lock().told(self.directory.kv.as_ref())?;
                    tracing::info!(cluster = format!("{cluster:032x}"), "this node's cluster has its name");
                    return Ok(());
                }
                Next::Lead { cluster } => {
                    let cluster = cluster.unwrap_or_else(|| self.ground.random.next_u128());
                    self.directory.identity.lock().begin(self.directory.kv.as_ref(), cluster)?;
                    match tell_all(&self.peers, &listed, own.node, cluster).await {
                        Ok(()) => {
                            self.directory.identity.lock().told(self.directory.kv.as_ref())?;
                            return Ok(());
                        }
                        Err(why) => why,
                    }
                }
                Next::Join { via } => match self.join(&via).await? {
                    true => return Ok(()),
                    false => format!("waiting for the coordinator, asked through node {}", words(&via)),
                },
                Next::Wait(why) => why,
                Next::AskPerson => asks(self.config),
            };
            // Why a node is not heard may change with each attempt: that is for whoever asks.
            let lines: Vec<&str> = std::iter::once(&waiting).chain(&silence).map(String::as_str).collect();
            self.ground.standing.waits(lines.join("\n"));
            if waiting != told {
                tracing::info!(waiting, "forming the cluster");
                told = waiting;
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Asks the cluster of these nodes to take this one in; false when nobody could decide yet.
    async fn join(&self, via: &[NodeId]) -> Result<bool, Error> {
        let (config, kv) = (self.config, self.directory.kv.as_ref());
        let own = self.directory.identity().node;
        let request = JoinRequest {
            node: own,
            address: self.address.to_owned(),
            directory: member_record::directory_id(kv, self.ground.random.as_ref())?,
            cluster_name: config.cluster.name.clone(),
            is_listed: false,
            is_query_only: config.node(own.0)?.is_query_only(),
            replication: config.cluster.replication,
            groups_per_node: config.data.groups_per_node,
        };
        for through in via {
            let asked = ask_join(&self.peers, *through, request.clone());
            match tokio::time::timeout(ANSWER_MAX, asked).await {
                Ok(Ok(joined)) => {
                    let replica = MetaReplica { replica: joined.replica, joins: true };
                    // It compared them with its own. First: a member may not come back with other values.
                    agreed::settle(kv, config)?;
                    self.directory.identity.lock().join(kv, joined.cluster, replica)?;
                    tracing::info!(cluster = format!("{:032x}", joined.cluster), "this node was taken in");
                    return Ok(true);
                }
                Ok(Err(error)) if error.code == Code::InvalidParameter => {
                    return Err(Error::Other { what: "this node cannot join", why: error.detail });
                }
                Ok(Err(error)) => tracing::debug!(node = %through, %error, "not taken in yet"),
                Err(_) => {}
            }
        }
        Ok(false)
    }
}

/// What a person is to say, with the file that this node was started with.
fn asks(config: &Config) -> String {
    let file = config.file.as_deref().unwrap_or(Path::new("cluster.toml")).display();
    format!(
        "all nodes are here and empty: waiting for a person to say `vecraft cluster init --config {file}`"
    )
}

fn words(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn refused(why: String) -> Error {
    Error::Other { what: "this cluster cannot form", why }
}

/// What each of these nodes says of itself, or why it says nothing.
pub async fn ask_all(
    peers: &Peers,
    nodes: impl IntoIterator<Item = NodeId>,
) -> BTreeMap<NodeId, Result<NodeHello, String>> {
    let asked = nodes.into_iter().map(|id| async move {
        let answer = tokio::time::timeout(ANSWER_MAX, ask_hello(peers, id)).await;
        let silent = || Err(format!("no answer within {} s", ANSWER_MAX.as_secs()));
        (id, answer.map_or_else(|_| silent(), |said| said.map_err(|error| error.detail)))
    });
    join_all(asked).await.into_iter().collect()
}

/// Tells the cluster's id to every other node; each has written it down when this is `Ok`.
async fn tell_all(peers: &Peers, listed: &[NodeId], own: NodeId, cluster: u128) -> Result<(), String> {
    let told = listed.iter().filter(|id| **id != own).map(|id| async move {
        let tell = async { tell_cluster(peers, *id, cluster).await.map_err(|e| e.to_string()) };
        let answer = tokio::time::timeout(ANSWER_MAX, tell).await;
        answer.unwrap_or_else(|_| Err("no answer".to_owned())).map_err(|why| format!("node {id}: {why}"))
    });
    join_all(told).await.into_iter().collect()
}
