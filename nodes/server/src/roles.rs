//! Starting the roles of a node, bottom up, and stopping them, top down.

use crate::Error;
use crate::agreed;
use crate::client_doors::{DoorBook, OwnDoor};
use crate::cluster::{self, Cluster};
use crate::data_role::{self, Seams};
use crate::directory::Directory;
use crate::ground::{Ground, clean_up, compare_replicas, watch, watch_metastore};
use crate::index_peers::NodePeers;
use crate::index_role::{Shards, index_node};
use crate::keeper::Keeper;
use crate::local_groups::LocalGroups;
use crate::proxy_role::{Front, proxy};
use crate::query_role::query_node;
use crate::settling;
use crate::topology::NodeTopology;
use crate::ways::ShardHops;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use vecraft_config::Config;
use vecraft_coordinator::{Coordinator, CoordinatorClient, Limits, Metastore, Steward};
use vecraft_data::DataNode;
use vecraft_index_node::{CatalogueWatch, IndexActor, IndexNode, IndexedWriter};
use vecraft_proxy::Proxy;
use vecraft_proxy::routing::AdminRouter;
use vecraft_query::{QueryActor, QueryNode};
use vecraft_raft_host::{Host, Network};
use vecraft_rpc::files::NobodyElse;
use vecraft_rpc::membership::ClusterAdmin;
use vecraft_rpc::node::NodeServices;
use vecraft_rpc::services::{ShardAdmin, Topology};
use vecraft_runtime::actors::{ActorHost, RoleAddr, RolePolicy};
use vecraft_runtime::tasks::TaskKind;
use vecraft_segment::ViewRegistry;
use vecraft_state::meta::{ClusterId, NodeRow};
use vecraft_types::api::NodeDoor;

/// How long the checkpoint at shutdown may take.
const LAST_CHECKPOINT: Duration = Duration::from_secs(15);
/// How long reads under way may take at shutdown.
const DRAIN_READS: Duration = Duration::from_secs(5);
/// How long an index build may take to notice that it is cancelled, or to finish its file.
const DRAIN_BUILDS: Duration = Duration::from_secs(15);

/// The running roles of a node.
pub struct Roles {
    pub proxy: Arc<Proxy>,
    pub data: DataNode,
    pub query: Arc<QueryNode>,
    /// What other nodes may ask of this one.
    pub local: NodeServices,
    pub index: Arc<IndexNode>,
    pub metastore: Metastore,
    /// How often shards were asked here and elsewhere.
    pub hops: ShardHops,
    /// What operators and joining nodes ask, at whoever leads the metastore.
    pub nodes: Arc<dyn ClusterAdmin>,
    pub groups: Arc<LocalGroups>,
    coordinator: CoordinatorClient,
    query_role: RoleAddr<QueryActor>,
    index_role: RoleAddr<IndexActor>,
    /// The actors live as long as this does.
    _actors: ActorHost,
}

impl Roles {
    /// Starts everything; returns when the node can serve. `cluster` is there unless others may not reach this node;
    /// `client_door` is where clients reach it.
    pub async fn start(
        directory: &Directory,
        config: &Config,
        ground: &Ground,
        cluster: Option<&Cluster>,
        client_door: &str,
    ) -> Result<Roles, Error> {
        let network = cluster.map_or_else(Network::alone, |cluster| cluster.network.clone());
        let host = Host::with_network(directory.log.clone(), network)?
            .keeping_for_followers(config.data.follower_log_bytes);
        let host = Arc::new(host);
        let identity = directory.identity();
        let node = identity.node;
        let spec = cluster::meta_spec(config, directory)?;
        let (kv, clock, io) = (directory.kv.clone(), ground.clock.clone(), ground.io.clone());
        let metastore = Metastore::start(&host, spec, kv, clock, io, Default::default()).await?;
        if let Some(cluster) = cluster {
            cluster.forming.knows(metastore.clone());
        }
        let groups = Arc::new(LocalGroups::new(metastore.clone(), directory.log.clone()));
        let hosts = cluster::hosts(node, groups.clone(), cluster);
        let limits = Limits {
            replication: config.cluster.replication as u32,
            lost_after: config.cluster.node_lost_after(),
        };
        let steward = Steward::new(metastore.clone(), hosts.clone(), ground.clock.clone(), limits);
        if identity.is_forming() && config.nodes.len() == 1 {
            let row = NodeRow { id: node, address: String::new() };
            let pool = config.first_pool_groups();
            let named = metastore.bootstrap(ClusterId(identity.cluster_id), row, pool).await;
            named.map_err(Error::other("bootstrap"))?;
        }
        // Before waiting for anything: nodes that only follow group 0 wait until its leader takes them in.
        ground.tasks.spawn(TaskKind::Plan, "steward", steward.clone().run(ground.shutdown.child()));
        let settled = settling::settled(directory, config, cluster, &metastore, &ground.standing).await;
        if let Err(refused) = settled {
            // The process may go on, and the directory is not this node's any more.
            metastore.stop().await;
            return Err(refused);
        }
        ground.standing.waits("this node's replicas are starting");
        let views = Arc::new(ViewRegistry::new());
        let (segments_changed, graphs_missed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let seams = Seams {
            views: views.clone(),
            segments_changed: segments_changed.clone(),
            files: cluster.map_or_else(|| Arc::new(NobodyElse) as _, Cluster::files),
        };
        let role = data_role::start(host, directory, config, ground, &metastore, seams).await?;
        let data = role.data.clone();
        groups.started(data.clone());
        watch_metastore(ground, metastore.clone());
        if identity.is_forming() {
            data.have_members().await;
            directory.identity.lock().formed(directory.kv.as_ref())?;
        }
        agreed::settle(directory.kv.as_ref(), config)?;
        metastore.tell_changes(segments_changed.clone());
        let topology: Arc<dyn Topology> = Arc::new(NodeTopology::new(
            node,
            metastore.clone(),
            data.clone(),
            directory.log.clone(),
            hosts.clone(),
            ground.clock.clone(),
            cluster.map(|cluster| cluster.peers.clone()),
        ));
        let ways = cluster.map(|cluster| cluster.ways(topology.clone()));
        let keeper = Keeper::new(role, metastore.clone(), hosts);
        ground.tasks.spawn(TaskKind::Plan, "keeper", keeper.run(ground.shutdown.child()));

        let actors = ActorHost::new(Handle::current(), ground.clock.clone())
            .await
            .map_err(Error::other("start the actor system"))?;
        let shards = Arc::new(data.clone());
        let admin: Arc<dyn ShardAdmin> = match &ways {
            Some(ways) => Arc::new(AdminRouter(
                ways.everywhere(shards.clone() as Arc<dyn ShardAdmin>, |node| Arc::new(node)),
            )),
            None => shards.clone(),
        };
        let coordinator = Coordinator::start(
            &actors,
            &ground.tasks,
            ground.shutdown.child(),
            metastore.clone(),
            admin.clone(),
        )
        .await
        .map_err(Error::other("start the coordinator"))?;
        metastore.spawn_checkpoints(&ground.tasks, ground.shutdown.child());

        let index = index_node(
            directory,
            config,
            ground,
            &metastore,
            Shards {
                data: shards.clone(),
                leaders: admin.clone(),
                peers: Arc::new(NodePeers { own: node, data: shards.clone(), ways: ways.clone() }),
                views: views.clone(),
                changed: segments_changed,
                graphs_missed: graphs_missed.clone(),
            },
        )?;
        let query = query_node(node, config, ground, views, shards.clone(), graphs_missed)?;
        let query_role = actors
            .start("query", RolePolicy::default(), {
                let (query, runtime) = (query.clone(), Handle::current());
                move || QueryActor::new(query.clone(), runtime.clone())
            })
            .await
            .map_err(Error::other("start the query role"))?;
        let index_role = actors
            .start("index", RolePolicy::default(), {
                let (index, runtime, stop) = (index.clone(), Handle::current(), ground.shutdown.child());
                move || IndexActor::new(index.clone(), runtime.clone(), &stop)
            })
            .await
            .map_err(Error::other("start the index role"))?;

        clean_up(ground, &data, &index);
        if let Some(ways) = &ways {
            compare_replicas(ground, &data, node, ways.clone());
            data.count_voters(node, ways.room());
        }

        let local = NodeServices {
            writer: Arc::new(IndexedWriter::new(shards.clone(), index.clone())),
            reader: query.clone(),
            admin: shards.clone(),
            digests: shards.clone(),
            room: shards,
            catalogue: Arc::new(CatalogueWatch::new(Arc::new(coordinator.clone()), index.clone())),
            groups: groups.clone(),
            indexes: index.clone(),
            cluster: Arc::new(steward),
            door: Arc::new(OwnDoor(client_door.to_owned())),
        };
        let asked = match &ways {
            Some(ways) => ways.services(&local),
            None => local.clone(),
        };
        let nodes = asked.cluster.clone();
        if let Some(cluster) = cluster {
            let book = cluster::keep_book(
                node,
                cluster.clone(),
                metastore.clone(),
                nodes.clone(),
                ground.shutdown.clone(),
            );
            ground.tasks.spawn(TaskKind::Plan, "addresses", book);
            let watching = settling::watch_let_go(node, cluster.clone(), ground.shutdown.clone());
            ground.tasks.spawn(TaskKind::Watch, "let go", watching);
        }
        let own_door = NodeDoor { node, address: client_door.to_owned() };
        let doors = DoorBook::new(own_door, metastore.clone(), ways.clone(), ground.clock.clone());
        let doors = Arc::new(doors);
        let proxy = proxy(config, ground, &identity, Front { metastore: &metastore, asked, topology, doors });
        let (query_end, coordinator_end) = (query_role.clone(), coordinator.role().clone());
        let index_end = index_role.clone();
        watch(ground, "query", async move { query_end.ended().await });
        watch(ground, "coordinator", async move { coordinator_end.ended().await });
        watch(ground, "index", async move { index_end.ended().await });
        Ok(Roles {
            proxy,
            data,
            query,
            local,
            index,
            metastore,
            hops: ways.map(|ways| ways.hops()).unwrap_or_default(),
            nodes,
            groups,
            coordinator,
            query_role,
            index_role,
            _actors: actors,
        })
    }

    /// Gives away what this node leads, so that nobody waits for an election when it is gone. Writes under way are
    /// answered by the next leader.
    pub async fn hand_over(&self) {
        let handed = self.groups.hand_over().await;
        if handed > 0 {
            tracing::info!(groups = handed, "leadership handed over");
        }
    }

    /// Lets reads end, writes checkpoints so that the next start is quick, stops the groups.
    pub async fn stop(self) {
        if let Err(error) = self.query_role.ask(vecraft_query::Drain, DRAIN_READS).await {
            tracing::warn!(%error, "reads were cut off");
        }
        if let Err(error) = self.index_role.ask(vecraft_index_node::Drain, DRAIN_BUILDS).await {
            tracing::warn!(%error, "an index build was left behind");
        }
        self.index_role.stop().await;
        self.coordinator.stop().await;
        // Only a convenience: what no checkpoint has is in the log.
        let last = async {
            if let Err(error) = self.data.checkpoint_all().await {
                tracing::warn!(%error, "no last checkpoint; the next start replays the log");
            }
            if let Err(error) = self.metastore.checkpoint().await {
                tracing::warn!(%error, "no last checkpoint of the metastore; the next start replays the log");
            }
        };
        if tokio::time::timeout(LAST_CHECKPOINT, last).await.is_err() {
            tracing::warn!("the last checkpoint took too long; the next start replays the log");
        }
        self.query_role.stop().await;
        self.data.shutdown().await;
        self.metastore.stop().await;
    }
}
