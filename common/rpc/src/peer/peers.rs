//! Reaching other nodes: one hello per connection, and no attempt while the last one has just failed.

use super::book::AddressBook;
use super::error::Error;
use super::handshake::{self, Failed};
use super::hello::Channel;
use super::identity::Identity;
use super::socket;
use crate::complaints::Complaints;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use vecraft_types::NodeId;

/// A connected byte stream: TCP today, TLS over TCP later.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> ByteStream for S {}

/// A stream whose handshake is done.
pub type PeerStream = Box<dyn ByteStream>;

/// How bytes get to an address: TCP, or a simulation's network.
pub trait Roads: Send + Sync {
    /// Connects to an address of the book. Limits of time are the caller's.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<PeerStream>>;
}

/// The product's roads.
struct Tcp;

impl Roads for Tcp {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<PeerStream>> {
        Box::pin(async move { Ok(Box::new(socket::connect(address).await?) as PeerStream) })
    }
}

/// How hard we try.
#[derive(Clone, Copy, Debug)]
pub struct DialOptions {
    /// For TCP's part.
    pub connect_max: Duration,
    /// For the handshake's part.
    pub handshake_max: Duration,
    /// Pause after the first failure; doubles with each.
    pub pause_min: Duration,
    /// Longest pause. Well below an election, so that a node that is back is soon heard.
    pub pause_max: Duration,
}

impl Default for DialOptions {
    fn default() -> DialOptions {
        DialOptions {
            connect_max: Duration::from_millis(1_000),
            handshake_max: Duration::from_millis(2_000),
            pause_min: Duration::from_millis(20),
            pause_max: Duration::from_millis(500),
        }
    }
}

/// The other nodes, as this one reaches them.
pub struct Peers {
    identity: Identity,
    options: DialOptions,
    roads: Arc<dyn Roads>,
    book: AddressBook,
    failures: Mutex<BTreeMap<NodeId, Failure>>,
    reach: Mutex<Reach>,
    complaints: Arc<Complaints>,
}

/// Which nodes were reached when last tried: what changes here is news, the attempts between are not.
#[derive(Debug, Default)]
pub(super) struct Reach(BTreeSet<NodeId>);

impl Reach {
    /// True when the node could not be reached before, or was never tried.
    pub(super) fn gained(&mut self, node: NodeId) -> bool {
        self.0.insert(node)
    }

    /// True when the node was reached before. One that has not started yet is not missed.
    pub(super) fn lost(&mut self, node: NodeId) -> bool {
        self.0.remove(&node)
    }
}

/// The last attempt, when it failed.
#[derive(Clone, Debug)]
struct Failure {
    error: Error,
    pause: Duration,
    until: Instant,
}

impl Peers {
    /// Nobody is known yet: fill the [`Peers::book`].
    pub fn new(identity: Identity, options: DialOptions) -> Arc<Peers> {
        Peers::over(identity, options, Arc::new(Tcp))
    }

    /// The same over other roads than TCP.
    pub fn over(identity: Identity, options: DialOptions, roads: Arc<dyn Roads>) -> Arc<Peers> {
        Arc::new(Peers {
            identity,
            options,
            roads,
            book: AddressBook::default(),
            failures: Mutex::default(),
            reach: Mutex::default(),
            complaints: Arc::default(),
        })
    }

    /// Who we are.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where nodes listen.
    pub fn book(&self) -> &AddressBook {
        &self.book
    }

    /// Where to say what is wrong with a node.
    pub fn complaints(&self) -> &Arc<Complaints> {
        &self.complaints
    }

    /// Connects to a channel of a node.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::OtherVersion`] or [`Error::Refused`]; at once with the last attempt's error while its pause lasts.
    pub async fn dial(&self, to: NodeId, channel: Channel, lane: u8) -> Result<PeerStream, Error> {
        let failed = self.failures.lock().get(&to).cloned();
        if let Some(failure) = failed {
            if channel == Channel::Forming && failure.error.is_of_another_cluster() {
                // It answers on this channel whoever asks, and is no nearer for it on the others.
                return self.try_dial(to, channel, lane).await;
            }
            if Instant::now() < failure.until {
                return Err(failure.error);
            }
        }
        let dialed = self.try_dial(to, channel, lane).await;
        match &dialed {
            Ok(_) => self.heard_from(to),
            Err(error) => self.failed(to, error),
        }
        dialed
    }

    /// The nodes that could not be reached when last tried, or refused us.
    pub fn out_of_reach(&self) -> Vec<NodeId> {
        self.failures.lock().keys().copied().collect()
    }

    /// The node is alive: it has just answered or connected to us. The next attempt need not wait.
    pub fn heard_from(&self, node: NodeId) {
        self.failures.lock().remove(&node);
        if self.reach.lock().gained(node) {
            tracing::info!(%node, "node is reached");
        }
    }

    async fn try_dial(&self, to: NodeId, channel: Channel, lane: u8) -> Result<PeerStream, Error> {
        let unreachable = |why: String| Error::Unreachable { node: to, why };
        let address = self.book.get(to).ok_or_else(|| unreachable("its address is not known".to_owned()))?;
        let connect = tokio::time::timeout(self.options.connect_max, self.roads.connect(&address));
        let mut stream = connect
            .await
            .map_err(|_| {
                unreachable(format!("no connection to {address} in {:?}", self.options.connect_max))
            })?
            .map_err(|error| unreachable(format!("{address}: {error}")))?;
        let greet = handshake::dial(&mut stream, &self.identity, to, channel, lane);
        match tokio::time::timeout(self.options.handshake_max, greet).await {
            Ok(Ok(_level)) => Ok(stream),
            Ok(Err(Failed::Refused(reason))) => Err(Error::Refused { node: to, reason }),
            Ok(Err(Failed::Version(theirs))) => Err(Error::OtherVersion { node: to, theirs }),
            Ok(Err(failed)) => Err(unreachable(format!("handshake with {address}: {failed}"))),
            Err(_) => Err(unreachable(format!("{address} did not finish the handshake"))),
        }
    }

    fn failed(&self, to: NodeId, error: &Error) {
        if matches!(error, Error::Unreachable { .. }) && self.reach.lock().lost(to) {
            tracing::warn!(node = %to, %error, "node is out of reach; trying again, and telling when it is back");
        }
        let mut failures = self.failures.lock();
        let last = failures.get(&to);
        // What does not go away by itself is said once, not at each attempt.
        if error.lasts() && last.is_none_or(|last| last.error != *error) {
            tracing::warn!(node = %to, reason = %error, "a node refuses our connections; it is logged once");
        }
        let pause = last.map_or(self.options.pause_min, |last| (last.pause * 2).min(self.options.pause_max));
        let failure = Failure { error: error.clone(), pause, until: Instant::now() + pause };
        failures.insert(to, failure);
    }
}
