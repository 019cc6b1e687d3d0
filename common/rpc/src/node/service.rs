//! The tarpc service between nodes. A new verb goes at the end: bincode numbers the variants.

// The service macro writes public types that cannot carry comments of ours.
#![allow(missing_docs)]

use crate::copies::HoldIndex;
use crate::membership::{GroupChange, GroupReport, JoinRequest, Joined, NodeReport};
use crate::memory::RoomLeft;
use crate::services::*;
use vecraft_types::api::{ClusterReply, ClusterRequest, CreateCollection, CreateIndex, SetLoaded};
use vecraft_types::{
    CollectionId, GroupId, IndexBuild, IndexId, NodeId, PartitionId, RequestId, Result, SegmentId, ShardId,
};

/// See the traits of [`crate::services`], method by method.
#[tarpc::service]
pub trait NodeService {
    /// [`ShardWriter::write`].
    async fn write(write: ShardWrite) -> Result<ShardWritten>;
    /// [`ShardWriter::flush`].
    async fn flush(shard: ShardId) -> Result<ShardStats>;
    /// [`ShardWriter::stats`].
    async fn stats(shard: ShardId) -> Result<ShardStats>;
    /// [`ShardReader::search`].
    async fn search(search: ShardSearch) -> Result<ShardHits>;
    /// [`ShardReader::query`].
    async fn query(query: ShardQuery) -> Result<ShardRows>;
    /// [`ShardAdmin::create_shard`].
    async fn create_shard(group: GroupId, creation: ShardCreation) -> Result<()>;
    /// [`ShardAdmin::drop_shard`].
    async fn drop_shard(group: GroupId, shard: ShardId) -> Result<()>;
    /// [`ShardAdmin::drop_partition`].
    async fn drop_shard_partition(group: GroupId, shard: ShardId, partition: PartitionId) -> Result<()>;
    /// [`CatalogueWriter::create_collection`].
    async fn create_collection(request: RequestId, wish: CreateCollection) -> Result<()>;
    /// [`CatalogueWriter::create_partition`].
    async fn create_partition(request: RequestId, collection: CollectionId, name: String) -> Result<()>;
    /// [`CatalogueWriter::create_index`].
    async fn create_index(request: RequestId, collection: CollectionId, wish: CreateIndex) -> Result<()>;
    /// [`CatalogueWriter::set_loaded`].
    async fn set_loaded(collection: CollectionId, wish: SetLoaded) -> Result<()>;
    /// [`CatalogueWriter::allocate_ids`].
    async fn allocate_ids(count: u64) -> Result<i64>;
    /// [`ShardAdmin::index_ready`].
    async fn index_ready(
        group: GroupId,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>>;
    /// [`ShardAdmin::index_dropped`].
    async fn index_dropped(group: GroupId, shard: ShardId, index: IndexId) -> Result<()>;
    /// [`GroupDigests::digest`].
    async fn digest(group: GroupId) -> Result<GroupDigest>;
    /// [`GroupHost::report`](crate::membership::GroupHost::report).
    async fn report() -> Result<NodeReport>;
    /// [`GroupHost::led`](crate::membership::GroupHost::led).
    async fn led(group: GroupId) -> Result<GroupReport>;
    /// [`GroupHost::leader`](crate::membership::GroupHost::leader).
    async fn leader(group: GroupId) -> Result<Option<NodeId>>;
    /// [`GroupHost::change`](crate::membership::GroupHost::change).
    async fn change_group(group: GroupId, guard: Vec<u8>, change: GroupChange) -> Result<()>;
    /// [`ClusterAdmin::cluster`](crate::membership::ClusterAdmin::cluster).
    async fn cluster(request: ClusterRequest) -> Result<ClusterReply>;
    /// [`ClusterAdmin::join`](crate::membership::ClusterAdmin::join).
    async fn join_cluster(request: JoinRequest) -> Result<Joined>;
    /// [`ClusterAdmin::moved`](crate::membership::ClusterAdmin::moved).
    async fn node_moved(node: NodeId, address: String) -> Result<()>;
    /// [`ClientDoor::client_door`](crate::client_doors::ClientDoor::client_door).
    async fn client_door() -> Result<String>;
    /// [`IndexHolder::hold`](crate::copies::IndexHolder::hold).
    async fn hold_index(hold: HoldIndex) -> Result<()>;
    /// [`NodeRoom::room`](crate::memory::NodeRoom::room).
    async fn room() -> Result<RoomLeft>;
    /// [`NodeRoom::relieve`](crate::memory::NodeRoom::relieve).
    async fn relieve(group: GroupId) -> Result<()>;
    /// [`CatalogueWriter::holder_of`].
    async fn holder_of(name: String) -> Result<Option<CollectionId>>;
    /// [`CatalogueWriter::drop_exactly`].
    async fn drop_exactly(target: DropTarget) -> Result<()>;
    /// [`ShardWriter::pin`].
    async fn pin(pin: ShardPin) -> Result<PinReply>;
}
