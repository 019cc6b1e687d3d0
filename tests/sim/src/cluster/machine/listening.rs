//! A node's network: whom it dials, and who reaches it.

use super::{Machine, World};
use crate::cluster::net::WiredRoads;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::task::AbortHandle;
use vecraft_raft_host::Network;
use vecraft_rpc::peer::{Accepted, Channel, DialOptions, Identity, PeerStream, Peers, Trust, handshake};
use vecraft_types::NodeId;

impl Machine {
    pub(super) fn network(
        &self,
        world: &World,
        mut accepted: tokio::sync::mpsc::UnboundedReceiver<PeerStream>,
        tasks: &mut Vec<AbortHandle>,
    ) -> Network {
        let nonces = Mutex::new(self.rng.fork(200 + self.lives));
        let identity = Identity {
            cluster: 7,
            node: NodeId(self.id),
            level: 1,
            trust: Trust::Open,
            nonces: Arc::new(move || nonces.lock().next()),
        };
        let roads = Arc::new(WiredRoads { net: world.net.clone(), from: self.id, life: self.lives });
        let peers = Peers::over(identity, DialOptions::default(), roads);
        for other in (1..=world.plan.nodes).filter(|other| *other != self.id) {
            peers.book().set(NodeId(other), other.to_string());
        }
        let network = Network::over(peers.clone());
        let door = network.door();
        // The product's listener is bound to TCP; this is its part behind the socket.
        let listening = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Some(mut stream) = accepted.recv().await {
                let (peers, door) = (peers.clone(), door.clone());
                connections.spawn(async move {
                    let is_ours = |channel| channel == Channel::Raft;
                    let greeted = handshake::accept(&mut stream, peers.identity(), is_ours).await;
                    if let Ok((hello, _)) = greeted {
                        peers.heard_from(hello.from);
                        let (from, lane, level) = (hello.from, hello.lane, hello.level);
                        door(Accepted { from, lane, level, stream }).await;
                    }
                });
            }
        });
        tasks.push(listening.abort_handle());
        network
    }
}
