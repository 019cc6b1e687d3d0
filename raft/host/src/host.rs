//! Starting groups.

use crate::group::{Group, Raft};
use crate::inequality;
use crate::lone_network::LoneNetwork;
use crate::state_machine::Driver;
use crate::{Error, Machine};
use openraft::{Config, SnapshotPolicy};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_log_store::{NodeLog, Peer};
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

/// How long a group may take to have everything applied that it had before a restart.
const RECOVERY_WAIT: Duration = Duration::from_secs(600);

/// Starts groups on this node's log.
pub struct Host {
    log: NodeLog,
    config: Arc<Config>,
}

/// Which group to start, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct GroupSpec {
    /// The group.
    pub group: GroupId,
    /// This node.
    pub node: NodeId,
    /// This replica's id, allocated once and never reused (I1).
    pub replica: ReplicaId,
    /// Form the group with this replica as its only voter if it has no state yet. Only ever true on the first
    /// start of an empty directory (I1).
    pub bootstrap: bool,
}

impl Host {
    /// A host over the node's log.
    ///
    /// # Errors
    /// [`Error::Stopped`] when openraft refuses our settings, a bug.
    pub fn new(log: NodeLog) -> Result<Host, Error> {
        let config = Config {
            cluster_name: "vecraft".to_owned(),
            // With one voter nobody listens to heartbeats and nobody else can be elected: long intervals keep an
            // idle node asleep (P11), and a start triggers its election itself. A cluster needs shorter ones.
            heartbeat_interval: 1_000,
            election_timeout_min: 3_000,
            election_timeout_max: 6_000,
            enable_pre_vote: Some(true),
            // I4: snapshots and purges are ours alone to trigger.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            max_payload_entries: 64,
            ..Config::default()
        };
        let config =
            config.validate().map_err(|e| Error::Stopped { group: GroupId::META, reason: e.to_string() })?;
        Ok(Host { log, config: Arc::new(config) })
    }

    /// Starts a group and waits until its machine has everything it had before the last stop (I3).
    ///
    /// # Errors
    /// [`Error::Stopped`] with the reason: unreadable log, failed machine, or no recovery in ten minutes.
    pub async fn start_group<M: Machine>(
        &self,
        spec: GroupSpec,
        machine: Arc<Mutex<M>>,
    ) -> Result<Group, Error> {
        let group = spec.group;
        let stopped = |reason: String| Error::Stopped { group, reason };
        let log = self.log.group(group, spec.replica);
        inequality::check(&log, machine.lock().checkpoint().as_ref())?;
        let (publish, published) = watch::channel(LogPosition(0));
        let checkpoint = Arc::new(Mutex::new(None));
        let driver = Driver::new(group, machine, checkpoint.clone(), publish);
        let raft: Raft<M> =
            openraft::Raft::new(spec.replica.0, self.config.clone(), LoneNetwork, log, driver)
                .await
                .map_err(|e| stopped(e.to_string()))?;
        let is_formed = raft.is_initialized().await.map_err(|e| stopped(e.to_string()))?;
        match (is_formed, spec.bootstrap) {
            (false, true) => raft
                .initialize(BTreeMap::from([(spec.replica.0, Peer { node: spec.node.0 })]))
                .await
                .map_err(|e| stopped(e.to_string()))?,
            (false, false) => {
                return Err(stopped("it has no state here and may not be formed anew (I1)".into()));
            }
            // A lone voter need not sit out an election timeout.
            (true, _) => raft.trigger().elect(false).await.map_err(|e| stopped(e.to_string()))?,
        }
        raft.wait_for_recovery(Some(RECOVERY_WAIT)).await.map_err(|e| stopped(e.to_string()))?;
        Ok(Group::new(group, raft, published, checkpoint))
    }

    /// The log below all groups.
    pub fn log(&self) -> &NodeLog {
        &self.log
    }
}
