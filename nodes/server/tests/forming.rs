//! I1 with real processes: one is killed, or loses its directory, in the middle of forming an empty cluster of three nodes.
//!
//! Here and not with the other cluster tests, because it needs the program itself: SIGKILL leaves a process no time for
//! anything, and what counts is what it had written down.
#![allow(clippy::unwrap_used)]
// The processes, files and sockets of a test are its own.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);
/// Below the ports that the system gives to outgoing connections.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// Three nodes that wait for a person, each a process, killed when dropped.
struct Nodes {
    dir: tempfile::TempDir,
    running: BTreeMap<u64, Child>,
    health: BTreeMap<u64, u16>,
    /// Starts so far, of any node: each has a log of its own.
    starts: BTreeMap<u64, u32>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Ports that were free a moment ago.
fn ports(count: usize) -> Vec<u16> {
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

impl Nodes {
    fn start() -> Nodes {
        let dir = tempfile::tempdir().unwrap();
        let mut text =
            "[cluster]\nforming = \"explicit\"\nreplication = 3\n[data]\ngroups_per_node = 1\n".to_owned();
        let mut health = BTreeMap::new();
        for (id, own) in (1..=3).zip(ports(12).chunks(4)) {
            let data = dir.path().join(id.to_string());
            text += &format!(
                "[[node]]\nid = {id}\nhost = \"127.0.0.1\"\ndata_dir = {data:?}\nmilvus_port = {}\nclient_port = {}\n\
                 node_port = {}\nhttp_port = {}\n",
                own[0], own[1], own[2], own[3]
            );
            health.insert(id, own[3]);
        }
        fs::write(dir.path().join("cluster.toml"), text).unwrap();
        let mut nodes = Nodes { dir, running: BTreeMap::new(), health, starts: BTreeMap::new() };
        (1..=3).for_each(|id| nodes.begin(id));
        (1..=3).for_each(|id| nodes.says(id, "waiting for a person"));
        nodes
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("cluster.toml")
    }

    fn data(&self, id: u64) -> PathBuf {
        self.dir.path().join(id.to_string())
    }

    /// The log of a node's present or last life.
    fn log_file(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("{id}.{}.log", self.starts[&id]))
    }

    fn log(&self, id: u64) -> String {
        fs::read_to_string(self.log_file(id)).unwrap()
    }

    fn begin(&mut self, id: u64) {
        *self.starts.entry(id).or_default() += 1;
        let log = File::create(self.log_file(id)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vecraft"))
            .args(["serve", "--node", &id.to_string(), "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.insert(id, child);
    }

    /// Ends it with SIGKILL.
    fn kill(&mut self, id: u64) {
        let mut child = self.running.remove(&id).expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    fn ended(&mut self, id: u64) -> ExitStatus {
        let mut child = self.running.remove(&id).expect("it runs");
        until(&format!("node {id} ends"), || child.try_wait().unwrap())
    }

    fn says(&self, id: u64, words: &str) {
        until(&format!("node {id} says {words:?}"), || self.log(id).contains(words).then_some(()));
    }

    /// A person says that the cluster is to be formed.
    fn init(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_vecraft"))
            .args(["cluster", "init", "--wait", "60", "--config"])
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Whether the health door says OK.
    fn is_well(&self, id: u64) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.health[&id]))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Waits until these serve, all in one cluster; its id.
    fn serve(&self, ids: &[u64]) -> String {
        for id in ids {
            until(&format!("node {id} is well"), || self.is_well(*id).then_some(()));
        }
        // The health door says OK a moment before the file does.
        let of = |id: &u64| {
            until(&format!("node {id} says where it serves"), || {
                let run = fs::read(self.data(*id).join("run.json")).ok()?;
                let run: serde_json::Value = serde_json::from_slice(&run).ok()?;
                let is_its = run["pid"] == self.running[id].id() && run["is_starting"] == false;
                is_its.then(|| run["cluster_id"].as_str().unwrap().to_owned())
            })
        };
        let found: BTreeSet<String> = ids.iter().map(of).collect();
        assert_eq!(found.len(), 1, "one cluster: {found:?}");
        found.into_iter().next().unwrap()
    }
}

/// Kills node 1 once a node has said this, and starts it again.
fn killed_when(speaker: u64, words: &str) {
    let mut nodes = Nodes::start();
    let mut first = nodes.init();
    nodes.says(speaker, words);
    nodes.kill(1);
    let _ = first.kill();
    let _ = first.wait();
    nodes.begin(1);
    // What a person said is forgotten with the process, unless it had begun; said again it does no harm.
    let mut again = nodes.init();
    let formed = nodes.serve(&[1, 2, 3]);
    assert!(until("the command ends", || again.try_wait().unwrap()).success());
    for id in 1..=3 {
        nodes.kill(id);
        nodes.begin(id);
    }
    assert_eq!(nodes.serve(&[1, 2, 3]), formed, "the same after a restart of all");
}

#[test]
fn i1_the_node_that_leads_the_forming_is_killed_before_anything_was_proposed() {
    killed_when(1, "a person says that the cluster is to be formed");
}

#[test]
fn i1_the_node_that_leads_the_forming_is_killed_when_the_others_have_the_clusters_name() {
    killed_when(2, "this node's cluster has its name");
}

#[test]
fn i1_a_node_that_is_emptied_in_the_middle_of_forming_does_not_come_back_as_who_it_was() {
    let mut nodes = Nodes::start();
    let mut first = nodes.init();
    // From here on it may vote.
    nodes.says(3, "this node's cluster has its name");
    nodes.kill(1);
    nodes.kill(3);
    let _ = first.kill();
    let _ = first.wait();
    fs::remove_dir_all(nodes.data(3)).unwrap();
    nodes.begin(3);
    nodes.begin(1);
    // Refused by those that are forming, or by the cluster that they have formed meanwhile.
    assert!(!nodes.ended(3).success());
    let why = nodes.log(3);
    assert!(why.contains("of which node 3 had the name") || why.contains("with another directory"), "{why}");
    // Nor a moment later; the others have not served yet, and cannot without what it was to hold.
    nodes.begin(3);
    assert!(!nodes.ended(3).success());
    // So nothing is lost with the way out that it names.
    for id in [1, 2] {
        nodes.kill(id);
        fs::remove_dir_all(nodes.data(id)).unwrap();
    }
    let _ = fs::remove_dir_all(nodes.data(3));
    (1..=3).for_each(|id| nodes.begin(id));
    let mut again = nodes.init();
    nodes.serve(&[1, 2, 3]);
    assert!(until("the command ends", || again.try_wait().unwrap()).success());
}
