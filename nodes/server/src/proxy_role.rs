//! The proxy as the configuration wants it.

use crate::client_doors::DoorBook;
use crate::ground::Ground;
use crate::identity::Identity;
use std::sync::Arc;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_proxy::{Proxy, ProxyConfig, ProxyParts, ServerIdentity};
use vecraft_rpc::node::NodeServices;
use vecraft_rpc::services::Topology;
use vecraft_types::ClientId;

/// What a proxy asks.
pub struct Front<'a> {
    /// The catalogue as this node knows it.
    pub metastore: &'a Metastore,
    /// The roles, here or wherever they are served.
    pub asked: NodeServices,
    /// Where groups are.
    pub topology: Arc<dyn Topology>,
    /// Where clients reach the nodes.
    pub doors: Arc<DoorBook>,
}

/// The node's proxy.
pub fn proxy(config: &Config, ground: &Ground, identity: &Identity, front: Front<'_>) -> Arc<Proxy> {
    let Front { metastore, asked, topology, doors } = front;
    Arc::new(Proxy::new(ProxyParts {
        catalogue: Arc::new(metastore.catalogue()),
        catalogue_writer: asked.catalogue,
        shard_writer: asked.writer,
        shard_reader: asked.reader,
        cluster: asked.cluster,
        topology,
        doors,
        clock: ground.clock.clone(),
        client: ClientId(ground.random.next_u128()),
        identity: ServerIdentity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: identity.cluster_id_text(),
            cluster_name: config.cluster.name.clone(),
        },
        config: ProxyConfig {
            deadline_default: config.proxy.request_timeout(),
            strict_load: config.milvus.strict_load,
            bytes_in_flight_max: config.data.inflight_bytes_max as usize,
            piece_bytes_max: config.proxy.entry_bytes_max as usize,
            message_bytes_max: config.proxy.message_bytes_max as usize,
            flat_rows_max: config.index.autoindex_flat_rows_max,
            ..ProxyConfig::default()
        },
    }))
}
