//! The processes of a cluster on this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vecraft_client::Client;
use vecraft_config::{Config, NodeConfig};
use vecraft_storage::{Disk, OpenMode, RealDisk};
use vecraft_types::api::{Call, Database};

/// How long a node may take to serve.
const SERVE_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to stop in order.
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
const CONFIG: &str = "cluster.toml";

/// Processes of this program, one a node. What still runs when this is dropped is killed.
pub struct Nodes {
    config: Config,
    file: PathBuf,
    children: Vec<Option<Child>>,
}

impl Nodes {
    /// Starts `count` nodes below `directory`; returns when each serves. `at_home`: at the ports of the repository's
    /// cluster.toml, if all are free.
    pub async fn start(count: u64, directory: &Path, at_home: bool) -> Result<Nodes, String> {
        let mut config = Config { nodes: Vec::new(), ..Config::embedded(directory) };
        config.cluster.name = "demo".to_owned();
        config.nodes = (1..=count).map(|id| home(id, directory)).collect();
        if !at_home || !config.nodes.iter().all(is_free) {
            config.nodes = (1..=count).map(|id| node(id, directory)).collect::<Result<_, _>>()?;
        }
        let disk = RealDisk::new(directory).map_err(|e| e.to_string())?;
        let text = config.effective_toml();
        let written = disk.open(CONFIG, OpenMode::Create).and_then(|file| file.write_at(0, text.as_bytes()));
        written.map_err(|e| e.to_string())?;
        let children = config.nodes.iter().map(|_| None).collect();
        let mut nodes = Nodes { config, file: directory.join(CONFIG), children };
        for id in 1..=count {
            nodes.spawn(id)?;
        }
        for id in 1..=count {
            nodes.await_serving(id).await?;
        }
        Ok(nodes)
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.config.nodes.len()
    }

    /// For Milvus's clients, by node.
    pub fn uris(&self) -> Vec<String> {
        self.config.nodes.iter().map(|node| format!("http://{}", node.address(node.milvus_port))).collect()
    }

    /// For our own clients, by node.
    pub fn client_addresses(&self) -> Vec<String> {
        self.config.nodes.iter().map(|node| node.address(node.client_port)).collect()
    }

    /// All doors, a line a node.
    pub fn doors(&self) -> String {
        let line = |node: &NodeConfig| {
            let at = |port| node.address(port);
            format!(
                "  node {}: Milvus clients http://{}, Rust clients {}, health http://{}/healthz\n",
                node.id,
                at(node.milvus_port),
                at(node.client_port),
                at(node.http_port)
            )
        };
        self.config.nodes.iter().map(line).collect()
    }

    /// Starts a node that does not run.
    pub fn spawn(&mut self, id: u64) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
        let log = self.file.with_file_name(format!("node-{id}.log"));
        let child = Command::new(program)
            .args(["serve", "--log-level", "warn", "--node", &id.to_string(), "--config"])
            .arg(&self.file)
            .arg("--log-file")
            .arg(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let child = child.map_err(|e| format!("cannot start node {id}: {e}"))?;
        self.children[id as usize - 1] = Some(child);
        Ok(())
    }

    /// Returns when a node answers.
    pub async fn await_serving(&mut self, id: u64) -> Result<(), String> {
        let address = self.client_addresses()[id as usize - 1].clone();
        let answers = async {
            loop {
                let ended =
                    self.children[id as usize - 1].as_mut().and_then(|child| child.try_wait().ok()?);
                if let Some(status) = ended {
                    return Err(format!("node {id} ended with {status}"));
                }
                let options = Client::builder()
                    .address(&address)
                    .follow_topology(false)
                    .retries(false)
                    .deadline(LOOK * 20);
                if let Ok(client) = options.connect().await
                    && client.server_info(Call::default()).await.is_ok()
                {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let late = |_| Err(format!("node {id} does not serve after {} s", SERVE_MAX.as_secs()));
        tokio::time::timeout(SERVE_MAX, answers).await.unwrap_or_else(late)
    }

    /// Ends a node as a crash would.
    pub fn kill(&mut self, id: u64) -> Result<(), String> {
        let Some(mut child) = self.children[id as usize - 1].take() else { return Ok(()) };
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|e| format!("cannot kill node {id}: {e}"))
    }

    /// Stops all nodes in order.
    pub async fn stop(mut self) {
        let running: Vec<Child> = self.children.iter_mut().filter_map(Option::take).collect();
        for child in &running {
            // SAFETY: a signal to a child that was not waited for yet, so the id is still its own.
            unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        }
        for mut child in running {
            let ended = async {
                while matches!(child.try_wait(), Ok(None)) {
                    tokio::time::sleep(LOOK).await;
                }
            };
            if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
                tracing::warn!(pid = child.id(), "a node does not stop, killing it");
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.children.iter_mut().filter_map(Option::as_mut) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A node at the ports of the repository's cluster.toml: below those that Linux gives to outgoing connections, one of which
/// may have a door's port when a node starts again.
fn home(id: u64, directory: &Path) -> NodeConfig {
    // There are five at most.
    let number = id as u16;
    let port = |last: u16| 18_000 + number * 1_000 + last;
    NodeConfig {
        id,
        data_dir: directory.join(format!("node-{id}")),
        milvus_port: port(530),
        client_port: port(540),
        node_port: port(550),
        http_port: 9_090 + number,
        ..NodeConfig::default()
    }
}

/// Whether nobody listens at any of its doors.
fn is_free(node: &NodeConfig) -> bool {
    node.ports().iter().all(|(_, port)| TcpListener::bind(node.address(*port)).is_ok())
}

/// A node on ports that were free a moment ago.
fn node(id: u64, directory: &Path) -> Result<NodeConfig, String> {
    let free = |_| TcpListener::bind("127.0.0.1:0").and_then(|held| Ok((held.local_addr()?.port(), held)));
    // Held until all four are known, or the system would give the same one again.
    let held = (0..4).map(free).collect::<Result<Vec<_>, _>>().map_err(|e| format!("no free port: {e}"))?;
    let port = |door: usize| held[door].0;
    Ok(NodeConfig {
        id,
        data_dir: directory.join(format!("node-{id}")),
        milvus_port: port(0),
        client_port: port(1),
        node_port: port(2),
        http_port: port(3),
        ..NodeConfig::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nodes_at_home_are_where_the_repositorys_cluster_toml_has_them() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cluster.toml");
        let listed = Config::load(&file).unwrap().nodes;
        for node in &listed {
            assert_eq!(home(node.id, Path::new("d")).ports(), node.ports());
        }
        assert_eq!(listed.len(), 3);
        let five =
            Config { nodes: (1..=5).map(|id| home(id, Path::new("d"))).collect(), ..Config::default() };
        five.validate().unwrap();
        // Linux's first port for outgoing connections (net.ipv4.ip_local_port_range) is 32768.
        assert!(five.nodes.iter().flat_map(NodeConfig::ports).all(|(_, port)| port < 32_768));
        let nodes = Nodes { config: five, file: PathBuf::new(), children: Vec::new() };
        assert!(
            nodes
                .doors()
                .contains("node 2: Milvus clients http://127.0.0.1:20530, Rust clients 127.0.0.1:20540")
        );
    }
}
