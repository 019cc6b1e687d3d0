//! Nodes as processes of the real program, and its commands as a user gives them.
#![allow(dead_code)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_vecraft");
/// Longest wait for anything, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// `vecraft ARGS`, to its end.
pub fn vecraft(args: &[&str]) -> Said {
    said(&Command::new(PROGRAM).args(args).stdin(Stdio::null()).output().unwrap())
}

pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Waits for what must come about, with what was seen last when it does not.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(seen) => assert!(Instant::now() < until, "never: {what}; last seen: {seen}"),
        }
        std::thread::sleep(LOOK);
    }
}

/// Ports that were free a moment ago, all different.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A cluster.toml and the processes that run from it; they are killed when it goes.
pub struct Nodes {
    pub dir: tempfile::TempDir,
    ports: Vec<u16>,
    running: Vec<Option<Child>>,
}

impl Nodes {
    /// The cluster.toml of `count` nodes; none runs. `cluster` are more lines of its `[cluster]`.
    pub fn cold(count: usize, cluster: &str) -> Nodes {
        let (dir, ports) = (tempfile::tempdir().unwrap(), free_ports(4 * count));
        let nodes = Nodes { dir, ports, running: (0..count).map(|_| None).collect() };
        let mut text = format!("[cluster]\nname = \"test\"\n{cluster}\n[data]\ngroups_per_node = 1\n");
        for id in 1..=count {
            text.push_str(&nodes.entry(id));
        }
        std::fs::write(nodes.config(), text).unwrap();
        nodes
    }

    /// The same, all started and serving.
    pub fn start(count: usize) -> Nodes {
        let mut nodes = Nodes::cold(count, "");
        (1..=count).for_each(|id| nodes.serve(id));
        (1..=count).for_each(|id| nodes.await_serving(id));
        nodes
    }

    fn entry(&self, id: usize) -> String {
        let [milvus, client, node, http] = self.ports[4 * (id - 1)..4 * id] else { unreachable!() };
        format!(
            "\n[[node]]\nid = {id}\ndata_dir = \"{}\"\nmilvus_port = {milvus}\nclient_port = {client}\nnode_port = {node}\n\
             http_port = {http}\n",
            self.data_dir(id).display()
        )
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("cluster.toml")
    }

    pub fn data_dir(&self, id: usize) -> PathBuf {
        self.dir.path().join(format!("node-{id}"))
    }

    /// The client door of a node.
    pub fn door(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[4 * (id - 1) + 1])
    }

    pub fn serve(&mut self, id: usize) {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--log-level", "warn", "--node", &id.to_string(), "--config"]);
        command.arg(self.config()).stdin(Stdio::null()).stdout(Stdio::null());
        self.running[id - 1] = Some(command.spawn().unwrap());
    }

    pub fn await_serving(&self, id: usize) {
        eventually(&format!("node {id} serves"), || match self.status(id) {
            said if said.code == 0 => Ok(()),
            said => Err(format!("{said:?}")),
        });
    }

    /// Whether the process of a node has ended by itself.
    pub fn has_ended(&mut self, id: usize) -> bool {
        self.running[id - 1].as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Ends a node as a crash would.
    pub fn kill(&mut self, id: usize) {
        if let Some(mut child) = self.running[id - 1].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `vecraft status` beside the directory of a node.
    pub fn status(&self, id: usize) -> Said {
        vecraft(&["status", "--data-dir", text(&self.data_dir(id))])
    }

    /// `vecraft node list` through the door of a node.
    pub fn list(&self, id: usize) -> Said {
        vecraft(&["node", "list", "--connect", &self.door(id)])
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        (1..=self.running.len()).for_each(|id| self.kill(id));
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
