//! How a group's core asks a replica on another node.

use super::description::{Shelf, Shown};
use super::message::{self, Ask, Question, Refused, Reply};
use super::pipeline::pipelined;
use super::{Lanes, Network};
use crate::Offer;
use crate::acknowledged::Acknowledged;
use crate::copies::Copies;
use crate::state_machine::SnapshotFiles;
use bytes::Bytes;
use futures::Stream;
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use vecraft_log_store::{LogId, Peer, TypeConfig, Vote};
use vecraft_rpc::peer::{self, Frame};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// For a follower to say whether it takes a snapshot now.
const READY_WAIT: Duration = Duration::from_secs(5);
/// For a follower to pull and install a checkpoint. Pulling is resumable: running out of time costs one more offer.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(1_800);

/// Makes the clients of one group's core.
pub struct GroupNetwork {
    pub network: Network,
    pub group: GroupId,
    pub me: ReplicaId,
    /// See [`crate::Host::inline`].
    pub is_inline: bool,
    /// Where followers find the descriptions of snapshots.
    pub shelf: Shelf,
    pub copies: Copies,
    pub acknowledged: Acknowledged,
}

impl GroupNetwork {
    fn target(&self, replica: u64, peer: &Peer, is_urgent: bool) -> Target {
        let node = NodeId(peer.node);
        let lanes = self.network.lanes(node);
        let (from, to, is_inline) = (self.me, ReplicaId(replica), self.is_inline);
        let (shelf, copies) = (self.shelf.clone(), self.copies.clone());
        let acknowledged = self.acknowledged.clone();
        Target { lanes, group: self.group, from, to, node, is_urgent, is_inline, shelf, copies, acknowledged }
    }
}

impl RaftNetworkFactory<TypeConfig> for GroupNetwork {
    type Network = Target;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Target {
        self.target(target, node, false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Peer) -> Target {
        self.target(target, node, true)
    }
}

/// One replica elsewhere.
pub struct Target {
    lanes: Option<Arc<Lanes>>,
    group: GroupId,
    from: ReplicaId,
    pub(super) to: ReplicaId,
    pub(super) node: NodeId,
    /// Appends of this client are heartbeats.
    pub(super) is_urgent: bool,
    is_inline: bool,
    shelf: Shelf,
    copies: Copies,
    pub(super) acknowledged: Acknowledged,
}

pub(super) type Rpc<T> = Result<T, RPCError<TypeConfig>>;

impl Target {
    async fn ask_urgently(&self, kind: RPCTypes, ask: Ask, option: &RPCOption) -> Rpc<Reply> {
        let frame = self.frame(ask, Vec::new())?;
        let answer = self.lanes()?.urgent.call(frame, option.soft_ttl()).await;
        self.reply(&answer.map_err(|e| self.failed(kind, e))?)
    }

    pub(super) fn lanes(&self) -> Rpc<&Lanes> {
        let alone =
            || self.unreachable(format!("replica {} is elsewhere, and this node has no peers", self.to));
        self.lanes.as_deref().ok_or_else(alone)
    }

    pub(super) fn frame(&self, ask: Ask, payloads: Vec<Bytes>) -> Rpc<Frame> {
        let question = Question { group: self.group, from: self.from, to: self.to, ask };
        message::encode(&question, payloads).map_err(|why| self.unreachable(why))
    }

    pub(super) fn reply(&self, answer: &[u8]) -> Rpc<Reply> {
        match message::decode_reply(answer).map_err(|why| self.unreachable(why))? {
            Reply::Refused(why) => Err(self.unreachable(format!("node {}: {why}", self.node))),
            reply => Ok(reply),
        }
    }

    /// The machine's words for its checkpoint. That may have moved on since openraft asked which it is; then the core
    /// must ask again, because what it believes the follower has is the position it knows.
    /// Shown as soon as it is there: its checksum takes a while, too.
    async fn describe(&self, snapshot: SnapshotFiles, at: Option<LogId>) -> Result<(Offer, Shown), String> {
        let SnapshotFiles::Here(offer) = snapshot else {
            return Err(format!("group {}: a snapshot of another node", self.group));
        };
        let shelf = self.shelf.clone();
        let describing = move || {
            let offer = offer()?;
            let shown = shelf.show(offer.content.clone());
            Some((offer, shown))
        };
        let described = if self.is_inline {
            describing()
        } else {
            let described = tokio::task::spawn_blocking(describing).await;
            described.map_err(|e| format!("group {}: describing its checkpoint: {e}", self.group))?
        };
        match described {
            Some((offer, shown)) if Some(offer.mark.log_id) == at => Ok((offer, shown)),
            Some((offer, _)) => {
                Err(format!("group {}: its checkpoint is at {} by now", self.group, offer.mark.position()))
            }
            None => Err(format!("group {}: its machine offers no checkpoint", self.group)),
        }
    }

    pub(super) fn unexpected(&self, reply: Reply) -> RPCError<TypeConfig> {
        self.unreachable(format!("node {} answered another question: {reply:?}", self.node))
    }

    /// Anything after which trying again at once is of no use.
    pub(super) fn unreachable(&self, why: String) -> RPCError<TypeConfig> {
        RPCError::Unreachable(Unreachable::from_string(why))
    }

    pub(super) fn failed(&self, action: RPCTypes, error: peer::Error) -> RPCError<TypeConfig> {
        match error {
            peer::Error::Closed { .. } => RPCError::Network(NetworkError::new(&error)),
            peer::Error::TimedOut { waited_ms, .. } => RPCError::Timeout(Timeout {
                action,
                id: self.from.0,
                target: self.to.0,
                timeout: Duration::from_millis(waited_ms),
            }),
            other => self.unreachable(other.to_string()),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Target {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        let sent = self.start_append(rpc, &option).await?;
        self.finish_append(sent).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move { Ok(Box::pin(pipelined(self, input, option)) as BoxStream<'s, _>) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.ask_urgently(RPCTypes::Vote, Ask::Vote(rpc), &option).await? {
            Reply::Vote(response) => Ok(response),
            other => Err(self.unexpected(other)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.ask_urgently(RPCTypes::Vote, Ask::PreVote(rpc), &option).await? {
            Reply::Vote(response) => Ok(response),
            other => Err(self.unexpected(other)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        match self.ask_urgently(RPCTypes::TransferLeader, Ask::TransferLeader(req), &option).await? {
            Reply::TransferLeader(response) => Ok(response),
            other => Err(self.unexpected(other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFiles>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let copied = match self.may_offer().await {
            Ok(true) => self.copy(vote, snapshot, cancel).await,
            // The copy that it takes was offered before a connection broke, or by another leader.
            Ok(false) => {
                return Err(self.unreachable(format!("node {}: {}", self.node, Refused::Busy)).into());
            }
            Err(error) => Err(error.into()),
        };
        match &copied {
            Ok(_) => self.copies.done(self.to),
            // This replica leads no more: nothing is wrong with the copy.
            Err(StreamingError::Closed(_)) => {}
            Err(_) => self.copies.failed(self.to),
        }
        copied
    }
}

impl Target {
    /// Whether the follower would take a snapshot now; not while it takes one.
    async fn may_offer(&self) -> Rpc<bool> {
        let asked = self.lanes()?.bulk.call(self.frame(Ask::MayOffer, Vec::new())?, READY_WAIT).await;
        let answer = asked.map_err(|e| self.failed(RPCTypes::InstallSnapshot, e))?;
        match message::decode_reply(&answer).map_err(|why| self.unreachable(why))? {
            Reply::Offer => Ok(true),
            Reply::Refused(Refused::Busy) => Ok(false),
            Reply::Refused(why) => Err(self.unreachable(format!("node {}: {why}", self.node))),
            other => Err(self.unexpected(other)),
        }
    }

    /// Offers a snapshot; returns when the follower has installed it.
    async fn copy(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFiles>,
        cancel: impl Future<Output = ReplicationClosed>,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let meta = snapshot.meta;
        let offer = self.describe(snapshot.snapshot, meta.last_log_id).await.inspect_err(|why| {
            tracing::warn!(group = %self.group, replica = %self.to, why, "no snapshot for a replica that needs one");
        });
        // Held until the follower has answered: its pin keeps the checkpoint's files where they are (I5), and the
        // shelf what it says of them.
        let (Offer { pin: _pin, .. }, shown) = offer.map_err(Unreachable::from_string)?;
        let lanes = self.lanes()?;
        tracing::info!(group = %self.group, replica = %self.to, node = %self.node, at = ?meta.last_log_id, "offers a snapshot");
        let frame = self.frame(Ask::Snapshot { vote, meta, described: shown.described }, Vec::new())?;
        let answered = tokio::select! {
            answered = lanes.bulk.call(frame, SNAPSHOT_WAIT) => answered,
            closed = cancel => return Err(closed.into()),
        };
        let answer = answered.map_err(|e| self.failed(RPCTypes::InstallSnapshot, e))?;
        match self.reply(&answer)? {
            Reply::Snapshot(response) => Ok(response),
            other => Err(self.unexpected(other).into()),
        }
    }
}
