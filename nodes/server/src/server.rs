//! One node in this process, from its directory to its doors.

use crate::catching_up::CatchingUp;
use crate::directory::Directory;
use crate::doors::listen;
use crate::ground::Ground;
use crate::metrics;
use crate::node_door::{self, NodeDoor};
use crate::observed::{health_of, parts_of};
use crate::roles::Roles;
use crate::room;
use crate::run_file::RunFile;
use crate::standing::Standing;
use crate::waiting_door::WaitingDoor;
use crate::{Error, heap, limits, memory_watch};
use serde::{Deserialize, Serialize};
use serving::{serve_clients, serve_health, serve_milvus};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vecraft_config::{Config, NodeConfig};
use vecraft_gateway::Options;
use vecraft_rpc::ServeOptions;
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::random::OsRandom;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::TaskKind;
use vecraft_runtime::telemetry::Metrics;
use vecraft_storage::Disk;
use vecraft_types::NodeId;
use vecraft_types::api::Database;

/// How long calls under way may still run when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How often, and how far apart, a stop looks whether the store was let go: one second in all.
const RELEASE_LOOKS: u32 = 200;
const RELEASE_PAUSE: Duration = Duration::from_millis(5);
/// How long a door may take to close after that.
const CLOSE: Duration = Duration::from_secs(12);

/// A running node. Dropping it without [`Server::stop`] is like a crash: nothing acknowledged is lost.
pub struct Server {
    addresses: Addresses,
    cluster_id: String,
    shutdown: Shutdown,
    roles: Roles,
    doors: Vec<JoinHandle<()>>,
    directory: Arc<Directory>,
}

/// Where a node listens, `host:port` each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Milvus's clients (gRPC).
    pub milvus: String,
    /// Vecraft's own clients (tarpc).
    pub client: String,
    /// Health and metrics.
    pub http: String,
}

impl Server {
    /// Starts the node `node` of a configuration: opens or makes its data directory, recovers, opens the doors.
    /// Returns when it can serve.
    ///
    /// # Errors
    /// Everything that keeps a node from serving, in words for the person in front of it: directory in use or
    /// damaged, ports taken, limits too low, a cluster that cannot form.
    pub async fn start(config: &Config, node: u64) -> Result<Server, Error> {
        config.validate()?;
        limits::check()?;
        let own = own_node(config, node)?;
        // Doors first: a taken port is found before the directory is touched.
        let milvus = listen("milvus_port", &own.address(own.milvus_port)).await?;
        let client = listen("client_port", &own.address(own.client_port)).await?;
        let http = listen("http_port", &own.address(own.http_port)).await?;
        let node_listener = match node_door::opens(config) {
            true => Some(listen("node_port", &own.address(own.node_port)).await?),
            false => None,
        };
        let address = |listener: &TcpListener| {
            listener.local_addr().map(|a| a.to_string()).map_err(Error::other("ask for a door's address"))
        };
        let addresses =
            Addresses { milvus: address(&milvus)?, client: address(&client)?, http: address(&http)? };

        let (shutdown, standing) = (Shutdown::new(), Standing::default());
        let broken = Error::other("open the client door");
        let client = client.into_std().map_err(&broken)?;
        let again = || client.try_clone().and_then(TcpListener::from_std).map_err(&broken);
        let (meanwhile, client) = (again()?, again()?);
        let health = tokio::spawn(serve_health(http, standing.clone(), shutdown.clone()));
        let message_bytes_max = config.proxy.message_bytes_max as usize;
        let waiting = WaitingDoor::open(meanwhile, standing.clone(), message_bytes_max, shutdown.clone());
        let opened = Opened { addresses, milvus, client, nodes: node_listener, shutdown, standing };
        let mut waiting = Some(waiting);
        match Server::start_behind(config, own, opened, &mut waiting).await {
            Ok(mut server) => {
                server.doors.push(health);
                Ok(server)
            }
            Err(refused) => {
                // In another program the process goes on, and may want the ports again.
                let _ = health.await;
                if let Some(waiting) = waiting {
                    waiting.close().await;
                }
                Err(room::advise(refused, &own.data_dir))
            }
        }
    }

    /// The rest of a start, behind doors that are open; those for health and for clients say for what this node waits, the
    /// others are not served yet.
    async fn start_behind(
        config: &Config,
        own: &NodeConfig,
        opened: Opened,
        waiting: &mut Option<WaitingDoor>,
    ) -> Result<Server, Error> {
        let Opened { addresses, milvus, client, nodes, shutdown, standing } = opened;
        let mut half_started =
            StopsUnlessDone { shutdown: shutdown.clone(), directory: None, is_done: false };
        let (clock, random) = (SystemClock::shared(), OsRandom::shared());
        let directory = {
            let (config, path, node) = (config.clone(), own.data_dir.clone(), NodeId(own.id));
            let (clock, random) = (clock.clone(), random.clone());
            let open = move || Directory::open(&path, &config, node, random.as_ref(), clock);
            tokio::task::spawn_blocking(open).await.map_err(Error::other("open the data directory"))??
        };
        let directory = Arc::new(directory);
        half_started.directory = Some(directory.clone());
        let starting = run_file(config, &directory, &addresses, true);
        directory.reserve.spend_on(Error::is_no_space, || starting.write(directory.disk.as_ref()))?;
        let ground = Ground::new(clock, random.clone(), shutdown.clone(), standing.clone());
        let node_door = match nodes {
            Some(listener) => Some(NodeDoor::open(config, &directory, listener, random, &ground).await?),
            None => None,
        };
        let cluster = node_door.as_ref().map(NodeDoor::cluster);
        // By the configuration's host: a door that listens on every address is reached by one.
        let client_port = client.local_addr().map_err(Error::other("ask for a door's address"))?.port();
        let roles = Roles::start(&directory, config, &ground, cluster, &own.address(client_port)).await?;
        if let Some(door) = &node_door {
            door.serve_roles(roles.local.clone(), roles.nodes.clone());
        }

        let db: Arc<dyn Database> = roles.proxy.clone();
        let metrics = Metrics::new().map_err(Error::other("set up metrics"))?;
        metrics::observe(&metrics, parts_of(config, &directory, &roles));
        let message_bytes_max = config.proxy.message_bytes_max as usize;
        let arriving = roles.data.governor().arriving();
        let options =
            Options { message_bytes_max, arriving: arriving.clone(), drain_max: DRAIN, ..Options::default() };
        let serve_options = ServeOptions {
            message_bytes_max,
            arriving_bytes_max: config.data.inflight_bytes_max as usize,
            arriving,
            drain_max: DRAIN,
            ..ServeOptions::default()
        };
        let calls = options.calls.clone();
        let render = move || {
            let roles = metrics.render().unwrap_or_else(|error| format!("# {error}\n"));
            roles + &calls.render()
        };
        if let Some(waiting) = waiting.take() {
            waiting.close().await;
        }
        let mut doors = vec![
            tokio::spawn(serve_milvus(milvus, db.clone(), options, shutdown.clone())),
            tokio::spawn(serve_clients(client, db, serve_options, shutdown.clone())),
        ];
        let catching_up = CatchingUp::watch(roles.groups.all(), &shutdown);
        standing.serves(health_of(&directory, &roles, catching_up), render);
        doors.extend(node_door.map(NodeDoor::into_task));
        let run = run_file(config, &directory, &addresses, false);
        run.write(directory.disk.as_ref())?;
        half_started.is_done = true;
        let keeping = room::keep(directory.reserve.clone(), ground.io.clone(), shutdown.child());
        ground.tasks.spawn(TaskKind::Watch, "reserve", keeping);
        let giving = heap::give_back_at_rest(directory.log.clone(), ground.io.clone(), shutdown.child());
        ground.tasks.spawn(TaskKind::Watch, "memory at rest", giving);
        let watching = memory_watch::watch(
            roles.data.governor(),
            ground.io.clone(),
            ground.clock.clone(),
            shutdown.child(),
        );
        ground.tasks.spawn(TaskKind::Watch, "memory of the process", watching);
        Ok(Server { addresses, cluster_id: run.cluster_id, shutdown, roles, doors, directory })
    }

    /// The verbs, without a network between.
    pub fn database(&self) -> Arc<dyn Database> {
        self.roles.proxy.clone()
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The cluster's id, 32 hexadecimal digits.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Returns when the node can no longer serve, with the reason.
    pub async fn failed(&self) -> String {
        self.shutdown.triggered().await;
        self.shutdown.reason().unwrap_or_default()
    }

    /// Hands over what it leads, closes the doors, lets calls under way finish for ten seconds, writes checkpoints, stops
    /// every role.
    pub async fn stop(self, reason: &str) {
        self.roles.hand_over().await;
        self.shutdown.trigger(reason);
        self.roles.proxy.stop_waiting();
        for door in self.doors {
            if tokio::time::timeout(CLOSE, door).await.is_err() {
                tracing::warn!("a door did not close within {} s", CLOSE.as_secs());
            }
        }
        self.roles.stop().await;
        let (disk, kv, log) =
            (self.directory.disk.clone(), self.directory.kv.clone(), self.directory.log.clone());
        drop(self.directory);
        let closing = tokio::task::spawn_blocking(move || log.close());
        if let Err(error) = closing.await {
            tracing::warn!(%error, "the log did not close cleanly");
        }
        RunFile::remove(disk.as_ref() as &dyn Disk);
        // Tasks that saw the shutdown a moment late still hold the store, and with it the lock that a next start in
        // this process needs.
        for _ in 0..RELEASE_LOOKS {
            if Arc::strong_count(&kv) == 1 {
                break;
            }
            tokio::time::sleep(RELEASE_PAUSE).await;
        }
    }
}

/// What a start has opened before it touches the directory.
struct Opened {
    addresses: Addresses,
    milvus: TcpListener,
    client: TcpListener,
    nodes: Option<TcpListener>,
    shutdown: Shutdown,
    standing: Standing,
}

/// A start that was refused half way leaves nothing running: in another program the process goes on.
struct StopsUnlessDone {
    shutdown: Shutdown,
    /// Once it is open.
    directory: Option<Arc<Directory>>,
    is_done: bool,
}

impl Drop for StopsUnlessDone {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.shutdown.trigger("the node could not start");
        // While the directory is locked still: the file is ours.
        if let Some(directory) = &self.directory {
            RunFile::remove(directory.disk.as_ref() as &dyn Disk);
        }
    }
}

/// What `run.json` says of this process.
fn run_file(config: &Config, directory: &Directory, addresses: &Addresses, is_starting: bool) -> RunFile {
    RunFile {
        pid: std::process::id(),
        is_starting,
        cluster_id: directory.identity().cluster_id_text(),
        cluster_name: config.cluster.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: addresses.clone(),
    }
}

fn own_node(config: &Config, node: u64) -> Result<&NodeConfig, Error> {
    Ok(config.node(node)?)
}

mod serving;
#[cfg(test)]
mod tests;
