//! Several hosts in one process.

use super::links::Links;
use super::notebook::{Notebook, Pages, Shelf};
use crate::{Birth, Error, Group, GroupSpec, Host, Location, MembershipId, Network};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_rpc::codec;
use vecraft_rpc::peer::{Channel, DialOptions, Identity, ListenOptions, PeerListener, Peers, Secret, Trust};
use vecraft_storage::SimDisk;
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

/// For anything that must happen.
pub const WAIT: Duration = Duration::from_secs(30);
pub const GROUP: GroupId = GroupId(1);

/// A node: its disk survives, the rest runs or does not.
pub struct Node {
    pub id: u64,
    pub disk: SimDisk,
    pub shelf: Shelf,
    addresses: BTreeMap<u64, String>,
    pub running: Option<Running>,
}

pub struct Running {
    pub host: Host,
    pub group: Group,
    pub machine: Arc<Mutex<Notebook>>,
    stop: oneshot::Sender<()>,
    listening: JoinHandle<()>,
}

/// Nodes 1 to n, replica 10 + id of group 1 on each.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub links: Arc<Links>,
    /// Of descriptions of snapshots.
    part_bytes: usize,
}

pub fn replica(node: u64) -> ReplicaId {
    ReplicaId(10 + node)
}

pub fn location(node: u64) -> Location {
    Location { replica: replica(node), node: NodeId(node) }
}

pub fn voters(nodes: impl IntoIterator<Item = u64>) -> BTreeMap<ReplicaId, NodeId> {
    nodes.into_iter().map(|node| (replica(node), NodeId(node))).collect()
}

pub fn identity(node: u64) -> Identity {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let secret = Secret::new(b"known to the nodes of this test").unwrap();
    let nonces = Arc::new(|| DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    Identity { cluster: 7, node: NodeId(node), level: 1, trust: Trust::Secret(secret), nonces }
}

/// Waits for a condition, with a deadline.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, waited).await.unwrap_or_else(|_| panic!("never: {what}"));
}

impl Cluster {
    /// `nodes` nodes, of which the first `forming` form the group and the others run nothing yet.
    pub async fn new(nodes: u64, forming: u64) -> Cluster {
        Cluster::describing(nodes, forming, usize::MAX).await
    }

    /// The same; descriptions of snapshots travel in parts of so many bytes.
    pub async fn describing(nodes: u64, forming: u64, part_bytes: usize) -> Cluster {
        let links = Arc::new(Links::default());
        let mut made = Vec::new();
        for id in 1..=nodes {
            let mut addresses = BTreeMap::new();
            for to in (1..=nodes).filter(|to| *to != id) {
                addresses.insert(to, links.open(id, to).await);
            }
            let disk = SimDisk::new(id);
            made.push(Node { id, disk, shelf: Shelf::default(), addresses, running: None });
        }
        let mut cluster = Cluster { nodes: made, links, part_bytes };
        for id in 1..=forming {
            cluster.start(id, Birth::Form(voters(1..=forming))).await;
        }
        cluster
    }

    pub fn node(&self, id: u64) -> &Node {
        &self.nodes[id as usize - 1]
    }

    pub fn running(&self, id: u64) -> &Running {
        self.node(id).running.as_ref().unwrap()
    }

    pub fn group(&self, id: u64) -> &Group {
        &self.running(id).group
    }

    pub fn pages(&self, id: u64) -> Pages {
        self.running(id).machine.lock().pages.clone()
    }

    pub async fn start(&mut self, id: u64, birth: Birth) {
        let links = self.links.clone();
        let node = &mut self.nodes[id as usize - 1];
        let peers = Peers::new(identity(id), DialOptions::default());
        node.addresses.iter().for_each(|(to, address)| peers.book().set(NodeId(*to), address));
        let network = Network::over(peers.clone());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        links.moved(id, socket.local_addr().unwrap());
        let doors = [(Channel::Raft, network.door())];
        let listener = PeerListener::new(socket, peers, ListenOptions::default(), doors);
        let (stop, stopped) = oneshot::channel::<()>();
        let listening = tokio::spawn(listener.serve(async { drop(stopped.await) }));

        let options =
            LogOptions { segment_bytes: 4 << 20, preallocate_bytes: 1 << 18, ..LogOptions::default() };
        let (log, _) = NodeLog::open(Arc::new(node.disk.clone()), "log", options).unwrap();
        let host = Host::with_network(log, network).unwrap().describing_in_parts_of(self.part_bytes);
        let machine = Arc::new(Mutex::new(Notebook::open(&node.shelf)));
        let spec = GroupSpec { group: GROUP, node: NodeId(id), replica: replica(id), birth };
        let group = host.start_group(spec, machine.clone()).await.unwrap();
        node.running = Some(Running { host, group, machine, stop, listening });
    }

    /// Stops a node as a crash does: nobody is told, what was not synced at this moment is gone.
    pub async fn kill(&mut self, id: u64) {
        let node = &mut self.nodes[id as usize - 1];
        let running = node.running.take().unwrap();
        node.disk.crash();
        drop(running.stop);
        running.listening.await.unwrap();
        running.group.shutdown().await;
        running.host.log().close();
        // What the process still wrote while it ended did not happen.
        node.disk.crash();
    }

    pub async fn restart(&mut self, id: u64) {
        self.start(id, Birth::Resume).await;
    }

    pub fn live(&self) -> Vec<u64> {
        self.nodes.iter().filter(|node| node.running.is_some()).map(|node| node.id).collect()
    }

    /// The node that leads, proven by a read index.
    pub async fn leader(&self) -> u64 {
        self.leader_among(&self.live()).await
    }

    pub async fn leader_among(&self, nodes: &[u64]) -> u64 {
        let mut found = 0;
        until("a leader", async || {
            for id in nodes {
                let group = self.group(*id);
                if group.is_leader() && group.read_index().await.is_ok() && group.is_leader() {
                    found = *id;
                    return true;
                }
            }
            false
        })
        .await;
        found
    }

    /// Writes through whoever leads among `nodes`; returns once acknowledged.
    pub async fn write_among(&self, nodes: &[u64], key: &str, value: &str) -> LogPosition {
        let mut at = LogPosition(0);
        until("written", async || {
            for id in nodes {
                let group = self.group(*id);
                if group.is_leader()
                    && let Ok(position) = set(group, key, value, Duration::from_secs(3)).await
                {
                    at = position;
                    return true;
                }
            }
            false
        })
        .await;
        at
    }

    pub async fn write(&self, key: &str, value: &str) -> LogPosition {
        self.write_among(&self.live(), key, value).await
    }

    /// Waits until these nodes have the same pages, and returns them.
    pub async fn agree(&self, nodes: &[u64], with: impl Fn(&Pages) -> bool) -> Pages {
        let mut pages = Pages::new();
        until("nodes agree", async || {
            pages = self.pages(nodes[0]);
            with(&pages) && nodes.iter().all(|id| self.pages(*id) == pages)
        })
        .await;
        pages
    }

    /// A read index of this node; asked again while it knows no leader, or its leader has no majority yet.
    pub async fn read_index(&self, id: u64) -> LogPosition {
        let mut at = LogPosition(0);
        until("a read index", async || match self.group(id).read_index().await {
            Ok(position) => {
                at = position;
                true
            }
            Err(_) => false,
        })
        .await;
        at
    }

    pub fn membership(&self, id: u64) -> MembershipId {
        self.group(id).members().id.unwrap()
    }
}

/// One write.
pub async fn set(group: &Group, key: &str, value: &str, deadline: Duration) -> Result<LogPosition, Error> {
    let command = codec::encode(&(key.to_owned(), value.to_owned())).unwrap();
    group.propose(Bytes::from(command), deadline).await.map(|done| done.position)
}
