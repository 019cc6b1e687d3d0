//! Starting the index role: over what the data role publishes and the catalogue wants.

use crate::Error;
use crate::directory::Directory;
use crate::ground::Ground;
use std::sync::Arc;
use tokio::sync::Notify;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_data::{DataNode, ShardLedger};
use vecraft_index_node::{IndexConfig, IndexNode, IndexParts};
use vecraft_rpc::copies::IndexPeers;
use vecraft_rpc::services::ShardAdmin;
use vecraft_runtime::pools::CpuPool;
use vecraft_segment::ViewRegistry;

/// What the index role is given of the shards.
pub struct Shards {
    pub data: Arc<DataNode>,
    /// The way to the leaders of their groups.
    pub leaders: Arc<dyn ShardAdmin>,
    /// The way to the other replicas.
    pub peers: Arc<dyn IndexPeers>,
    pub views: Arc<ViewRegistry>,
    pub changed: Arc<Notify>,
    pub graphs_missed: Arc<Notify>,
}

/// The index role. Its threads are the configured ones, or half of the cores.
///
/// # Errors
/// Threads that cannot be started.
pub fn index_node(
    directory: &Directory,
    config: &Config,
    ground: &Ground,
    metastore: &Metastore,
    shards: Shards,
) -> Result<Arc<IndexNode>, Error> {
    let threads = match config.index.build_threads as usize {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        threads => threads,
    };
    let pool = CpuPool::new("index", threads).map_err(Error::other("start index threads"))?;
    Ok(Arc::new(IndexNode::new(IndexParts {
        catalogue: Arc::new(metastore.catalogue()),
        ledger: Arc::new(ShardLedger::new((*shards.data).clone(), shards.leaders)),
        peers: shards.peers,
        views: shards.views,
        changed: shards.changed,
        graphs_missed: shards.graphs_missed,
        memory: shards.data,
        disk: directory.disk.clone(),
        pool,
        io: ground.io.clone(),
        clock: ground.clock.clone(),
        random: ground.random.clone(),
        config: IndexConfig { flat_rows_max: config.index.autoindex_flat_rows_max, ..IndexConfig::default() },
    })))
}
