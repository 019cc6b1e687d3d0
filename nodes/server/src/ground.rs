//! What every role stands on: clock, randomness, shutdown, tasks and I/O threads of the node, what its health door says
//! while it starts, and the tasks that watch over roles. It knows no role from inside.

use crate::standing::Standing;
use crate::ways::Ways;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use vecraft_coordinator::Metastore;
use vecraft_data::DataNode;
use vecraft_index_node::IndexNode;
use vecraft_runtime::actors::RoleEnd;
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::random::Random;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::{TaskKind, Tasks};
use vecraft_types::NodeId;

/// Threads that may wait for files at one time.
const IO_THREADS: usize = 8;
/// How often replicas with a thousand new entries are compared with those of other nodes (I22).
const COMPARE_EVERY: Duration = Duration::from_secs(10);
/// How often files that nothing names are looked for (I13). An idle node wakes for it, once an hour.
const CLEAN_UP_EVERY: Duration = Duration::from_secs(3_600);

/// What every role is given.
#[derive(Clone)]
pub struct Ground {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub shutdown: Shutdown,
    pub standing: Standing,
    pub tasks: Tasks,
    pub io: IoPool,
}

impl Ground {
    pub fn new(
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        shutdown: Shutdown,
        standing: Standing,
    ) -> Ground {
        let tasks = Tasks::new(Handle::current(), shutdown.clone(), {
            let shutdown = shutdown.clone();
            // A replica of the pool leaves service by itself (data_role.rs); what comes here has nobody to stand in.
            move |failure| shutdown.trigger(failure.to_string())
        });
        let io = IoPool::new("io", Handle::current(), IO_THREADS);
        Ground { clock, random, shutdown, standing, tasks, io }
    }
}

/// Stops the process when a role ended by itself: a node without it would look alive and serve nobody.
pub fn watch(ground: &Ground, name: &'static str, end: impl Future<Output = RoleEnd> + Send + 'static) {
    let stopping = ground.shutdown.clone();
    ground.tasks.spawn(TaskKind::Guardian, name, async move {
        match end.await {
            RoleEnd::Asked => Ok(()),
            _ if stopping.is_triggered() => Ok(()),
            end => Err(format!("the role ended: {end:?}")),
        }
    });
}

/// Without the metastore's replica a node knows no names: it stops loudly.
pub fn watch_metastore(ground: &Ground, metastore: Metastore) {
    let stopping = ground.shutdown.clone();
    ground.tasks.spawn(TaskKind::Guardian, "metastore", async move {
        metastore.ended().await;
        if stopping.is_triggered() {
            return Ok(());
        }
        Err(metastore
            .forfeited()
            .unwrap_or_else(|| "its replica stopped; the log lines above say why".to_owned()))
    });
}

/// Replicas here leave service when they differ from the majority (I22).
pub fn compare_replicas(ground: &Ground, data: &DataNode, own: NodeId, ways: Ways) {
    let work = vecraft_data::compare_replicas(
        data.clone(),
        own,
        Arc::new(ways),
        COMPARE_EVERY,
        ground.shutdown.child(),
    );
    ground.tasks.spawn(TaskKind::Watch, "comparing replicas", work);
}

/// Files that nothing names go at start and by the hour (I13).
pub fn clean_up(ground: &Ground, data: &DataNode, index: &Arc<IndexNode>) {
    let files = vecraft_data::clean_up(data.clone(), CLEAN_UP_EVERY, ground.shutdown.child());
    ground.tasks.spawn(TaskKind::CleanUp, "column files", files);
    let files = vecraft_index_node::clean_up(index.clone(), CLEAN_UP_EVERY, ground.shutdown.child());
    ground.tasks.spawn(TaskKind::CleanUp, "index files", files);
}
