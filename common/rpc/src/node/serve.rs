//! The answering side.

use super::service::*;
use crate::client_doors::ClientDoor;
use crate::copies::{HoldIndex, IndexHolder};
use crate::membership::*;
use crate::memory::{NodeRoom, RoomLeft};
use crate::services::*;
use futures::{FutureExt, StreamExt};
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel, Config, limits::requests_per_channel::MaxRequests};
use tarpc::{ClientMessage, Response, Transport};
use vecraft_types::api::{ClusterReply, ClusterRequest, CreateCollection, CreateIndex, SetLoaded};
use vecraft_types::{
    CollectionId, Error, GroupId, IndexBuild, IndexId, NodeId, PartitionId, RequestId, Result, SegmentId,
    ShardId,
};

/// Calls of one peer under way at once; further ones are answered "busy".
const IN_FLIGHT_MAX: usize = 1_024;

/// This node's own roles, as another node may ask them.
#[derive(Clone)]
pub struct NodeServices {
    /// Shard leaders here.
    pub writer: Arc<dyn ShardWriter>,
    /// Shard replicas here.
    pub reader: Arc<dyn ShardReader>,
    /// Life and death of shards here.
    pub admin: Arc<dyn ShardAdmin>,
    /// What the replicas here hold.
    pub digests: Arc<dyn GroupDigests>,
    /// The coordinator here: refuses unless this node leads the metastore.
    pub catalogue: Arc<dyn CatalogueWriter>,
    /// Groups here: how they stand, and changes of their members.
    pub groups: Arc<dyn GroupHost>,
    /// Memory and disk here.
    pub room: Arc<dyn NodeRoom>,
    /// Index files here.
    pub indexes: Arc<dyn IndexHolder>,
    /// Nodes: refuses unless this node leads the metastore.
    pub cluster: Arc<dyn ClusterAdmin>,
    /// Where clients reach this node.
    pub door: Arc<dyn ClientDoor>,
}

/// Answers one peer until its connection ends.
///
/// # Errors
/// What was wrong with the connection: a frame that does not decode, a broken stream.
pub async fn serve_node<T>(connection: T, services: NodeServices) -> io::Result<()>
where
    T: Transport<Response<NodeServiceResponse>, ClientMessage<NodeServiceRequest>> + Send + 'static,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    let channel = MaxRequests::new(BaseChannel::new(Config::default(), connection), IN_FLIGHT_MAX);
    let mut calls = std::pin::pin!(channel.requests());
    while let Some(call) = calls.next().await {
        match call {
            Ok(call) => {
                tokio::spawn(call.execute(Door(services.clone()).serve()));
            }
            Err(error) => return Err(io::Error::other(crate::transport::chain(&error))),
        }
    }
    Ok(())
}

/// Turns the service's calls into the roles'.
#[derive(Clone)]
struct Door(NodeServices);

/// A panic is an answer, not a caller who waits for its deadline.
async fn answer<T>(verb: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(verb, "a call of another node panicked");
        Err(Error::internal(format!("{verb} panicked; see that node's log")))
    })
}

macro_rules! door {
    ($($verb:ident($($argument:ident: $type:ty),*) -> $reply:ty => $role:ident.$method:ident;)+) => {
        impl NodeService for Door {
            $(async fn $verb(self, _: Context $(, $argument: $type)*) -> Result<$reply> {
                answer(stringify!($verb), self.0.$role.$method($($argument),*)).await
            })+
        }
    };
}

door! {
    write(write: ShardWrite) -> ShardWritten => writer.write;
    flush(shard: ShardId) -> ShardStats => writer.flush;
    stats(shard: ShardId) -> ShardStats => writer.stats;
    search(search: ShardSearch) -> ShardHits => reader.search;
    query(query: ShardQuery) -> ShardRows => reader.query;
    create_shard(group: GroupId, creation: ShardCreation) -> () => admin.create_shard;
    drop_shard(group: GroupId, shard: ShardId) -> () => admin.drop_shard;
    drop_shard_partition(group: GroupId, shard: ShardId, partition: PartitionId) -> () => admin.drop_partition;
    create_collection(request: RequestId, wish: CreateCollection) -> () => catalogue.create_collection;
    create_partition(request: RequestId, collection: CollectionId, name: String) -> () => catalogue.create_partition;
    create_index(request: RequestId, collection: CollectionId, wish: CreateIndex) -> () => catalogue.create_index;
    set_loaded(collection: CollectionId, wish: SetLoaded) -> () => catalogue.set_loaded;
    allocate_ids(count: u64) -> i64 => catalogue.allocate_ids;
    index_ready(group: GroupId, shard: ShardId, segment: SegmentId, build: IndexBuild) -> Option<IndexBuild>
        => admin.index_ready;
    index_dropped(group: GroupId, shard: ShardId, index: IndexId) -> () => admin.index_dropped;
    digest(group: GroupId) -> GroupDigest => digests.digest;
    report() -> NodeReport => groups.report;
    led(group: GroupId) -> GroupReport => groups.led;
    leader(group: GroupId) -> Option<NodeId> => groups.leader;
    change_group(group: GroupId, guard: Vec<u8>, change: GroupChange) -> () => groups.change;
    cluster(request: ClusterRequest) -> ClusterReply => cluster.cluster;
    join_cluster(request: JoinRequest) -> Joined => cluster.join;
    node_moved(node: NodeId, address: String) -> () => cluster.moved;
    client_door() -> String => door.client_door;
    hold_index(hold: HoldIndex) -> () => indexes.hold;
    room() -> RoomLeft => room.room;
    relieve(group: GroupId) -> () => room.relieve;
    holder_of(name: String) -> Option<CollectionId> => catalogue.holder_of;
    drop_exactly(target: DropTarget) -> () => catalogue.drop_exactly;
    pin(pin: ShardPin) -> PinReply => writer.pin;
}
