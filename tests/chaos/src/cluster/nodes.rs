//! The nodes: their processes, who leads.

use super::config::{Config, Host};
use super::ground::Ground;
use super::web::{self, Standing};
use crate::Trouble;
use crate::server::{Place, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a node may take until it serves, before the run says that it does not come back.
pub const SERVE_MAX: Duration = Duration::from_secs(90);

/// One node.
pub struct Node {
    /// The number of its host, from 1. The node's own is the same until the node is replaced: see [`Nodes::number`].
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
    /// By host.
    pub nodes: Vec<Node>,
    program: PathBuf,
    config: Config,
}

impl Nodes {
    /// Writes the configuration of the nodes into `dir`, on the hosts and disks of the ground, else on 127.0.0.1 and in
    /// `dir`; none is started.
    ///
    /// # Errors
    /// When there are no free ports or a file cannot be written.
    pub fn cold(program: &Path, dir: &Path, size: Size, ground: &Ground) -> Result<Nodes, Trouble> {
        let config = Config::make(dir, size.nodes, size.groups_per_node, ground)?;
        let node = |(at, host): (usize, &Host)| {
            let id = at as u64 + 1;
            let on_host = ground.network.as_ref().map(|network| network.on(at + 1)).unwrap_or_default();
            let command = [on_host, command(program, &config.path, host.number)].concat();
            Node {
                id,
                client_address: host.client_address(),
                http_address: host.http_address(),
                place: Place { command, data: host.data.clone(), log: dir.join(format!("node-{id}.log")) },
                server: None,
            }
        };
        let nodes = config.hosts().iter().enumerate().map(node).collect();
        Ok(Nodes { nodes, program: program.to_owned(), config })
    }

    /// The number that the node on a host has in the cluster.
    pub fn number(&self, at: usize) -> u64 {
        self.config.hosts()[at].number
    }

    /// Where other nodes reach that on a host.
    pub fn node_address(&self, at: usize) -> String {
        self.config.hosts()[at].node_address()
    }

    /// Gives a host the next number that no node had, in the configuration and for its next start.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn renumber(&mut self, at: usize) -> Result<u64, Trouble> {
        let number = self.config.hosts().iter().map(|host| host.number).max().unwrap_or_default() + 1;
        let new = command(&self.program, &self.config.path, number);
        self.config.renumber(at, number)?;
        let words = &mut self.nodes[at].place.command;
        words.truncate(words.len() - new.len());
        words.extend(new);
        Ok(number)
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

fn command(program: &Path, config: &Path, id: u64) -> Vec<std::ffi::OsString> {
    let node = id.to_string();
    let words =
        [program.as_os_str(), "serve".as_ref(), "--config".as_ref(), config.as_os_str(), "--node".as_ref()];
    words.into_iter().map(ToOwned::to_owned).chain([node.into()]).collect()
}
