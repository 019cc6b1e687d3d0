//! Where nodes listen, as of now. Nodes join and move while we run, so it is looked up at each attempt to connect.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use vecraft_types::NodeId;

/// Node to `host:port`. Filled by whoever knows the members (the metastore's rows); shared by reference.
#[derive(Debug, Default)]
pub struct AddressBook {
    addresses: RwLock<BTreeMap<NodeId, String>>,
}

impl AddressBook {
    /// Where `node` listens.
    pub fn get(&self, node: NodeId) -> Option<String> {
        self.addresses.read().get(&node).cloned()
    }

    /// Enters or replaces an address. Connections that stand are left alone.
    pub fn set(&self, node: NodeId, address: impl Into<String>) {
        self.addresses.write().insert(node, address.into());
    }

    /// Forgets a node that left.
    pub fn remove(&self, node: NodeId) {
        self.addresses.write().remove(&node);
    }

    /// Whether a node listens at this host, among those entered by number.
    pub fn has_host(&self, host: IpAddr) -> bool {
        let is_there =
            |address: &String| address.parse().is_ok_and(|address: SocketAddr| address.ip() == host);
        self.addresses.read().values().any(is_there)
    }

    /// All entries, for showing.
    pub fn all(&self) -> Vec<(NodeId, String)> {
        self.addresses.read().iter().map(|(node, address)| (*node, address.clone())).collect()
    }
}
