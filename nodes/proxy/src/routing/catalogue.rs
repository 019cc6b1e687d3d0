//! Changes of the catalogue and of the cluster: at the coordinator of the node that leads the metastore.

use super::Everywhere;
use async_trait::async_trait;
use vecraft_rpc::membership::{ClusterAdmin, JoinRequest, Joined};
use vecraft_rpc::services::{CatalogueWriter, DropTarget};
use vecraft_types::api::{ClusterReply, ClusterRequest, CreateCollection, CreateIndex, SetLoaded};
use vecraft_types::{CollectionId, GroupId, NodeId, RequestId, Result};

/// Hands each change to the metastore's leader.
pub struct CatalogueRouter(pub Everywhere<dyn CatalogueWriter>);

macro_rules! at_leader {
    ($($method:ident($($argument:ident: $type:ty),+) -> $reply:ty;)+) => {
        #[async_trait]
        impl CatalogueWriter for CatalogueRouter {
            // Each says how things should be, has a name under which it is done once (I10), or takes ids that may be lost:
            // asking twice does no harm.
            $(async fn $method(&self $(, $argument: $type)+) -> Result<$reply> {
                self.0.ask_leader(GroupId::META, |leader| async move { leader.$method($($argument),+).await }).await
            })+
        }
    };
}

at_leader! {
    create_collection(request: RequestId, wish: CreateCollection) -> ();
    create_partition(request: RequestId, collection: CollectionId, name: String) -> ();
    create_index(request: RequestId, collection: CollectionId, wish: CreateIndex) -> ();
    set_loaded(collection: CollectionId, wish: SetLoaded) -> ();
    allocate_ids(count: u64) -> i64;
    holder_of(name: String) -> Option<CollectionId>;
    drop_exactly(target: DropTarget) -> ();
}

/// Hands what concerns nodes to the metastore's leader.
pub struct ClusterRouter(pub Everywhere<dyn ClusterAdmin>);

#[async_trait]
impl ClusterAdmin for ClusterRouter {
    async fn cluster(&self, request: ClusterRequest) -> Result<ClusterReply> {
        self.0.on_leader(GroupId::META, |leader| async move { leader.cluster(request).await }).await
    }

    async fn join(&self, request: JoinRequest) -> Result<Joined> {
        self.0.on_leader(GroupId::META, |leader| async move { leader.join(request).await }).await
    }

    async fn moved(&self, node: NodeId, address: String) -> Result<()> {
        self.0.on_leader(GroupId::META, |leader| async move { leader.moved(node, address).await }).await
    }
}
