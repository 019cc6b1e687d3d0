//! Who is let in: the node's port, where all channels arrive.
//!
//! A stranger costs one fixed buffer and one of few seats for the time of a handshake ([`super::half_open`]), and nobody
//! waits for a seat: those who say nothing do not keep nodes apart. What it did wrong is logged
//! once per address and reason.

use super::half_open::{HalfOpen, Seat};
use super::handshake::{self, Failed};
use super::hello::{Channel, PERSON, Refusal};
use super::peers::{PeerStream, Peers};
use super::socket;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vecraft_types::NodeId;

/// Pause after a failed accept (no file descriptors left): it fails again at once otherwise.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Different refusals that are remembered as logged; beyond that nothing more is logged.
const LOGGED_MAX: usize = 1_024;
/// Addresses of nodes that are remembered.
const MET_MAX: usize = 1_024;

/// A peer that was let in.
pub struct Accepted {
    /// Who it is.
    pub from: NodeId,
    /// Which of the channel's parallel connections.
    pub lane: u8,
    /// Its feature level.
    pub level: u32,
    /// What comes next is the channel's.
    pub stream: PeerStream,
}

/// Serves a connection of one channel until it ends.
pub type Door = Arc<dyn Fn(Accepted) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the port takes.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Connections in their handshake at once, of strangers together and of each address of a node; for a further one the
    /// oldest of the address with the most is closed.
    pub half_open_max: usize,
    /// Connections at once; further ones are closed.
    pub connections_max: usize,
    /// For a handshake.
    pub handshake_max: Duration,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions { half_open_max: 64, connections_max: 1_024, handshake_max: Duration::from_secs(2) }
    }
}

/// The node's port.
pub struct PeerListener {
    listener: TcpListener,
    inner: Arc<Inner>,
}

struct Inner {
    peers: Arc<Peers>,
    options: ListenOptions,
    doors: BTreeMap<Channel, Door>,
    half_open: Arc<HalfOpen>,
    /// Where nodes came from that were let in: the book may know them by name.
    met: Mutex<BTreeSet<IpAddr>>,
    open: Arc<Semaphore>,
    logged: Mutex<BTreeSet<(IpAddr, String)>>,
}

impl PeerListener {
    /// A port over a bound socket; channels without a door are refused.
    pub fn new(
        listener: TcpListener,
        peers: Arc<Peers>,
        options: ListenOptions,
        doors: impl IntoIterator<Item = (Channel, Door)>,
    ) -> PeerListener {
        let inner = Inner {
            peers,
            options,
            doors: doors.into_iter().collect(),
            half_open: HalfOpen::new(options.half_open_max),
            met: Mutex::default(),
            open: Arc::new(Semaphore::new(options.connections_max)),
            logged: Mutex::default(),
        };
        PeerListener { listener, inner: Arc::new(inner) }
    }

    /// Lets peers in until `shutdown` is ready, then closes every connection.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = socket::accept(&self.listener) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let inner = self.inner.clone();
                    let seat = inner.half_open.enter(peer.ip(), inner.is_known(peer.ip()));
                    connections.spawn(async move { inner.receive(stream, peer, seat).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection of a node");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

impl Inner {
    /// Whether a node is there, as far as this one knows.
    fn is_known(&self, address: IpAddr) -> bool {
        self.peers.book().has_host(address) || self.met.lock().contains(&address)
    }

    async fn receive(&self, mut stream: TcpStream, peer: SocketAddr, seat: Seat) {
        let greet = handshake::accept(&mut stream, self.peers.identity(), |channel| {
            self.doors.contains_key(&channel)
        });
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(self.options.handshake_max, greet) => greeted,
            () = seat.lost() => return self.log_once(peer, None, "no handshake yet, and others came"),
        };
        drop(seat);
        let (hello, channel) = match greeted {
            Ok(Ok(greeted)) => greeted,
            Ok(Err((from, failed))) => {
                // A peer that merely went away is no news, nor one that comes before this node is formed.
                if !matches!(failed, Failed::Io(_) | Failed::Refused(Refusal::NotYet)) {
                    self.log_once(peer, from, &failed.to_string());
                }
                return;
            }
            Err(_) => return self.log_once(peer, None, "no handshake in time"),
        };
        let Ok(_place) = self.open.clone().try_acquire_owned() else {
            return self.log_once(peer, Some(hello.from), "too many connections");
        };
        if hello.from != PERSON {
            self.peers.heard_from(hello.from);
            let mut met = self.met.lock();
            if met.len() < MET_MAX {
                met.insert(peer.ip());
            }
        }
        tracing::debug!(node = %hello.from, %peer, ?channel, lane = hello.lane, "node connected");
        if let Some(door) = self.doors.get(&channel) {
            let stream: PeerStream = Box::new(stream);
            door(Accepted { from: hello.from, lane: hello.lane, level: hello.level, stream }).await;
        }
    }

    fn log_once(&self, peer: SocketAddr, from: Option<NodeId>, reason: &str) {
        let mut logged = self.logged.lock();
        if logged.len() >= LOGGED_MAX || !logged.insert((peer.ip(), reason.to_owned())) {
            return;
        }
        let from = from.map(|node| node.0);
        tracing::warn!(%peer, from, reason, "connection to the node port refused; this is logged once");
    }
}
