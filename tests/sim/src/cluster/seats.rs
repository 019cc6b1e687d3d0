//! Who serves right now, as clients and the fate find them.

use crate::power::Fuse;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_data::DataNode;
use vecraft_log_store::GroupLog;
use vecraft_raft_host::Group;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::ViewRegistry;
use vecraft_types::{LogPosition, ReplicaId};

/// A process that serves.
#[derive(Clone)]
pub struct Front {
    /// Its node.
    pub node: u64,
    /// Its services.
    pub data: DataNode,
    /// Its replica.
    pub group: Group,
    /// What readers get.
    pub views: Arc<ViewRegistry>,
    /// Triggered when it dies.
    pub died: Shutdown,
    /// Blown when it is dead.
    pub fuse: Fuse,
}

impl Front {
    /// The answer to a question; none when the process dies first, or has died and nobody noticed yet.
    pub async fn answer<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.died.unless_triggered(work).await.filter(|_| !self.fuse.is_blown())
    }
}

/// The log of a replica, for counting majorities.
enum Holder {
    Live(GroupLog),
    /// Its process is dead, its log ended there.
    Dead(u64),
}

/// Everybody. Clones are the same.
#[derive(Clone, Default)]
pub struct Seats {
    fronts: Arc<Mutex<BTreeMap<u64, Front>>>,
    logs: Arc<Mutex<BTreeMap<ReplicaId, Holder>>>,
}

impl Seats {
    /// A process serves from now on.
    pub fn take(&self, front: Front, log: GroupLog) {
        self.logs.lock().insert(front.group.replica(), Holder::Live(log));
        self.fronts.lock().insert(front.node, front);
    }

    /// It is dead.
    pub fn leave(&self, node: u64, replica: ReplicaId) {
        if let Some(front) = self.fronts.lock().remove(&node) {
            front.died.trigger("the process is dead");
        }
        if let Some(holder) = self.logs.lock().get_mut(&replica) {
            *holder = Holder::Dead(holder.last());
        }
    }

    /// All, by node.
    pub fn all(&self) -> Vec<Front> {
        self.fronts.lock().values().cloned().collect()
    }

    /// One.
    pub fn of(&self, node: u64) -> Option<Front> {
        self.fronts.lock().get(&node).cloned()
    }

    /// Those that believe they lead.
    pub fn leaders(&self) -> Vec<Front> {
        self.all().into_iter().filter(|front| front.group.is_leader()).collect()
    }

    /// Where a replica's log ends, or ended when its process died.
    pub fn log_end(&self, replica: ReplicaId) -> u64 {
        self.logs.lock().get(&replica).map_or(0, Holder::last)
    }

    /// How many of the voters that `front` knows have the entry in their logs, and how many voters there are. A change of
    /// members under way counts as all of them: it needs two majorities.
    pub fn holders(&self, front: &Front, position: LogPosition) -> (usize, usize) {
        let members = front.group.members();
        let voters = members.voters.len();
        if members.is_joint {
            return (voters, voters);
        }
        let logs = self.logs.lock();
        let has = |replica: &&ReplicaId| logs.get(replica).is_some_and(|log| log.last() >= position.0);
        (members.voters.keys().filter(has).count(), voters)
    }
}

impl Holder {
    fn last(&self) -> u64 {
        match self {
            Holder::Live(log) => log.recovered().ok().and_then(|log| log.last).map_or(0, |last| last.index),
            Holder::Dead(last) => *last,
        }
    }
}
