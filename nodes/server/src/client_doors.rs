//! Where clients reach the nodes: the own door from the configuration, the others' from what they say.
//!
//! Nothing runs by itself. A client that asks makes this node ask the others; what they said is remembered, told at once
//! the next time and asked again in the background when it is old. A node that is away costs the first who ask a moment.

use crate::ways::Ways;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_coordinator::Metastore;
use vecraft_rpc::client_doors::{ClientDoor, ClientDoors};
use vecraft_runtime::clock::Clock;
use vecraft_state::meta::NodeState;
use vecraft_types::api::NodeDoor;
use vecraft_types::{NodeId, Result};

/// How long a client waits for nodes that have not said yet where their door is.
const WAIT_MAX: Duration = Duration::from_millis(300);
/// How old an address may be before its node is asked again; it is told meanwhile.
const FRESH: Duration = Duration::from_secs(10);
/// Before a node that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// This node's door.
pub struct OwnDoor(pub String);

#[async_trait]
impl ClientDoor for OwnDoor {
    async fn client_door(&self) -> Result<String> {
        Ok(self.0.clone())
    }
}

/// See the [module](self). Clones are the same.
#[derive(Clone)]
pub struct DoorBook {
    inner: Arc<Inner>,
}

struct Inner {
    own: NodeDoor,
    metastore: Metastore,
    /// None on a node without others.
    ways: Option<Ways>,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<NodeId, Known>>,
}

#[derive(Clone, Default)]
struct Known {
    address: Option<String>,
    /// When it was asked last, whatever came of it.
    asked: Option<Duration>,
}

impl Known {
    /// Whether to ask at this moment.
    fn is_due(&self, now: Duration) -> bool {
        let pause = if self.address.is_some() { FRESH } else { AGAIN };
        self.asked.is_none_or(|asked| now.saturating_sub(asked) >= pause)
    }
}

impl DoorBook {
    pub fn new(own: NodeDoor, metastore: Metastore, ways: Option<Ways>, clock: Arc<dyn Clock>) -> DoorBook {
        DoorBook { inner: Arc::new(Inner { own, metastore, ways, clock, known: Mutex::default() }) }
    }

    /// The other nodes of the cluster that are there or may come back.
    fn others(&self) -> Vec<NodeId> {
        self.inner.metastore.read(|meta| {
            let nodes = meta.placement().nodes.iter();
            let present = nodes
                .filter(|(_, record)| !matches!(record.state, NodeState::Removed | NodeState::Expected))
                .map(|(node, _)| *node);
            present.filter(|node| *node != self.inner.own.node).collect()
        })
    }

    async fn ask(&self, node: NodeId) {
        let Some(ways) = &self.inner.ways else { return };
        match ways.node(node).client_door().await {
            Ok(address) => {
                self.inner.known.lock().entry(node).or_default().address = Some(address);
            }
            Err(error) => tracing::debug!(%node, %error, "a node did not say where its client door is"),
        }
    }
}

#[async_trait]
impl ClientDoors for DoorBook {
    async fn doors(&self) -> Vec<NodeDoor> {
        let (now, others) = (self.inner.clock.monotonic(), self.others());
        let mut unknown = Vec::new();
        {
            let mut known = self.inner.known.lock();
            known.retain(|node, _| others.contains(node));
            for node in &others {
                let entry = known.entry(*node).or_default();
                if entry.is_due(now) {
                    entry.asked = Some(now);
                    let (book, node) = (self.clone(), *node);
                    let asking = tokio::spawn(async move { book.ask(node).await });
                    if entry.address.is_none() {
                        unknown.push(asking);
                    }
                }
            }
        }
        // One that is too late is told the next time.
        let _ = tokio::time::timeout(WAIT_MAX, join_all(unknown)).await;
        let known = self.inner.known.lock();
        let told = known.iter().filter_map(|(node, known)| {
            known.address.clone().map(|address| NodeDoor { node: *node, address })
        });
        std::iter::once(self.inner.own.clone()).chain(told).collect()
    }
}
