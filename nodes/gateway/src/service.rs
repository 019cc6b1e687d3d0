//! The gRPC service: one line a call, and what all calls have in common.
//!
//! | common step | why |
//! |---|---|
//! | weight of the bytes (`weigh.rs`, in the codec) | two bytes can decode to two hundred (I21) |
//! | admission by bytes | a flood of large requests must not end in the kernel's memory killer (I21) |
//! | database | in the body or the metadata; only `default` exists |
//! | deadline | the caller's patience; work is dropped when it ends, and told to the database before |
//! | status | an error becomes a status inside an OK reply: clients retry gRPC errors, up to 75 times |
//!
//! A caller who hangs up drops the handler's future, and with it the call to the database.

use crate::CallStats;
use crate::call::{Context, InDatabase, call, patience};
use crate::proto::common;
use crate::proto::milvus as pb;
use crate::proto::milvus::milvus_service_server::MilvusService;
use crate::server::RequestBytes;
use crate::status::Reply;
use crate::{
    collection, compaction, connect, dml, flush, index, load, partition, query, replicas, search, segments,
};
use prost::Message;
use std::future::Future;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use vecraft_types::api::Database;
use vecraft_types::{Code, Error, Result};

/// Largest reply, in bytes; Milvus's default, which clients are prepared for.
pub(crate) const REPLY_BYTES_MAX: usize = 256 << 20;

/// Answers gRPC calls from a database.
pub(crate) struct Service {
    pub db: Arc<dyn Database>,
    pub calls: Arc<CallStats>,
}

impl Service {
    /// Runs a handler whose reply carries a status beside its data.
    async fn answer<Q, R, F, W>(&self, name: &'static str, request: Request<Q>, handler: F) -> Response<R>
    where
        Q: InDatabase,
        R: Reply + Message,
        F: FnOnce(Context, Q) -> W,
        W: Future<Output = Result<R>>,
    {
        let running = self.calls.begin(name);
        let reply = match self.run(request, handler).await {
            Ok(mut reply) => {
                reply.succeeds();
                check_size(&reply).map(|()| reply)
            }
            Err(error) => Err(error),
        };
        running.end(reply.is_ok());
        Response::new(reply.unwrap_or_else(|error| {
            tracing::debug!(code = error.code.number(), %error, "call refused");
            let mut reply = R::default();
            reply.set_status(common::Status::from(&error));
            reply
        }))
    }

    /// Runs a handler that has nothing to say but whether it worked.
    async fn done<Q, F, W>(
        &self,
        name: &'static str,
        request: Request<Q>,
        handler: F,
    ) -> Response<common::Status>
    where
        Q: InDatabase,
        F: FnOnce(Context, Q) -> W,
        W: Future<Output = Result<()>>,
    {
        let handler = |cx, request| async { handler(cx, request).await.map(|()| common::Status::default()) };
        self.answer(name, request, handler).await
    }

    async fn run<Q, R, F, W>(&self, request: Request<Q>, handler: F) -> Result<R>
    where
        Q: InDatabase,
        F: FnOnce(Context, Q) -> W,
        W: Future<Output = Result<R>>,
    {
        if let Some(bytes) = request.extensions().get::<RequestBytes>() {
            bytes.add(request.get_ref().extra_bytes());
            bytes.admit()?;
        }
        let call = call(request.metadata(), request.get_ref().database())?;
        let patience = patience(request.metadata());
        let cx = Context { db: Arc::clone(&self.db), call };
        let work = handler(cx, request.into_inner());
        match patience {
            None => work.await,
            Some(wait) => tokio::time::timeout(wait, work).await.unwrap_or_else(|_| {
                let text =
                    format!("no answer within {} ms; a write may still have been applied", wait.as_millis());
                Err(Error::new(Code::Deadline, text))
            }),
        }
    }
}

fn check_size(reply: &impl Message) -> Result<()> {
    let bytes = reply.encoded_len();
    if bytes <= REPLY_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "the reply has {bytes} bytes, at most {REPLY_BYTES_MAX} are sent: ask for fewer rows or fields"
    );
    Err(Error::new(Code::ParameterTooLarge, text))
}

macro_rules! service {
    (
        reply { $($method:ident($request:ident) -> $reply:ident = $handler:path;)+ }
        done { $($plain:ident($plain_request:ident) = $plain_handler:path;)+ }
    ) => {
        #[tonic::async_trait]
        impl MilvusService for Service {
            $(async fn $method(&self, request: Request<pb::$request>) -> std::result::Result<Response<pb::$reply>, Status> {
                Ok(self.answer(stringify!($request), request, $handler).await)
            })+
            $(async fn $plain(
                &self,
                request: Request<pb::$plain_request>,
            ) -> std::result::Result<Response<common::Status>, Status> {
                Ok(self.done(stringify!($plain_request), request, $plain_handler).await)
            })+
        }

        /// Requests whose reply is a bare status; every other reply carries its status in field 1, except for
        /// `GetComponentStates` (field 3). Needed where a request is refused before it is decoded.
        pub(crate) const BARE_STATUS: &[&str] = &[$(stringify!($plain_request)),+];
    };
}

service! {
    reply {
        connect(ConnectRequest) -> ConnectResponse = connect::connect;
        get_version(GetVersionRequest) -> GetVersionResponse = connect::version;
        check_health(CheckHealthRequest) -> CheckHealthResponse = connect::check_health;
        get_component_states(GetComponentStatesRequest) -> ComponentStates = connect::component_states;
        alloc_timestamp(AllocTimestampRequest) -> AllocTimestampResponse = connect::alloc_timestamp;
        has_collection(HasCollectionRequest) -> BoolResponse = collection::has;
        describe_collection(DescribeCollectionRequest) -> DescribeCollectionResponse = collection::describe;
        show_collections(ShowCollectionsRequest) -> ShowCollectionsResponse = collection::list;
        get_collection_statistics(GetCollectionStatisticsRequest) -> GetCollectionStatisticsResponse
            = collection::statistics;
        get_loading_progress(GetLoadingProgressRequest) -> GetLoadingProgressResponse = load::progress;
        get_load_state(GetLoadStateRequest) -> GetLoadStateResponse = load::state;
        has_partition(HasPartitionRequest) -> BoolResponse = partition::has;
        show_partitions(ShowPartitionsRequest) -> ShowPartitionsResponse = partition::list;
        get_partition_statistics(GetPartitionStatisticsRequest) -> GetPartitionStatisticsResponse
            = partition::statistics;
        describe_index(DescribeIndexRequest) -> DescribeIndexResponse = index::describe;
        insert(InsertRequest) -> MutationResult = dml::insert;
        upsert(UpsertRequest) -> MutationResult = dml::upsert;
        delete(DeleteRequest) -> MutationResult = dml::delete;
        search(SearchRequest) -> SearchResults = search::search;
        query(QueryRequest) -> QueryResults = query::query;
        flush(FlushRequest) -> FlushResponse = flush::flush;
        get_flush_state(GetFlushStateRequest) -> GetFlushStateResponse = flush::flush_state;
        manual_compaction(ManualCompactionRequest) -> ManualCompactionResponse = compaction::compact;
        get_compaction_state(GetCompactionStateRequest) -> GetCompactionStateResponse = compaction::state;
        get_compaction_state_with_plans(GetCompactionPlansRequest) -> GetCompactionPlansResponse
            = compaction::plans;
        get_persistent_segment_info(GetPersistentSegmentInfoRequest) -> GetPersistentSegmentInfoResponse
            = segments::persistent;
        get_query_segment_info(GetQuerySegmentInfoRequest) -> GetQuerySegmentInfoResponse = segments::loaded;
        get_replicas(GetReplicasRequest) -> GetReplicasResponse = replicas::replicas;
    }
    done {
        create_collection(CreateCollectionRequest) = collection::create;
        drop_collection(DropCollectionRequest) = collection::drop;
        load_collection(LoadCollectionRequest) = load::load;
        release_collection(ReleaseCollectionRequest) = load::release;
        load_partitions(LoadPartitionsRequest) = load::load_partitions;
        release_partitions(ReleasePartitionsRequest) = load::release_partitions;
        create_partition(CreatePartitionRequest) = partition::create;
        drop_partition(DropPartitionRequest) = partition::drop;
        create_index(CreateIndexRequest) = index::create;
        drop_index(DropIndexRequest) = index::drop;
    }
}
