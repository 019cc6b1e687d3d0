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
//!       ──the disk is full ────> out of service until it has room (P6): the keeper begins it again
//! ```
//! I24: a group that leaves service takes its shards with it and nothing else; its files, checkpoint and log stay. What
//! concerns the whole node (the store, the log) still stops the node. Replicas that are wanted here later, or no more, are
//! the [keeper's](crate::keeper).

use crate::directory::Directory;
use crate::ground::Ground;
use crate::member_record;
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
    Surroundings, Throttle, WriteLimits, checkpointed_shards, maintain, remove_strays,
};
use vecraft_log_store::{LogHealth, NodeLog};
use vecraft_raft_host::{Birth, GroupSpec, Host, Mark};
use vecraft_rpc::files::FilesElsewhere;
use vecraft_rpc::services::DroppedCollections;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::TaskKind;
use vecraft_segment::{GrowingOptions, ViewRegistry};
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// What every group of the role is given.
pub struct Role {
    host: Arc<Host>,
    log: NodeLog,
    pub(crate) node: NodeId,
    is_forming: bool,
    ground: Ground,
    pub(crate) data: DataNode,
    /// Stops what watches over a group that runs here.
    watched: Mutex<BTreeMap<GroupId, Shutdown>>,
    routes: Arc<Routes>,
    views: Arc<ViewRegistry>,
    around: Surroundings,
    growing: GrowingOptions,
    policy: MaintenancePolicy,
    catalogue: Arc<dyn DroppedCollections>,
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
    host: Arc<Host>,
    directory: &Directory,
    config: &Config,
    ground: &Ground,
    metastore: &Metastore,
    seams: Seams,
) -> Result<Arc<Role>, Error> {
    let Seams { views, segments_changed, files } = seams;
    let routes = Arc::new(Routes::default());
    let memory_bytes_max = match config.data.memory_limit_bytes {
        0 => limits::memory_for_data(limits::memory_bytes()),
        bytes => bytes,
    };
    let write_limits = WriteLimits {
        in_flight_bytes_max: config.data.inflight_bytes_max as usize,
        memory_bytes_max,
        flush_seals_rows_min: config.index.autoindex_flat_rows_max,
    };
    let identity = directory.identity();
    let log = directory.log.clone();
    let space = Space { disk: directory.disk.clone(), is_log_stalled: Arc::new(move || log.is_stalled()) };
    let role = Arc::new(Role {
        host,
        log: directory.log.clone(),
        node: identity.node,
        is_forming: identity.is_forming(),
        ground: ground.clone(),
        watched: Mutex::default(),
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
            checkpoint_bytes: config.data.checkpoint_bytes,
            checkpoint_interval: config.data.checkpoint_interval(),
            compaction: limits::compaction_policy(
                config.data.compaction_bytes_max,
                config.data.compaction_deleted_percent as u32,
                memory_bytes_max,
            ),
        },
        catalogue: Arc::new(metastore.clone()),
    });
    let (wanted, formed_below) = wanted_here(metastore, identity.node);
    let here = member_record::pool_replicas(role.around.kv.as_ref())?;
    for (group, (replica, members)) in wanted {
        // Another replica's records are here: the keeper removes those first.
        if here.get(&group).is_some_and(|other| *other != replica) {
            continue;
        }
        let birth = if replica >= formed_below {
            Birth::Join
        } else if identity.is_forming() {
            Birth::Form(members)
        } else {
            Birth::Resume
        };
        role.begin(group, replica, birth).await?;
    }
    Ok(role)
}

/// Failures that no group can be blamed for.
fn is_of_the_node(error: &Error) -> bool {
    use vecraft_storage::Error as Storage;
    matches!(error, Error::Data(vecraft_data::Error::Storage(Storage::Kv { .. })) | Error::Log(_))
}

impl Role {
    /// Starts a replica, or takes its group out of service here with the reason.
    ///
    /// # Errors
    /// What concerns the whole node; while the cluster forms, anything: nothing was acknowledged yet.
    pub async fn begin(&self, group: GroupId, replica: ReplicaId, birth: Birth) -> Result<(), Error> {
        member_record::begin_pool_replica(self.around.kv.as_ref(), group, replica)?;
        match self.start_group(group, replica, birth).await {
            Ok(running) => self.keep(running),
            Err(error) if is_of_the_node(&error) || self.is_forming => return Err(error),
            Err(error) => {
                let shards = checkpointed_shards(self.around.kv.as_ref(), group)?;
                let lacks_room = matches!(&error, Error::Data(error) if error.is_no_room());
                match lacks_room {
                    true => self.data.take_out_for_now(group, shards, error.to_string()),
                    false => self.data.take_out(group, shards, error.to_string()),
                }
            }
        }
        Ok(())
    }

    /// Stops a replica that its group has let go of, and removes all of it. Done again without harm.
    ///
    /// # Errors
    /// Storage errors, an unwritable log: try again.
    pub async fn end(&self, group: GroupId, replica: ReplicaId) -> Result<(), Error> {
        if let Some(watched) = self.watched.lock().remove(&group) {
            watched.trigger("the group has let this replica go");
        }
        let running = self.data.groups().into_iter().find(|running| running.id() == group);
        if let Some(running) = running {
            running.retire().await;
        }
        self.data.let_go(group);
        // I6: durable before anything else of it goes.
        self.log.remove_group(group, replica).await?;
        let (disk, kv) = (self.around.disk.clone(), self.around.kv.clone());
        let erasing = move || vecraft_data::erase(disk.as_ref(), kv.as_ref(), group);
        self.ground.io.run(erasing).await.map_err(Error::other("remove a replica"))??;
        member_record::end_pool_replica(self.around.kv.as_ref(), group)?;
        tracing::info!(%group, %replica, "a replica was let go and is removed");
        Ok(())
    }

    /// The replicas of which there is something here.
    ///
    /// # Errors
    /// Storage errors.
    pub fn here(&self) -> Result<BTreeMap<GroupId, ReplicaId>, Error> {
        member_record::pool_replicas(self.around.kv.as_ref())
    }

    async fn start_group(
        &self,
        group: GroupId,
        replica: ReplicaId,
        birth: Birth,
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
        let spec = GroupSpec { group, node: self.node, replica, birth };
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
        let (group, ground) = (running.id(), &self.ground);
        self.data.add_group(running.clone());
        let (ended, data) = (running.clone(), self.data.clone());
        let (stopping, log) = (ground.shutdown.child(), self.log.clone());
        self.watched.lock().insert(group, stopping.clone());
        ground.tasks.spawn(TaskKind::Replica, format!("group {group}"), async move {
            let why = ended.ended().await;
            if stopping.is_triggered() {
                return Ok(());
            }
            if let LogHealth::Failed { reason } = log.health() {
                // I7: after a failed sync nobody may go on before a restart.
                return Err(format!("the log failed: {reason}"));
            }
            let why = why.unwrap_or_else(|| "its replica stopped, see the log".to_owned());
            if ended.lacks_room() {
                // The keeper begins it again (P6): nothing of this one may write then, nor take the next one out.
                stopping.trigger("the disk is full");
                ended.retire().await;
                data.take_out_for_now(group, [], why);
            } else {
                data.take_out(group, [], why);
            }
            Ok(())
        });
        let (let_go, data) = (self.watched.lock().get(&group).cloned(), self.data.clone());
        let let_go = let_go.unwrap_or_else(|| ground.shutdown.child());
        let (told, stop) = (self.around.segments_changed.clone(), let_go.clone());
        let telling = running.clone().tell_standing(told);
        ground.tasks.spawn(TaskKind::Watch, format!("leader of group {group}"), async move {
            let _ = stop.unless_triggered(telling).await;
            Ok::<(), Infallible>(())
        });
        let strays = remove_strays(running.clone(), self.catalogue.clone(), let_go.clone());
        ground.tasks.spawn(TaskKind::CleanUp, format!("strays of group {group}"), strays);
        let work = maintain(running.clone(), self.policy, self.data.governor(), let_go.clone());
        ground.tasks.spawn(TaskKind::Checkpoint, format!("group {group}"), async move {
            if let Err(error) = work.await
                && !let_go.is_triggered()
                && !running.lacks_room()
            {
                data.take_out(group, [], error.to_string());
                running.stop().await;
            }
            Ok::<(), Infallible>(())
        });
    }
}

/// Groups with the replica id of this node and all replicas.
type Wanted = BTreeMap<GroupId, (ReplicaId, BTreeMap<ReplicaId, NodeId>)>;

/// The pool groups that the metastore wants here, with the replica id it allocated for this node (I1) and all members;
/// and the id below which replicas were made with the cluster.
pub fn wanted_here(metastore: &Metastore, node: NodeId) -> (Wanted, ReplicaId) {
    metastore.read(|state| {
        let pool = state.root().groups.iter().filter(|(group, _)| **group != GroupId::META);
        let wanted = pool.filter_map(|(group, row)| {
            let (own, _) = row.replicas.iter().find(|(_, at)| **at == node)?;
            Some((*group, (*own, row.replicas.clone())))
        });
        (wanted.collect(), state.placement().formed_below)
    })
}
