//! The proxy itself: what it holds, and the verbs it hands on to their files.

use crate::admission::Admission;
use crate::config::ProxyConfig;
use crate::deadline::Deadline;
use crate::ids::IdSource;
use crate::outages::Outages;
use crate::rows::Purpose;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vecraft_rpc::client_doors::ClientDoors;
use vecraft_rpc::membership::ClusterAdmin;
use vecraft_rpc::services::{Catalogue, CatalogueWriter, ShardReader, ShardWriter, Topology};
use vecraft_runtime::clock::Clock;
use vecraft_types::api::*;
use vecraft_types::{ClientId, CollectionDescriptor, CollectionId, Error, RequestId, Result};

/// What a proxy is made of. Each service is the role itself, a remote one, or a fake.
#[derive(Clone)]
pub struct ProxyParts {
    /// Names, as this node knows them.
    pub catalogue: Arc<dyn Catalogue>,
    /// The coordinator.
    pub catalogue_writer: Arc<dyn CatalogueWriter>,
    /// Shard leaders.
    pub shard_writer: Arc<dyn ShardWriter>,
    /// Shard replicas.
    pub shard_reader: Arc<dyn ShardReader>,
    /// What operators ask about nodes.
    pub cluster: Arc<dyn ClusterAdmin>,
    /// Where groups and their leaders are; told to clients, also in refusals, and nothing is routed by it here.
    pub topology: Arc<dyn Topology>,
    /// Where clients reach the nodes.
    pub doors: Arc<dyn ClientDoors>,
    /// Deadlines and the timestamps of `server_info`; decides nothing else (P7).
    pub clock: Arc<dyn Clock>,
    /// 128 random bits drawn at this start of the process (I10). Never one that was used before.
    pub client: ClientId,
    /// What `server_info` says.
    pub identity: ServerIdentity,
    /// Options.
    pub config: ProxyConfig,
}

/// Who the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Version of the program.
    pub version: String,
    /// Random id given at bootstrap.
    pub cluster_id: String,
    /// Name from the configuration.
    pub cluster_name: String,
}

/// Serves the verbs of [`Database`]; see the crate's page. Shared as `Arc<Proxy>`, called from many tasks.
pub struct Proxy {
    pub(crate) catalogue: Arc<dyn Catalogue>,
    pub(crate) catalogue_writer: Arc<dyn CatalogueWriter>,
    pub(crate) shard_writer: Arc<dyn ShardWriter>,
    pub(crate) shard_reader: Arc<dyn ShardReader>,
    pub(crate) cluster: Arc<dyn ClusterAdmin>,
    pub(crate) topology: Arc<dyn Topology>,
    pub(crate) doors: Arc<dyn ClientDoors>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identity: ServerIdentity,
    pub(crate) config: ProxyConfig,
    pub(crate) admission: Admission,
    pub(crate) ids: IdSource,
    pub(crate) last_now: AtomicU64,
    pub(crate) outages: Arc<Outages>,
    client: ClientId,
    next_sequence: AtomicU64,
}

impl Proxy {
    /// A proxy over these services. Starts nothing and asks nobody.
    pub fn new(parts: ProxyParts) -> Proxy {
        let ProxyParts {
            catalogue,
            catalogue_writer,
            shard_writer,
            shard_reader,
            cluster,
            topology,
            doors,
            clock,
            client,
            identity,
            config,
        } = parts;
        Proxy {
            admission: Admission::new(
                config.bytes_in_flight_max,
                config.message_bytes_max,
                config.retry_after,
            ),
            ids: IdSource::new(catalogue_writer.clone(), config.id_range),
            catalogue,
            catalogue_writer,
            shard_writer,
            shard_reader,
            cluster,
            topology,
            doors,
            clock,
            identity,
            config,
            last_now: AtomicU64::new(0),
            outages: Arc::default(),
            client,
            next_sequence: AtomicU64::new(1),
        }
    }

    /// Request bytes being worked on, for metrics.
    pub fn bytes_in_flight(&self) -> usize {
        self.admission.in_flight_bytes()
    }

    /// The node begins to stop: calls under way that nobody answers are refused soon, so that the doors can close.
    pub fn stop_waiting(&self) {
        self.outages.stop(self.clock.monotonic());
    }

    pub(crate) fn deadline(&self, call: &Call) -> Deadline {
        let given = call.deadline_ms.map_or(self.config.deadline_default, Duration::from_millis);
        Deadline::new(&self.clock, &self.topology, &self.outages, given)
    }

    /// The client's name for the request, or a new one of ours.
    pub(crate) fn request_id(&self, given: Option<RequestId>) -> Result<RequestId> {
        match given {
            Some(request) if request.part == 0 => Ok(request),
            Some(request) => {
                let text = format!(
                    "the request's part is {}, it must be 0: the server counts the parts",
                    request.part
                );
                Err(Error::invalid(text))
            }
            None => {
                let sequence = self.next_sequence.fetch_add(1, Ordering::Relaxed);
                Ok(RequestId { client: self.client, sequence, part: 0 })
            }
        }
    }
}

#[async_trait]
impl Database for Proxy {
    async fn create_collection(&self, call: Call, mut request: CreateCollection) -> Result<()> {
        if self.config.strict_load {
            request.properties.entry("milvus.strict_load".to_owned()).or_insert_with(|| "true".to_owned());
        }
        self.make_collection(call, request).await
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<()> {
        self.remove_collection(call, name).await
    }

    async fn describe_collection(&self, call: Call, name: CollectionName) -> Result<CollectionDescriptor> {
        self.one_collection(call, name).await
    }

    async fn known_collection(&self, call: Call, name: CollectionName) -> Result<Arc<CollectionDescriptor>> {
        self.one_known_collection(call, name).await
    }

    async fn list_collections(&self, call: Call) -> Result<Vec<CollectionDescriptor>> {
        self.all_collections(call).await
    }

    async fn row_count(&self, call: Call, request: RowCount) -> Result<u64> {
        self.count_rows(call, request).await
    }

    async fn create_partition(&self, call: Call, request: PartitionRequest) -> Result<()> {
        self.make_partition(call, request).await
    }

    async fn drop_partition(&self, call: Call, request: PartitionRequest) -> Result<()> {
        self.remove_partition(call, request).await
    }

    async fn create_index(&self, call: Call, request: CreateIndex) -> Result<()> {
        self.make_index(call, request).await
    }

    async fn drop_index(&self, call: Call, request: DropIndex) -> Result<()> {
        self.remove_index(call, request).await
    }

    async fn describe_indexes(&self, call: Call, collection: String) -> Result<Vec<IndexInfo>> {
        self.index_progress(call, collection).await
    }

    async fn set_loaded(&self, call: Call, request: SetLoaded) -> Result<()> {
        self.mark_loaded(call, request).await
    }

    async fn insert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.write_rows(call, request, Purpose::Insert).await
    }

    async fn upsert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.write_rows(call, request, Purpose::Upsert).await
    }

    async fn delete(&self, call: Call, request: DeleteRequest) -> Result<MutationReply> {
        self.delete_rows(call, request).await
    }

    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply> {
        self.search_rows(call, request).await
    }

    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply> {
        self.query_rows(call, request).await
    }

    async fn flush(&self, call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>> {
        self.flush_collections(call, collections).await
    }

    async fn compact(&self, call: Call, request: CompactRequest) -> Result<CollectionId> {
        self.compact_collection(call, request).await
    }

    async fn segments(&self, call: Call, collection: CollectionName) -> Result<CollectionSegments> {
        self.collection_segments(call, collection).await
    }

    async fn server_info(&self, call: Call) -> Result<ServerInfo> {
        self.about(call).await
    }

    async fn cluster(&self, call: Call, request: ClusterRequest) -> Result<ClusterReply> {
        self.nodes(call, request).await
    }

    async fn topology(&self, call: Call, request: TopologyRequest) -> Result<TopologyReply> {
        self.where_things_are(call, request).await
    }
}
