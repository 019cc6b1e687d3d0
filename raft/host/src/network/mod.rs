//! Replication between nodes: openraft's network over the node-to-node transport.
//!
//! ```text
//!  group's core ── append, many in flight ──┐                         ┌─> bulk lane    ─> Inbox ─> group's core
//!               ── heartbeat, vote, ...   ──┴─ one connection a lane ─┴─> urgent lane  ─> Inbox ─> (in order)
//! ```
//! All groups of a pair of nodes share two connections, the *lanes*: bulk (appends, snapshots) and urgent (heartbeats,
//! votes, leader transfer, read indexes), so that 2 MiB of rows never delay an election. Within a lane, appends of one
//! source reach the group's core in the order in which they were sent; answers may overtake.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`message`] | what are the bytes of a question and of an answer? |
//! | [`description`] | how does a description longer than a message get to a follower? |
//! | [`client`] | how does a group's core ask a replica elsewhere? |
//! | [`append`] | what does the answer to an append say of a follower? |
//! | [`pipeline`] | how are several appends kept in flight? |
//! | [`inbox`] | which group here does a question belong to, and is it for the replica that runs (I1)? |
//!
//! It does *not* know where nodes are (`vecraft_rpc::peer` does), and moves no checkpoint files: a snapshot here is the
//! machine's description of one.

mod append;
pub mod client;
pub mod description;
pub mod inbox;
pub mod message;
mod pipeline;

use crate::Error;
use bytes::Bytes;
use description::{Described, NoPart};
use inbox::Inbox;
use message::{Ask, Question, Refused, Reply};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use vecraft_rpc::peer::{self, Accepted, CallLimits, Channel, Door, Lane, Peers, serve_calls};
use vecraft_types::{GroupId, NodeId};

/// Lane numbers, as told in the handshake.
const URGENT: u8 = 0;
const BULK: u8 = 1;
/// For one part of a description. Short: no other snapshot is taken while a leader is asked that has gone away.
const PART_WAIT: Duration = Duration::from_secs(5);
/// Ends of connections that a busy group may overlook: one is enough.
const GONE_MAX: usize = 64;

/// The network of a node's groups. Clones are the same.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    peers: Option<Arc<Peers>>,
    lanes: Mutex<BTreeMap<NodeId, Arc<Lanes>>>,
    inbox: Inbox,
    /// Nodes from which a connection has just ended.
    gone: broadcast::Sender<NodeId>,
}

/// The two connections to a node.
pub(crate) struct Lanes {
    pub urgent: Lane,
    pub bulk: Lane,
}

impl Network {
    /// Of a node without peers: every question is answered "unreachable". A group with one voter asks none.
    pub fn alone() -> Network {
        Network::new(None)
    }

    /// Over the node-to-node transport. Give [`Network::door`] to the node's listener.
    pub fn over(peers: Arc<Peers>) -> Network {
        Network::new(Some(peers))
    }

    fn new(peers: Option<Arc<Peers>>) -> Network {
        let (gone, _) = broadcast::channel(GONE_MAX);
        let complaints = peers.as_ref().map(|peers| peers.complaints().clone()).unwrap_or_default();
        let inner = Inner { peers, lanes: Mutex::default(), inbox: Inbox::new(complaints), gone };
        Network { inner: Arc::new(inner) }
    }

    /// What serves accepted connections of [`Channel::Raft`].
    pub fn door(&self) -> Door {
        let network = self.clone();
        Arc::new(move |accepted| {
            let network = network.clone();
            Box::pin(async move { network.serve(accepted).await })
        })
    }

    async fn serve(&self, accepted: Accepted) {
        let (from, inbox) = (accepted.from, self.inner.inbox.clone());
        let handle = move |frame| inbox.receive(from, frame);
        if let Err(error) = serve_calls(accepted.stream, CallLimits::default(), handle).await {
            match error.kind() {
                std::io::ErrorKind::InvalidData => {
                    self.inner.inbox.complaints().tell(
                        from,
                        "a peer broke the rules, connection closed",
                        &error,
                    );
                }
                _ => tracing::debug!(node = %from, %error, "replication connection ended"),
            }
        }
        self.tell_gone(from);
    }

    /// A connection from the node has ended.
    pub(crate) fn tell_gone(&self, node: NodeId) {
        // Nobody listens on a node without groups.
        let _ = self.inner.gone.send(node);
    }

    /// Hears of nodes from which a connection ended: they may be dead, or the connection broke.
    pub(crate) fn gone(&self) -> broadcast::Receiver<NodeId> {
        self.inner.gone.subscribe()
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inner.inbox
    }

    /// The lanes to a node; `None` when this node has no peers.
    pub(crate) fn lanes(&self, node: NodeId) -> Option<Arc<Lanes>> {
        let peers = self.inner.peers.as_ref()?;
        let lane = |number| Lane::new(peers.clone(), node, Channel::Raft, number);
        let mut lanes = self.inner.lanes.lock();
        let found =
            lanes.entry(node).or_insert_with(|| Arc::new(Lanes { urgent: lane(URGENT), bulk: lane(BULK) }));
        Some(found.clone())
    }

    /// Asks a replica for a part of the description that it shows.
    pub(crate) async fn part(
        &self,
        group: GroupId,
        from: vecraft_types::ReplicaId,
        of: crate::Location,
        described: Described,
        offset: u64,
    ) -> Result<Bytes, NoPart> {
        let lanes =
            self.lanes(of.node).ok_or_else(|| NoPart::NotShown("this node has no peers".to_owned()))?;
        let question = Question { group, from, to: of.replica, ask: Ask::Part { described, offset } };
        let frame = message::encode(&question, Vec::new()).map_err(NoPart::NotShown)?;
        let answer = lanes.bulk.call(frame, PART_WAIT).await;
        let answer = answer.map_err(|error| NoPart::Lost(format!("node {}: {error}", of.node)))?;
        match message::decode_reply(&answer).map_err(NoPart::Lost)? {
            Reply::Part(part) => Ok(part),
            // I1: whoever runs there now, it is not who made the offer.
            Reply::Refused(
                why @ (Refused::NotShown | Refused::NoGroup(_) | Refused::WrongReplica { .. }),
            ) => Err(NoPart::NotShown(format!("node {}: {why}", of.node))),
            Reply::Refused(why) => Err(NoPart::Lost(format!("node {}: {why}", of.node))),
            other => Err(NoPart::NotShown(format!("an answer to another question: {other:?}"))),
        }
    }

    /// Asks the leader for its read index (I16).
    pub(crate) async fn read_index(
        &self,
        group: GroupId,
        from: vecraft_types::ReplicaId,
        leader: crate::Location,
        wait: Duration,
    ) -> Result<vecraft_types::LogPosition, Error> {
        let silent = |error: peer::Error| Error::Unreachable { group, why: error.to_string() };
        let Some(lanes) = self.lanes(leader.node) else {
            return Err(Error::NotLeader { group, leader: Some(leader) });
        };
        let question = Question { group, from, to: leader.replica, ask: Ask::ReadIndex };
        let frame =
            message::encode(&question, Vec::new()).map_err(|why| Error::Unreachable { group, why })?;
        let answer = lanes.urgent.call(frame, wait).await.map_err(silent)?;
        match message::decode_reply(&answer).map_err(|why| Error::Unreachable { group, why })? {
            Reply::ReadIndex(position) => Ok(position),
            Reply::NotLeader(leader) => Err(Error::NotLeader { group, leader }),
            Reply::Refused(why) => Err(Error::Unreachable { group, why: why.to_string() }),
            other => {
                Err(Error::Unreachable { group, why: format!("an answer to another question: {other:?}") })
            }
        }
    }
}
