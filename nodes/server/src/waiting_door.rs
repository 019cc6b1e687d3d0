//! The client door of a node that does not serve yet: every call hears for what it waits.
//!
//! A start may wait for other nodes, or for a person, as long as it takes. A silent door would look like a dead node to
//! whoever asks it meanwhile; one that answers "not ready" tells a person why, and sends a client to the next node at once.
//! It does nothing else: no call reaches a role, so whatever is refused here was not done.

use crate::standing::Standing;
use async_trait::async_trait;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vecraft_rpc::{ServeOptions, serve_database};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::api::*;
use vecraft_types::{Code, CollectionDescriptor, CollectionId, Error, Result};

/// Before a client asks again here.
const ASK_AGAIN_MS: u64 = 200;

/// See the [module](self).
pub struct WaitingDoor {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl WaitingDoor {
    /// Answers on `listener` what `standing` says, until [`WaitingDoor::close`], shutdown, or this is dropped.
    pub fn open(
        listener: TcpListener,
        standing: Standing,
        message_bytes_max: usize,
        shutdown: Shutdown,
    ) -> WaitingDoor {
        let (end, ended) = oneshot::channel::<()>();
        let options = ServeOptions { message_bytes_max, ..ServeOptions::default() };
        let task = tokio::spawn(async move {
            // Also when the sender is dropped.
            let ended = async {
                let _ = shutdown.unless_triggered(ended).await;
            };
            if let Err(error) = serve_database(listener, Arc::new(Waiting(standing)), options, ended).await {
                tracing::warn!(%error, "the client door does not say for what this node waits");
            }
        });
        WaitingDoor { end, task }
    }

    /// Returns when nobody is answered here any more.
    pub async fn close(self) {
        drop(self.end);
        let _ = self.task.await;
    }
}

struct Waiting(Standing);

impl Waiting {
    fn refuse<T>(&self) -> Result<T> {
        let why = format!("this node does not serve yet: {}", self.0.reasons().join("; "));
        Err(Error::new(Code::NotReady, why).retry_after(ASK_AGAIN_MS))
    }
}

macro_rules! refuse {
    ($($verb:ident($($request:ty)?) -> $reply:ty;)+) => {
        #[async_trait]
        impl Database for Waiting {
            $(async fn $verb(&self, _: Call $(, _: $request)?) -> Result<$reply> {
                self.refuse()
            })+
        }
    };
}

refuse! {
    create_collection(CreateCollection) -> ();
    drop_collection(String) -> ();
    describe_collection(CollectionName) -> CollectionDescriptor;
    list_collections() -> Vec<CollectionDescriptor>;
    row_count(RowCount) -> u64;
    create_partition(PartitionRequest) -> ();
    drop_partition(PartitionRequest) -> ();
    create_index(CreateIndex) -> ();
    drop_index(DropIndex) -> ();
    describe_indexes(String) -> Vec<IndexInfo>;
    set_loaded(SetLoaded) -> ();
    insert(InsertRequest) -> MutationReply;
    upsert(InsertRequest) -> MutationReply;
    delete(DeleteRequest) -> MutationReply;
    search(SearchRequest) -> SearchReply;
    query(QueryRequest) -> QueryReply;
    flush(Vec<String>) -> Vec<FlushInfo>;
    server_info() -> ServerInfo;
    cluster(ClusterRequest) -> ClusterReply;
    topology(TopologyRequest) -> TopologyReply;
    compact(CompactRequest) -> CollectionId;
    segments(CollectionName) -> CollectionSegments;
}
