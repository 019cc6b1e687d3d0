//! Starting the roles of a node, bottom up, and stopping them, top down.

use crate::Error;
use crate::directory::Directory;
use crate::limits;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use vecraft_config::Config;
use vecraft_coordinator::{Coordinator, CoordinatorClient, META_REPLICA, Metastore};
use vecraft_data::{
    DataGroup, DataMachine, DataNode, MaintenancePolicy, Pressure, Routes, Surroundings, WriteLimits,
    maintain,
};
use vecraft_proxy::{Proxy, ProxyConfig, ProxyParts, ServerIdentity};
use vecraft_query::{QueryActor, QueryConfig, QueryNode, QueryParts};
use vecraft_raft_host::{GroupSpec, Host, Mark};
use vecraft_runtime::actors::{ActorHost, RoleAddr, RoleEnd, RolePolicy};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::{CpuPool, IoPool};
use vecraft_runtime::random::Random;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::{TaskKind, Tasks};
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_state::meta::{ClusterId, NodeRow};
use vecraft_types::{ClientId, GroupId, NodeId, ReplicaId};

/// Threads that may wait for files at one time.
const IO_THREADS: usize = 8;
/// How long reads under way may take at shutdown.
const DRAIN_READS: Duration = Duration::from_secs(5);

/// The running roles of a node.
pub struct Roles {
    pub proxy: Arc<Proxy>,
    pub data: DataNode,
    pub query: Arc<QueryNode>,
    metastore: Metastore,
    coordinator: CoordinatorClient,
    query_role: RoleAddr<QueryActor>,
    /// The actors live as long as this does.
    _actors: ActorHost,
}

/// What every role is given.
#[derive(Clone)]
pub struct Ground {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub shutdown: Shutdown,
    pub tasks: Tasks,
    pub io: IoPool,
}

impl Ground {
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, shutdown: Shutdown) -> Ground {
        let tasks = Tasks::new(Handle::current(), shutdown.clone(), {
            let shutdown = shutdown.clone();
            // With one voter a replica that stops takes its shards with it: stop loudly, keep the evidence (I24).
            move |failure| shutdown.trigger(failure.to_string())
        });
        Ground { clock, random, shutdown, tasks, io: IoPool::new("io", Handle::current(), IO_THREADS) }
    }
}

impl Roles {
    /// Starts everything; returns when the node can serve.
    pub async fn start(directory: &mut Directory, config: &Config, ground: &Ground) -> Result<Roles, Error> {
        let host = Host::new(directory.log.clone())?;
        let node = directory.identity.node;
        let is_new = directory.identity.is_forming();

        let spec = GroupSpec { group: GroupId::META, node, replica: META_REPLICA, bootstrap: is_new };
        let (kv, clock, io) = (directory.kv.clone(), ground.clock.clone(), ground.io.clone());
        let metastore = Metastore::start(&host, spec, kv, clock, io, Default::default()).await?;
        if is_new {
            let row = NodeRow { id: node, address: String::new() };
            let cluster = ClusterId(directory.identity.cluster_id);
            let pool = config.data.groups_per_node as u32;
            metastore.bootstrap(cluster, row, pool).await.map_err(Error::other("bootstrap"))?;
        }
        let views = Arc::new(ViewRegistry::new());
        let data = start_data(&host, directory, config, ground, &metastore, views.clone()).await?;
        directory.identity.formed(directory.kv.as_ref())?;

        let actors = ActorHost::new(Handle::current(), ground.clock.clone())
            .await
            .map_err(Error::other("start the actor system"))?;
        let shards = Arc::new(data.clone());
        let coordinator = Coordinator::start(
            &actors,
            &ground.tasks,
            ground.shutdown.child(),
            metastore.clone(),
            shards.clone(),
        )
        .await
        .map_err(Error::other("start the coordinator"))?;
        metastore.spawn_checkpoints(&ground.tasks, ground.shutdown.child());

        let pool = CpuPool::new("search", config.query.search_threads as usize)
            .map_err(Error::other("start search threads"))?;
        let query = Arc::new(QueryNode::new(QueryParts {
            views,
            barrier: shards.clone(),
            pool,
            clock: ground.clock.clone(),
            config: QueryConfig {
                reads_max: config.query.searches_waiting_max as usize,
                ..QueryConfig::default()
            },
        }));
        let query_role = actors
            .start("query", RolePolicy::default(), {
                let (query, runtime) = (query.clone(), Handle::current());
                move || QueryActor::new(query.clone(), runtime.clone())
            })
            .await
            .map_err(Error::other("start the query role"))?;

        let proxy = Arc::new(Proxy::new(ProxyParts {
            catalogue: Arc::new(metastore.catalogue()),
            catalogue_writer: Arc::new(coordinator.clone()),
            shard_writer: shards,
            shard_reader: query.clone(),
            clock: ground.clock.clone(),
            client: ClientId(ground.random.next_u128()),
            identity: ServerIdentity {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                cluster_id: directory.identity.cluster_id_text(),
            },
            config: ProxyConfig {
                deadline_default: config.proxy.request_timeout(),
                bytes_in_flight_max: config.data.inflight_bytes_max as usize,
                piece_bytes_max: config.proxy.entry_bytes_max as usize,
                ..ProxyConfig::default()
            },
        }));
        let (query_end, coordinator_end) = (query_role.clone(), coordinator.role().clone());
        watch(ground, "query", async move { query_end.ended().await });
        watch(ground, "coordinator", async move { coordinator_end.ended().await });
        Ok(Roles { proxy, data, query, metastore, coordinator, query_role, _actors: actors })
    }

    /// Lets reads end, writes checkpoints so that the next start is quick, stops the groups.
    pub async fn stop(self) {
        if let Err(error) = self.query_role.ask(vecraft_query::Drain, DRAIN_READS).await {
            tracing::warn!(%error, "reads were cut off");
        }
        self.coordinator.stop().await;
        if let Err(error) = self.data.checkpoint_all().await {
            tracing::warn!(%error, "no last checkpoint; the next start replays the log");
        }
        if let Err(error) = self.metastore.checkpoint().await {
            tracing::warn!(%error, "no last checkpoint of the metastore; the next start replays the log");
        }
        self.query_role.stop().await;
        self.data.shutdown().await;
        self.metastore.stop().await;
    }
}

/// Stops the process when a role ended by itself: a node without it would look alive and serve nobody.
fn watch(ground: &Ground, name: &'static str, end: impl Future<Output = RoleEnd> + Send + 'static) {
    let stopping = ground.shutdown.clone();
    ground.tasks.spawn(TaskKind::Guardian, name, async move {
        match end.await {
            RoleEnd::Asked => Ok(()),
            _ if stopping.is_triggered() => Ok(()),
            end => Err(format!("the role ended: {end:?}")),
        }
    });
}

/// Restores and starts this node's replicas of the pool groups.
async fn start_data(
    host: &Host,
    directory: &Directory,
    config: &Config,
    ground: &Ground,
    metastore: &Metastore,
    views: Arc<ViewRegistry>,
) -> Result<DataNode, Error> {
    let routes = Arc::new(Routes::default());
    let memory_bytes_max = match config.data.memory_limit_bytes {
        0 => limits::memory_bytes() / 2,
        bytes => bytes,
    };
    let write_limits =
        WriteLimits { in_flight_bytes_max: config.data.inflight_bytes_max as usize, memory_bytes_max };
    let data = DataNode::new(routes.clone(), views.clone(), write_limits);
    let options = GrowingOptions { chunk_bytes_max: config.data.chunk_bytes as usize, ..Default::default() };
    let policy = MaintenancePolicy {
        segment_bytes_max: config.data.segment_bytes_max,
        segment_age_max: config.data.segment_age_max(),
        seal_rows_min: config.index.autoindex_flat_rows_max as u32,
        checkpoint_bytes: config.data.checkpoint_bytes,
        checkpoint_interval: config.data.checkpoint_interval(),
    };
    let node = directory.identity.node;
    for (group, replica) in own_replicas(metastore, node) {
        let (disk, kv) = (directory.disk.clone(), directory.kv.clone());
        let restoring = {
            let (disk, kv, routes, views) = (disk.clone(), kv.clone(), routes.clone(), views.clone());
            move || vecraft_data::restore(&disk, kv.as_ref(), group, routes, views, options)
        };
        let (replica_state, mark) =
            ground.io.run(restoring).await.map_err(Error::other("restore a group"))??;
        let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose()?;
        let pressure = Arc::new(Pressure::default());
        let machine = Arc::new(Mutex::new(DataMachine::new(replica_state, mark, pressure.clone())));
        let bootstrap = directory.identity.is_forming();
        let raft = host.start_group(GroupSpec { group, node, replica, bootstrap }, machine.clone()).await?;
        let around = Surroundings { disk, kv, clock: ground.clock.clone(), io: ground.io.clone() };
        let running = Arc::new(DataGroup::new(raft, machine, pressure, around));
        data.add_group(running.clone());
        let work = maintain(running, policy, ground.shutdown.child());
        ground.tasks.spawn(TaskKind::Checkpoint, format!("group {group}"), work);
    }
    Ok(data)
}

/// The pool groups that the metastore wants here, with the replica ids it allocated (I1).
fn own_replicas(metastore: &Metastore, node: NodeId) -> Vec<(GroupId, ReplicaId)> {
    let root = metastore.root();
    let pool = root.groups.into_iter().filter(|(group, _)| *group != GroupId::META);
    pool.flat_map(|(group, row)| {
        row.replicas.into_iter().filter(move |(_, at)| *at == node).map(move |(replica, _)| (group, replica))
    })
    .collect()
}
