//! The groups of this node as the coordinator asks for them: group 0 and the pool's, once they are started.

use crate::fitness;
use async_trait::async_trait;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vecraft_coordinator::Metastore;
use vecraft_data::DataNode;
use vecraft_log_store::NodeLog;
use vecraft_raft_host::Group;
use vecraft_rpc::membership::{GroupChange, GroupHost, GroupReport, NodeReport};
use vecraft_types::{Code, Error, GroupId, NodeId, Result};

/// For one change of members.
const CHANGE_MAX: Duration = Duration::from_secs(15);
/// For handing over: the old leader may hear of the new one only when its disk answers again.
const LEAD_MAX: Duration = Duration::from_secs(2);
/// For the proof that this node leads.
const PROOF_MAX: Duration = Duration::from_secs(5);

/// See the [module](self).
pub struct LocalGroups {
    metastore: Metastore,
    log: NodeLog,
    data: OnceLock<DataNode>,
    is_stopping: AtomicBool,
}

impl LocalGroups {
    pub fn new(metastore: Metastore, log: NodeLog) -> LocalGroups {
        LocalGroups { metastore, log, data: OnceLock::new(), is_stopping: AtomicBool::new(false) }
    }

    /// The pool's groups are there.
    pub fn started(&self, data: DataNode) {
        // Called once a start.
        let _ = self.data.set(data);
    }

    /// Every group with a replica here.
    pub fn all(&self) -> Vec<Group> {
        let meta = self.metastore.group().cloned();
        meta.into_iter().chain(self.data.get().map(DataNode::rafts).unwrap_or_default()).collect()
    }

    /// Leads nothing more, as far as others can: what it leads goes to them now. Returns how many groups went.
    pub async fn hand_over(&self) -> usize {
        self.is_stopping.store(true, Ordering::Relaxed);
        fitness::hand_over(self.all()).await
    }

    fn group(&self, id: GroupId) -> Result<Group> {
        let found = match id {
            GroupId::META => self.metastore.group().cloned(),
            id => self.data.get().and_then(|data| data.raft(id)),
        };
        let missing =
            || Error::new(Code::ReplicaUnavailable, "the group is not on this node").with("group", id);
        found.ok_or_else(missing)
    }
}

#[async_trait]
impl GroupHost for LocalGroups {
    async fn report(&self) -> Result<NodeReport> {
        let stopping = self.is_stopping.load(Ordering::Relaxed).then(|| "it stops".to_owned());
        Ok(NodeReport {
            leads: self.all().iter().filter_map(Group::report).collect(),
            unfit: stopping.or_else(|| fitness::unfit(&self.log)),
            unfit_in: self.data.get().map(DataNode::damaged_groups).unwrap_or_default(),
            out_of_service: self.data.get().map(DataNode::lost_replicas).unwrap_or_default(),
        })
    }

    async fn led(&self, id: GroupId) -> Result<GroupReport> {
        let group = self.group(id)?;
        let late = |_| Error::new(Code::Deadline, "no majority confirms this leader").with("group", id);
        // Before the look: what it shows then was not undone before the question.
        tokio::time::timeout(PROOF_MAX, group.read_index()).await.map_err(late)??;
        let led_elsewhere =
            || Error::new(Code::ReplicaUnavailable, "this node does not lead the group").with("group", id);
        group.report().ok_or_else(led_elsewhere)
    }

    async fn leader(&self, id: GroupId) -> Result<Option<NodeId>> {
        Ok(self.group(id)?.leader().map(|leader| leader.node))
    }

    async fn change(&self, id: GroupId, guard: Vec<u8>, change: GroupChange) -> Result<()> {
        let group = self.group(id)?;
        // A task of its own: a caller that goes away leaves no change half done.
        if matches!(change, GroupChange::Lead(_)) && self.is_stopping.load(Ordering::Relaxed) {
            // Two heirs would take each other's votes.
            return Err(Error::new(Code::ReplicaUnavailable, "the node stops and hands over itself")
                .with("group", id));
        }
        let deadline = if matches!(change, GroupChange::Lead(_)) { LEAD_MAX } else { CHANGE_MAX };
        let changing = tokio::spawn(async move { group.change(&guard, change, deadline).await });
        changing.await.map_err(|e| Error::internal(e.to_string()))?.map_err(Error::from)
    }
}
