//! Starting the data role: this node's replicas of the pool groups, each on its own feet.
//!
//! ```text
//! quarantined? ──yes──> out of service, not started
//!     | no
//! restore the checkpoint ──damaged file──> out of service: says which file and offset
//!     |
//! start the group (replays the log) ──fails──> out of service
//!     |
//! serve ──apply fails, panics──> out of service
//! ```
//! I24: a group that leaves service takes its shards with it and nothing else; its files, checkpoint and log stay. What
//! concerns the whole node (the store, the log) still stops the node.

use crate::directory::Directory;
use crate::ground::Ground;
use crate::{Error, limits};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Notify;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_data::{
    DataGroup, DataMachine, DataNode, Failures, MaintenancePolicy, Pressure, Routes, Source, Space,
    Surroundings, Throttle, WriteLimits, checkpointed_shards, maintain,
};
use vecraft_log_store::LogHealth;
use vecraft_raft_host::{Birth, GroupSpec, Host, Mark};
use vecraft_rpc::files::FilesElsewhere;
use vecraft_runtime::tasks::TaskKind;
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// What every group of the role is given.
struct Role<'a> {
    host: &'a Host,
    directory: &'a Directory,
    ground: &'a Ground,
    data: DataNode,
    routes: Arc<Routes>,
    views: Arc<ViewRegistry>,
    around: Surroundings,
    growing: GrowingOptions,
    policy: MaintenancePolicy,
}

/// What the role shares with others.
pub struct Seams {
    /// Read by the query role.
    pub views: Arc<ViewRegistry>,
    /// Waited for by the index role.
    pub segments_changed: Arc<Notify>,
    /// Of the other nodes.
    pub files: Arc<dyn FilesElsewhere>,
}

/// Restores and starts this node's replicas of the pool groups; those that cannot serve are out of service.
pub async fn start(
    host: &Host,
    directory: &Directory,
    config: &Config,
    ground: &Ground,
    metastore: &Metastore,
    seams: Seams,
) -> Result<DataNode, Error> {
    let Seams { views, segments_changed, files } = seams;
    let routes = Arc::new(Routes::default());
    let memory_bytes_max = match config.data.memory_limit_bytes {
        0 => limits::memory_bytes() / 2,
        bytes => bytes,
    };
    let write_limits = WriteLimits {
        in_flight_bytes_max: config.data.inflight_bytes_max as usize,
        memory_bytes_max,
        flush_seals_rows_min: config.index.autoindex_flat_rows_max,
    };
    let log = directory.log.clone();
    let space = Space { disk: directory.disk.clone(), is_log_stalled: Arc::new(move || log.is_stalled()) };
    let role = Role {
        host,
        directory,
        ground,
        data: DataNode::new(routes.clone(), views.clone(), write_limits, space),
        routes,
        views,
        around: Surroundings {
            disk: directory.disk.clone(),
            kv: directory.kv.clone(),
            clock: ground.clock.clone(),
            io: ground.io.clone(),
            segments_changed,
            source: Source { files, throttle: Arc::new(Throttle::new(config.data.fetch_bytes_per_s)) },
        },
        growing: GrowingOptions { chunk_bytes_max: config.data.chunk_bytes as usize, ..Default::default() },
        policy: MaintenancePolicy {
            segment_bytes_max: config.data.segment_bytes_max,
            segment_age_max: config.data.segment_age_max(),
            seal_rows_min: config.index.autoindex_flat_rows_max as u32,
            groups: config.data.groups_per_node,
            checkpoint_bytes: config.data.checkpoint_bytes,
            checkpoint_interval: config.data.checkpoint_interval(),
        },
    };
    let identity = directory.identity();
    for (group, replica, members) in own_replicas(metastore, identity.node) {
        match role.start_group(group, replica, members).await {
            Ok(running) => role.keep(running),
            // Nothing was acknowledged before every group was formed: then a failure is the start's.
            Err(error) if is_of_the_node(&error) || identity.is_forming() => return Err(error),
            Err(error) => {
                let shards = checkpointed_shards(directory.kv.as_ref(), group)?;
                role.data.take_out(group, shards, error.to_string());
            }
        }
    }
    Ok(role.data)
}

/// Failures that no group can be blamed for.
fn is_of_the_node(error: &Error) -> bool {
    use vecraft_storage::Error as Storage;
    matches!(error, Error::Data(vecraft_data::Error::Storage(Storage::Kv { .. })) | Error::Log(_))
}

impl Role<'_> {
    async fn start_group(
        &self,
        group: GroupId,
        replica: ReplicaId,
        members: BTreeMap<ReplicaId, NodeId>,
    ) -> Result<Arc<DataGroup>, Error> {
        let failures = Failures::load(self.around.kv.clone(), group)?;
        if let Some(why) = failures.quarantine() {
            return Err(Error::Other { what: "quarantined", why });
        }
        let (disk, kv, growing) = (self.around.disk.clone(), self.around.kv.clone(), self.growing);
        let (routes, views) = (self.routes.clone(), self.views.clone());
        let restoring = move || vecraft_data::restore(&disk, kv.as_ref(), group, routes, views, growing);
        let restored = self.ground.io.run(restoring).await;
        let (replica_state, mark) = restored.map_err(Error::other("restore a group"))??;
        let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose()?;
        let pressure = Arc::new(Pressure::default());
        let machine = DataMachine::new(replica_state, mark, pressure.clone(), failures, self.around.clone());
        let machine = Arc::new(Mutex::new(machine));
        let identity = self.directory.identity();
        let birth = if identity.is_forming() { Birth::Form(members) } else { Birth::Resume };
        let spec = GroupSpec { group, node: identity.node, replica, birth };
        let started = self.host.start_group(spec, machine.clone()).await;
        let raft = started.map_err(|error| match machine.lock().broken() {
            // Its own words say more than Raft's "stopped".
            Some(why) => Error::Other { what: "replay of the log", why: why.to_owned() },
            None => error.into(),
        })?;
        Ok(Arc::new(DataGroup::new(raft, machine, pressure, self.around.clone())))
    }

    /// Serves a group, and takes it out when it ends by itself.
    fn keep(&self, running: Arc<DataGroup>) {
        let (group, ground) = (running.id(), self.ground);
        self.data.add_group(running.clone());
        let (ended, data) = (running.clone(), self.data.clone());
        let (stopping, log) = (ground.shutdown.clone(), self.directory.log.clone());
        ground.tasks.spawn(TaskKind::Replica, format!("group {group}"), async move {
            let why = ended.ended().await;
            if stopping.is_triggered() {
                return Ok(());
            }
            if let LogHealth::Failed { reason } = log.health() {
                // I7: after a failed sync nobody may go on before a restart.
                return Err(format!("the log failed: {reason}"));
            }
            data.take_out(group, [], why.unwrap_or_else(|| "its replica stopped, see the log".to_owned()));
            Ok(())
        });
        let work = maintain(running.clone(), self.policy, self.data.governor(), ground.shutdown.child());
        let data = self.data.clone();
        ground.tasks.spawn(TaskKind::Checkpoint, format!("group {group}"), async move {
            if let Err(error) = work.await {
                data.take_out(group, [], error.to_string());
                running.stop().await;
            }
            Ok::<(), Infallible>(())
        });
    }
}

/// The pool groups that the metastore wants here, with the replica id it allocated for this node (I1) and all members.
fn own_replicas(
    metastore: &Metastore,
    node: NodeId,
) -> Vec<(GroupId, ReplicaId, BTreeMap<ReplicaId, NodeId>)> {
    let root = metastore.root();
    let pool = root.groups.into_iter().filter(|(group, _)| *group != GroupId::META);
    pool.filter_map(|(group, row)| {
        let (own, _) = row.replicas.iter().find(|(_, at)| **at == node)?;
        Some((group, *own, row.replicas))
    })
    .collect()
}
