//! Several real nodes in one process: their own directories, real sockets on 127.0.0.1, the product's own start and stop.
//!
//! Which question it answers: do the promises of a cluster hold as a client sees them, when nodes come and go in order?
//! What it does *not* do: it kills no process and cuts no cable (`tests/chaos` does), and looks at nothing that a client
//! cannot see, but for the names of index files (I13).
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod content;
mod relay;

pub use relay::Relay;

use futures::future::join_all;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};
use vecraft_client::{Client, Collection, Rows};
use vecraft_config::{Config, NodeConfig};
use vecraft_server::Server;
use vecraft_types::NodeId;
use vecraft_types::api::{Call, ClusterReply, ClusterRequest, Consistency, Database};

/// Longest wait for anything, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster on this machine. Nodes are numbered from 1.
pub struct Sandbox {
    /// The configuration of all nodes.
    pub config: Config,
    servers: Vec<Option<Server>>,
    directory: tempfile::TempDir,
}

impl Sandbox {
    /// Starts `count` nodes on empty directories; returns when all serve.
    pub async fn start(count: u64) -> Sandbox {
        let mut sandbox = Sandbox::cold(count);
        sandbox.start_all().await;
        sandbox
    }

    /// The configuration and directories of `count` nodes, none started.
    pub fn cold(count: u64) -> Sandbox {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { nodes: Vec::new(), ..Config::embedded(directory.path()) };
        for id in 1..=count {
            let node = node(id, directory.path(), &config.nodes);
            config.nodes.push(node);
        }
        config.data.groups_per_node = 1;
        Sandbox { config, servers: (0..count).map(|_| None).collect(), directory }
    }

    /// Starts every node that is not running, at once: an empty cluster forms only when all are there.
    pub async fn start_all(&mut self) {
        let stopped: Vec<u64> =
            (1..=self.servers.len() as u64).filter(|id| self.server(*id).is_none()).collect();
        let starting = stopped.iter().map(|id| Server::start(&self.config, *id));
        let started = tokio::time::timeout(PATIENCE, join_all(starting)).await.expect("nodes do not start");
        for (id, server) in stopped.into_iter().zip(started) {
            self.servers[id as usize - 1] = Some(server.unwrap());
        }
    }

    /// One more node in the configuration; the nodes that run do not know of it. Returns its id.
    pub fn list_another(&mut self) -> u64 {
        let id = self.servers.len() as u64 + 1;
        let node = node(id, self.directory.path(), &self.config.nodes);
        self.config.nodes.push(node);
        self.servers.push(None);
        id
    }

    /// Where other nodes reach a node.
    pub fn node_address(&self, id: u64) -> String {
        let node = self.config.node(id).unwrap();
        node.address(node.node_port)
    }

    /// Starts one node.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn try_start(&mut self, id: u64) -> Result<(), String> {
        let started = tokio::time::timeout(PATIENCE, Server::start(&self.config, id)).await;
        let server = started.expect("it neither starts nor refuses").map_err(|why| why.to_string())?;
        self.servers[id as usize - 1] = Some(server);
        Ok(())
    }

    /// Starts several nodes at once; what each came to.
    pub async fn try_start_together(&mut self, ids: &[u64]) -> Vec<Result<(), String>> {
        let starting = ids.iter().map(|id| Server::start(&self.config, *id));
        let started =
            tokio::time::timeout(PATIENCE, join_all(starting)).await.expect("neither start nor refusal");
        let kept = ids.iter().zip(started).map(|(id, server)| {
            self.servers[*id as usize - 1] = Some(server.map_err(|why| why.to_string())?);
            Ok(())
        });
        kept.collect()
    }

    /// Announces one more node and starts it on an empty directory. Returns its id.
    pub async fn join_another(&mut self) -> u64 {
        let id = self.list_another();
        let add = ClusterRequest::Add { node: NodeId(id), address: self.node_address(id) };
        self.ask(self.running()[0], add).await.unwrap();
        self.try_start(id).await.unwrap();
        id
    }

    /// An operator's verb, asked at a node.
    ///
    /// # Errors
    /// What the coordinator refused.
    pub async fn ask(&self, at: u64, request: ClusterRequest) -> Result<ClusterReply, String> {
        self.client(at).cluster(Call::default(), request).await.map_err(|error| error.to_string())
    }

    /// Waits until a node sees the cluster like this.
    pub async fn cluster_is(
        &self,
        at: u64,
        what: &str,
        is_so: impl Fn(&ClusterReply) -> bool,
    ) -> ClusterReply {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(at, ClusterRequest::List).await;
            match &answer {
                Ok(reply) if is_so(reply) => return reply.clone(),
                _ => assert!(Instant::now() < until, "never: {what}; {answer:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everything is where it should be, with so many nodes.
    pub async fn at_rest(&self, at: u64, nodes: usize) -> ClusterReply {
        self.cluster_is(at, "the cluster is at rest", |reply| {
            reply.nodes.len() == nodes && reply.under_way.is_empty()
        })
        .await
    }

    /// Stops a node in order.
    pub async fn stop(&mut self, id: u64) {
        self.servers[id as usize - 1].take().expect("runs").stop("the test says so").await;
    }

    /// Stops all nodes, one after another.
    pub async fn stop_all(&mut self) {
        for id in 1..=self.servers.len() as u64 {
            if self.server(id).is_some() {
                self.stop(id).await;
            }
        }
    }

    /// Waits until a node ends by itself; says why.
    pub async fn failed(&self, id: u64) -> String {
        let failed = self.server(id).expect("runs").failed();
        tokio::time::timeout(PATIENCE, failed).await.expect("it goes on")
    }

    fn server(&self, id: u64) -> Option<&Server> {
        self.servers[id as usize - 1].as_ref()
    }

    /// The nodes that run.
    pub fn running(&self) -> Vec<u64> {
        (1..=self.servers.len() as u64).filter(|id| self.server(*id).is_some()).collect()
    }

    /// A client inside a node, with a session of its own.
    pub fn client(&self, id: u64) -> Client {
        Client::embedded(self.server(id).expect("runs").database()).unwrap()
    }

    /// The address of a node's health and metrics.
    pub fn http_address(&self, id: u64) -> String {
        self.server(id).expect("runs").addresses().http.clone()
    }

    /// The address of a node's client door.
    pub fn client_address(&self, id: u64) -> String {
        self.server(id).expect("runs").addresses().client.clone()
    }
}

/// Below the ports that the system gives to outgoing connections: one of those would be taken while a node is away.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// A node on ports that were free a moment ago and that no other node of these has.
fn node(id: u64, directory: &Path, others: &[NodeConfig]) -> NodeConfig {
    let is_taken = |port: u16| {
        others.iter().any(|o| [o.milvus_port, o.client_port, o.node_port, o.http_port].contains(&port))
    };
    // Each test is a process: they begin at different places.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    let mut held: Vec<TcpListener> = Vec::new();
    let mut ports = Vec::new();
    while ports.len() < 4 {
        let step = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + step % (PORTS.end - PORTS.start)) as u16;
        let Ok(socket) = TcpListener::bind(("127.0.0.1", port)) else { continue };
        if !is_taken(port) {
            ports.push(port);
        }
        // Held until all are drawn, so that none is drawn twice.
        held.push(socket);
    }
    NodeConfig {
        id,
        data_dir: directory.join(id.to_string()),
        milvus_port: ports[0],
        client_port: ports[1],
        node_port: ports[2],
        http_port: ports[3],
        ..NodeConfig::default()
    }
}

/// Makes the collection of these tests, over two shards.
pub async fn create(client: &Client, name: &str) -> Collection {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    client.create(name, schema).await.unwrap()
}

/// Rows `first..first + count`, each with a vector made of its key.
pub fn rows(first: i64, count: i64) -> Rows {
    let values = (first..first + count).flat_map(|key| [key as f32, 1.0, 2.0, 3.0]).collect();
    Rows::new().int64("id", first..first + count).vectors("v", 4, values)
}

/// Number of rows that a read at this consistency finds.
///
/// # Errors
/// What the node answered.
pub async fn found(client: &Client, name: &str, consistency: Consistency) -> Result<usize, String> {
    let query = client.collection(name).query("id >= 0").output(["id"]).consistency(consistency);
    query.rows().await.map(|reply| reply.rows.batch.rows).map_err(|error| error.to_string())
}

/// Waits until `holds` answers true.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A figure of a node's `/metrics`.
pub async fn metric(sandbox: &Sandbox, id: u64, name: &str) -> f64 {
    let answer = metrics(sandbox, id).await;
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
}

/// The sum of a figure with labels over all of them and the nodes that run.
pub async fn metric_sum(sandbox: &Sandbox, name: &str) -> f64 {
    let mut sum = 0.0;
    for id in sandbox.running() {
        let answer = metrics(sandbox, id).await;
        let lines = answer.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    }
    sum
}

async fn metrics(sandbox: &Sandbox, id: u64) -> String {
    let address = sandbox.http_address(id);
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
