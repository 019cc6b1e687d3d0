//! Nodes as processes of the real program, and its commands as a user gives them.
#![allow(dead_code)]

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_vecraft");
/// Longest wait for anything, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what a command says; and at what costs nothing, where a moment is to be caught.
const LOOK: Duration = Duration::from_millis(50);
const GLANCE: Duration = Duration::from_millis(5);
/// Below the ports that the system gives to outgoing connections, so that a node that is down finds its own free again.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

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

/// Waits for a moment.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(GLANCE);
    }
}

/// Ports that were free a moment ago, all different.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    let mut held = Vec::new();
    while held.len() < count {
        let step = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + step % (PORTS.end - PORTS.start)) as u16;
        // Held until all are drawn, so that none is drawn twice.
        held.extend(TcpListener::bind(("127.0.0.1", port)).map(|socket| (port, socket)));
    }
    held.into_iter().map(|(port, _)| port).collect()
}

/// A cluster.toml and the processes that run from it; they are killed when it goes.
pub struct Nodes {
    pub dir: tempfile::TempDir,
    ports: Vec<u16>,
    running: Vec<Option<Child>>,
    /// Starts so far of each: every life has a log of its own.
    starts: Vec<u32>,
}

impl Nodes {
    /// The cluster.toml of `count` nodes; none runs. `cluster` are more lines of its `[cluster]`.
    pub fn cold(count: usize, cluster: &str) -> Nodes {
        let (dir, ports) = (tempfile::tempdir().unwrap(), free_ports(4 * count));
        let running = (0..count).map(|_| None).collect();
        let nodes = Nodes { dir, ports, running, starts: vec![0; count] };
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

    /// The door of a node for Milvus's clients.
    pub fn milvus(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[4 * (id - 1)])
    }

    /// The health door of a node.
    pub fn health(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[4 * (id - 1) + 3])
    }

    /// The node door of a node.
    pub fn node_door(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[4 * (id - 1) + 2])
    }

    pub fn serve(&mut self, id: usize) {
        self.serve_from(id, &self.config());
    }

    /// Starts it from another file.
    pub fn serve_from(&mut self, id: usize, config: &Path) {
        self.starts[id - 1] += 1;
        let log = File::create(self.log_file(id)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--node", &id.to_string(), "--config"]).arg(config);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running[id - 1] = Some(command.spawn().unwrap());
    }

    fn log_file(&self, id: usize) -> PathBuf {
        self.dir.path().join(format!("node-{id}.{}.log", self.starts[id - 1]))
    }

    /// What a node wrote in its present or last life.
    pub fn log(&self, id: usize) -> String {
        std::fs::read_to_string(self.log_file(id)).unwrap()
    }

    /// Waits until its log has these words.
    pub fn says(&self, id: usize, words: &str) {
        until(&format!("node {id} says {words:?}"), || self.log(id).contains(words).then_some(()));
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self, id: usize) -> ExitStatus {
        let mut child = self.running[id - 1].take().expect("it runs");
        until(&format!("node {id} ends"), || child.try_wait().unwrap())
    }

    /// Ends a node as an operator does.
    pub fn stop(&mut self, id: usize) {
        let pid = self.pid(id).to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(self.ended(id).success(), "{}", self.log(id));
    }

    /// The process of a node that runs.
    pub fn pid(&self, id: usize) -> u32 {
        self.running[id - 1].as_ref().expect("it runs").id()
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
