//! The asking side: another node with the faces of its roles.

use super::service::NodeServiceClient;
use crate::client_doors::ClientDoor;
use crate::copies::{HoldIndex, IndexHolder};
use crate::membership::*;
use crate::memory::{NodeRoom, RoomLeft};
use crate::services::*;
use async_trait::async_trait;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tarpc::client::RpcError;
use tarpc::context::{self, Context};
use vecraft_types::api::{ClusterReply, ClusterRequest, CreateCollection, CreateIndex, SetLoaded};
use vecraft_types::{
    Code, CollectionId, Error, GroupId, IndexBuild, IndexId, NodeId, PartitionId, RequestId, Result,
    SegmentId, ShardId,
};

/// Longest wait for calls that carry no deadline of their own.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Gives the connection to a node: the present one, or a new one.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A client over a live connection.
    ///
    /// # Errors
    /// [`Code::ReplicaUnavailable`] when the node cannot be reached; nothing was sent then.
    async fn client(&self, node: NodeId) -> Result<NodeServiceClient>;

    /// A call found this connection broken: the next one gets another.
    async fn broke(&self, node: NodeId);
}

/// Another node. Retries nothing; an answer that got lost is [`Code::ReplicaUnavailable`], and asking again with the same
/// request id does no harm (I10).
#[derive(Clone)]
pub struct RemoteNode {
    node: NodeId,
    dial: Arc<dyn Dial>,
}

impl RemoteNode {
    /// The node, reached through `dial`.
    pub fn new(node: NodeId, dial: Arc<dyn Dial>) -> RemoteNode {
        RemoteNode { node, dial }
    }

    async fn call<T, F, Fut>(&self, wait: Duration, ask: F) -> Result<T>
    where
        F: FnOnce(NodeServiceClient, Context) -> Fut,
        Fut: Future<Output = std::result::Result<Result<T>, RpcError>>,
    {
        let client = self.dial.client(self.node).await?;
        let mut context = context::current();
        context.deadline = (tokio::time::Instant::now() + wait).into_std();
        match ask(client, context).await {
            Ok(answer) => answer,
            Err(error) => Err(self.lost(wait, error).await),
        }
    }

    async fn lost(&self, wait: Duration, error: RpcError) -> Error {
        let node = self.node;
        match error {
            RpcError::DeadlineExceeded => {
                let text = format!("node {node} did not answer within {} ms", wait.as_millis());
                Error::new(Code::Deadline, text).unanswered()
            }
            RpcError::Server(refusal) => {
                Error::new(Code::RateLimited, format!("node {node}: {}", refusal.detail)).retry_after(20)
            }
            broken => {
                self.dial.broke(node).await;
                let text =
                    format!("the connection to node {node} broke: {}", crate::transport::chain(&broken));
                Error::new(Code::ReplicaUnavailable, text).unanswered()
            }
        }
    }
}

fn wait(deadline_ms: u64) -> Duration {
    Duration::from_millis(deadline_ms).min(crate::wire::DEADLINE_MAX)
}

#[async_trait]
impl ShardWriter for RemoteNode {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        let wait = wait(write.deadline_ms);
        self.call(wait, |client, context| async move { client.write(context, write).await }).await
    }

    async fn pin(&self, pin: ShardPin) -> Result<PinReply> {
        let wait = wait(pin.deadline_ms);
        self.call(wait, |client, context| async move { client.pin(context, pin).await }).await
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        self.call(ANSWER_MAX, |client, context| async move { client.flush(context, shard).await }).await
    }

    async fn stats(&self, shard: ShardId) -> Result<ShardStats> {
        self.call(ANSWER_MAX, |client, context| async move { client.stats(context, shard).await }).await
    }
}

#[async_trait]
impl ShardReader for RemoteNode {
    async fn search(&self, search: ShardSearch) -> Result<ShardHits> {
        let wait = wait(search.deadline_ms);
        self.call(wait, |client, context| async move { client.search(context, search).await }).await
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        let wait = wait(query.deadline_ms);
        self.call(wait, |client, context| async move { client.query(context, query).await }).await
    }
}

macro_rules! plain {
    ($trait:ident { $($method:ident($($argument:ident: $type:ty),*) -> $reply:ty => $verb:ident;)+ } $($rest:item)*) => {
        #[async_trait]
        impl $trait for RemoteNode {
            $(async fn $method(&self $(, $argument: $type)*) -> Result<$reply> {
                self.call(ANSWER_MAX, |client, context| async move {
                    client.$verb(context $(, $argument)*).await
                }).await
            })+
            $($rest)*
        }
    };
}

plain! {
    CatalogueWriter {
        create_collection(request: RequestId, wish: CreateCollection) -> () => create_collection;
        create_partition(request: RequestId, collection: CollectionId, name: String) -> () => create_partition;
        create_index(request: RequestId, collection: CollectionId, wish: CreateIndex) -> () => create_index;
        set_loaded(collection: CollectionId, wish: SetLoaded) -> () => set_loaded;
        allocate_ids(count: u64) -> i64 => allocate_ids;
        holder_of(name: String) -> Option<CollectionId> => holder_of;
        drop_exactly(target: DropTarget) -> () => drop_exactly;
    }
}

plain! {
    ShardAdmin {
        create_shard(group: GroupId, creation: ShardCreation) -> () => create_shard;
        drop_shard(group: GroupId, shard: ShardId) -> () => drop_shard;
        drop_partition(group: GroupId, shard: ShardId, partition: PartitionId) -> () => drop_shard_partition;
        index_ready(group: GroupId, shard: ShardId, segment: SegmentId, build: IndexBuild) -> Option<IndexBuild>
            => index_ready;
        index_dropped(group: GroupId, shard: ShardId, index: IndexId) -> () => index_dropped;
    }
    /// Not asked of another node: who leads is known where it is asked.
    fn leader_of(&self, _: GroupId) -> Option<NodeId> {
        None
    }
}

plain! {
    NodeRoom {
        room() -> RoomLeft => room;
        relieve(group: GroupId) -> () => relieve;
    }
}

plain! {
    IndexHolder {
        hold(hold: HoldIndex) -> () => hold_index;
    }
}

plain! {
    GroupDigests {
        digest(group: GroupId) -> GroupDigest => digest;
    }
}

plain! {
    ClusterAdmin {
        cluster(request: ClusterRequest) -> ClusterReply => cluster;
        join(request: JoinRequest) -> Joined => join_cluster;
        moved(node: NodeId, address: String) -> () => node_moved;
    }
}

/// How long the coordinator waits for a node's report: one that takes longer is as good as away.
const REPORT_MAX: Duration = Duration::from_secs(2);

#[async_trait]
impl GroupHost for RemoteNode {
    async fn report(&self) -> Result<NodeReport> {
        self.call(REPORT_MAX, |client, context| async move { client.report(context).await }).await
    }

    async fn led(&self, group: GroupId) -> Result<GroupReport> {
        self.call(ANSWER_MAX, |client, context| async move { client.led(context, group).await }).await
    }

    async fn leader(&self, group: GroupId) -> Result<Option<NodeId>> {
        self.call(REPORT_MAX, |client, context| async move { client.leader(context, group).await }).await
    }

    async fn change(&self, group: GroupId, guard: Vec<u8>, change: GroupChange) -> Result<()> {
        self.call(ANSWER_MAX, |client, context| async move {
            client.change_group(context, group, guard, change).await
        })
        .await
    }
}

#[async_trait]
impl ClientDoor for RemoteNode {
    async fn client_door(&self) -> Result<String> {
        self.call(REPORT_MAX, |client, context| async move { client.client_door(context).await }).await
    }
}
