//! The query role as the configuration wants it.

use crate::ground::Ground;
use crate::{Error, limits};
use std::sync::Arc;
use tokio::sync::Notify;
use vecraft_config::Config;
use vecraft_query::{QueryConfig, QueryNode, QueryParts};
use vecraft_rpc::services::ReadBarrier;
use vecraft_runtime::pools::CpuPool;
use vecraft_segment::ViewRegistry;
use vecraft_types::NodeId;

/// Reads of `views`, each as fresh as `barrier` says.
///
/// # Errors
/// When its threads cannot be started.
pub fn query_node(
    node: NodeId,
    config: &Config,
    ground: &Ground,
    views: Arc<ViewRegistry>,
    barrier: Arc<dyn ReadBarrier>,
    graphs_missed: Arc<Notify>,
) -> Result<Arc<QueryNode>, Error> {
    let pool = CpuPool::new("search", config.query.search_threads as usize)
        .map_err(Error::other("start search threads"))?;
    let answer_bytes_max = match config.query.answer_bytes_max {
        0 => limits::memory_bytes() / 8,
        bytes => bytes,
    };
    let reads_max = config.query.searches_waiting_max as usize;
    let config = QueryConfig { reads_max, answer_bytes_max, ..QueryConfig::default() };
    let clock = ground.clock.clone();
    Ok(Arc::new(QueryNode::new(QueryParts { node, views, barrier, pool, graphs_missed, clock, config })))
}
