//! The nodes: their configuration, their processes, who leads.

use super::ground::Ground;
use super::network;
use super::web::{self, Standing};
use crate::Trouble;
use crate::server::{Place, Server};
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a node may take until it serves, before the run says that it does not come back.
pub const SERVE_MAX: Duration = Duration::from_secs(90);
/// Doors of a node: Milvus, client, node, HTTP.
const DOORS: usize = 4;

/// One node.
pub struct Node {
    /// Its number, from 1.
    pub id: u64,
    /// Where its clients go.
    pub client_address: String,
    http_address: String,
    place: Place,
    server: Option<Server>,
}

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: u64,
    /// Raft groups of each.
    pub groups_per_node: u64,
}

/// All nodes of a cluster.
pub struct Nodes {
    /// By id.
    pub nodes: Vec<Node>,
}

impl Nodes {
    /// Writes the configuration of the nodes into `dir`, on the hosts and disks of the ground, else on 127.0.0.1 and in
    /// `dir`; none is started.
    ///
    /// # Errors
    /// When there are no free ports or a file cannot be written.
    pub fn cold(program: &Path, dir: &Path, size: Size, ground: &Ground) -> Result<Nodes, Trouble> {
        let config = dir.join("cluster.toml");
        let secret = dir.join("secret");
        let Size { nodes: count, groups_per_node } = size;
        let mut text = settings(groups_per_node);
        if ground.network.is_ok() {
            write_secret(&secret)?;
            text = text.replace("[data]", &format!("secret_file = \"{}\"\n\n[data]", secret.display()));
        }
        let mut nodes = Vec::new();
        let mut ports = free_ports(count as usize * DOORS)?.into_iter();
        for id in 1..=count {
            let mut next = || ports.next().ok_or_else(|| "too few free ports".to_owned());
            let (milvus, client, node, http) = (next()?, next()?, next()?, next()?);
            let at = id as usize;
            let host = if ground.network.is_ok() { network::host(at) } else { "127.0.0.1".to_owned() };
            // Inside the filesystem, beside its lost+found.
            let disk = if ground.disks.is_ok() { format!("disk-{id}/data") } else { format!("node-{id}") };
            let data = dir.join(disk);
            let _ = write!(
                text,
                "[[node]]\nid = {id}\nhost = \"{host}\"\ndata_dir = \"{}\"\nmilvus_port = {milvus}\nclient_port = \
                 {client}\nnode_port = {node}\nhttp_port = {http}\n",
                data.display()
            );
            let on_host = ground.network.as_ref().map(|network| network.on(at)).unwrap_or_default();
            let command = [on_host, command(program, &config, id)].concat();
            nodes.push(Node {
                id,
                client_address: format!("{host}:{client}"),
                http_address: format!("{host}:{http}"),
                place: Place { command, data, log: dir.join(format!("node-{id}.log")) },
                server: None,
            });
        }
        fs::write(&config, text).map_err(|e| format!("cannot write {}: {e}", config.display()))?;
        Ok(Nodes { nodes })
    }

    /// The addresses of all client doors, beginning with that of the `first`.
    pub fn addresses(&self, first: usize) -> Vec<String> {
        let count = self.nodes.len();
        (0..count).map(|at| self.nodes[(first + at) % count].client_address.clone()).collect()
    }

    /// Starts those that do not run and waits until all serve.
    ///
    /// # Errors
    /// When one ends or does not serve in time.
    pub async fn up(&mut self) -> Result<(), Trouble> {
        for node in self.nodes.iter_mut().filter(|node| node.server.is_none()) {
            node.start()?;
        }
        for node in &mut self.nodes {
            node.wait_until_it_serves().await?;
        }
        Ok(())
    }

    /// Stops all in order.
    ///
    /// # Errors
    /// When one does not end, or ends with an error.
    pub async fn down(&mut self) -> Result<(), Trouble> {
        for node in &mut self.nodes {
            node.stop().await?;
        }
        Ok(())
    }

    /// The node that leads the busiest group; any node when nobody knows.
    pub async fn leader(&self) -> usize {
        let mut busiest = (0, None);
        for (at, node) in self.nodes.iter().enumerate() {
            for standing in node.standings().await.unwrap_or_default() {
                if standing.group != 0 && standing.is_leader && standing.applied > busiest.0 {
                    busiest = (standing.applied, Some(at));
                }
            }
        }
        busiest.1.unwrap_or(0)
    }

    /// Lines of the logs that tell of a panic.
    pub fn panics(&self) -> Vec<Trouble> {
        let mut panics = Vec::new();
        for node in &self.nodes {
            let log = fs::read_to_string(&node.place.log).unwrap_or_default();
            let lines = log.lines().filter(|line| line.contains("panicked at"));
            panics.extend(lines.map(|line| format!("node {}: {line}", node.id)));
        }
        panics
    }

    /// Those that ended by themselves, with the end of their logs.
    pub fn fallen(&mut self) -> Vec<Trouble> {
        let ended = |node: &mut Node| node.server.as_mut()?.is_running().err();
        let fallen: Vec<Trouble> = self
            .nodes
            .iter_mut()
            .filter_map(|node| ended(node).map(|why| format!("node {}: {why}", node.id)))
            .collect();
        fallen
    }
}

impl Node {
    /// Starts its process.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<(), Trouble> {
        self.server = Some(Server::start(&self.place)?);
        Ok(())
    }

    /// SIGKILL, if it runs.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(&mut self) -> Result<(), Trouble> {
        self.server.take().map_or(Ok(()), Server::kill).map_err(|why| format!("node {}: {why}", self.id))
    }

    /// Ends its process, however it is.
    pub fn end(&mut self) {
        self.server = None;
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// Whether its doors are open and it says that it is well.
    pub async fn serves(&self) -> bool {
        let is_open = self.server.as_ref().is_some_and(|server| server.run_file().is_some());
        is_open && web::get(&self.http_address, "/healthz").await.is_some()
    }

    /// SIGTERM, if it runs; waits for its end.
    ///
    /// # Errors
    /// When it does not end, or with an error.
    pub async fn stop(&mut self) -> Result<(), Trouble> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let status = server.stop().await.map_err(|why| format!("node {}: {why}", self.id))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("node {} ended with {status} after SIGTERM", self.id)),
        }
    }

    /// Sends a signal, if it runs.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn signal(&mut self, signal: libc::c_int) -> Result<(), Trouble> {
        self.server.as_mut().map_or(Ok(()), |server| server.signal(signal))
    }

    /// Waits until its doors are open and it says that it is well.
    ///
    /// # Errors
    /// When it ends, or is not there within [`SERVE_MAX`].
    pub async fn wait_until_it_serves(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        loop {
            let server = self.server.as_mut().ok_or_else(|| format!("node {} does not run", self.id))?;
            server.is_running().map_err(|why| format!("node {}: {why}", self.id))?;
            if self.serves().await {
                return Ok(());
            }
            if began.elapsed() > SERVE_MAX {
                return Err(format!("node {} does not serve after {} s", self.id, SERVE_MAX.as_secs()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it says about its groups; `None` when it does not answer.
    pub async fn standings(&self) -> Option<Vec<Standing>> {
        web::standings(&self.http_address).await
    }
}

/// Limits so small that checkpoints, purges and snapshots happen within seconds (I3, I4, I5).
fn settings(groups_per_node: u64) -> String {
    format!(
        "[cluster]\nname = \"chaos\"\nreplication = 3\n\n[data]\ngroups_per_node = {groups_per_node}\n\
         checkpoint_bytes = 1048576\ncheckpoint_interval_s = 5\nfollower_log_bytes = 262144\n\
         segment_bytes_max = 524288\nchunk_bytes = 65536\n\n[log]\nsegment_bytes = 4194304\n\n"
    )
}

fn command(program: &Path, config: &Path, id: u64) -> Vec<std::ffi::OsString> {
    let node = id.to_string();
    let words =
        [program.as_os_str(), "serve".as_ref(), "--config".as_ref(), config.as_os_str(), "--node".as_ref()];
    words.into_iter().map(ToOwned::to_owned).chain([node.into()]).collect()
}

/// What nodes on hosts of their own must share.
fn write_secret(path: &Path) -> Result<(), Trouble> {
    let wrong = |e| format!("cannot write {}: {e}", path.display());
    fs::write(path, format!("chaos-{:032x}", rand::random::<u128>())).map_err(wrong)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(wrong)
}

/// Ports below those that the kernel gives to clients, so that a node that is down finds its ports again.
fn free_ports(count: usize) -> Result<Vec<u16>, Trouble> {
    let first = 12_000 + (std::process::id() % 1_000) as u16 * 16;
    let candidates = (first..32_000).chain(12_000..first);
    let free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() < count { Err(format!("there are no {count} free ports")) } else { Ok(ports) }
}
