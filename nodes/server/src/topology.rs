//! Where groups and leaders are: from what this node has anyway, its catalogue and its own replicas; and for groups
//! without a replica here, or while this node's disk hangs, from what other nodes that have one say.
//!
//! The latter is remembered for a moment and asked again in the background, so that no call waits for it: one that finds
//! nothing known yet hears "no leader", and its caller asks again within its deadline.

use crate::fitness;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_coordinator::placement::Hosts;
use vecraft_coordinator::{LocalCatalogue, Metastore};
use vecraft_data::DataNode;
use vecraft_log_store::NodeLog;
use vecraft_rpc::peer::Peers;
use vecraft_rpc::services::{Catalogue, Topology};
use vecraft_runtime::clock::Clock;
use vecraft_types::{GroupId, NodeId, ShardId};

/// How old a hint may be before it is asked for again; it is used meanwhile.
const FRESH: Duration = Duration::from_secs(1);
/// After an answer that named nobody.
const AGAIN: Duration = Duration::from_millis(50);

/// See the [module](self). Clones are the same.
#[derive(Clone)]
pub struct NodeTopology {
    inner: Arc<Inner>,
}

struct Inner {
    own: NodeId,
    metastore: Metastore,
    catalogue: LocalCatalogue,
    data: DataNode,
    log: NodeLog,
    hosts: Hosts,
    clock: Arc<dyn Clock>,
    /// None on a node that others may not reach.
    peers: Option<Arc<Peers>>,
    hints: Mutex<BTreeMap<GroupId, Hint>>,
}

/// Who leads a group that is not here, as others said.
#[derive(Clone, Copy, Default)]
struct Hint {
    leader: Option<NodeId>,
    asked: Duration,
    is_asking: bool,
}

impl NodeTopology {
    pub fn new(
        own: NodeId,
        metastore: Metastore,
        data: DataNode,
        log: NodeLog,
        hosts: Hosts,
        clock: Arc<dyn Clock>,
        peers: Option<Arc<Peers>>,
    ) -> NodeTopology {
        let (catalogue, hints) = (metastore.catalogue(), Mutex::default());
        NodeTopology {
            inner: Arc::new(Inner { own, metastore, catalogue, data, log, hosts, clock, peers, hints }),
        }
    }

    /// What others said, and another question when that is old.
    fn hint(&self, group: GroupId) -> Option<NodeId> {
        let now = self.inner.clock.monotonic();
        let mut hints = self.inner.hints.lock();
        let known = hints.get(&group).copied();
        let hint = hints.entry(group).or_default();
        let age = now.saturating_sub(hint.asked);
        let is_old = age >= if hint.leader.is_some() { FRESH } else { AGAIN };
        if !hint.is_asking && (known.is_none() || is_old) {
            hint.is_asking = true;
            let topology = self.clone();
            tokio::spawn(async move { topology.ask(group).await });
        }
        hint.leader
    }

    async fn ask(&self, group: GroupId) {
        let mut leader = None;
        for node in self.holders(group).into_iter().filter(|node| *node != self.inner.own) {
            if let Ok(Some(found)) = (self.inner.hosts)(node).leader(group).await {
                leader = Some(found);
                break;
            }
        }
        let asked = self.inner.clock.monotonic();
        self.inner.hints.lock().insert(group, Hint { leader, asked, is_asking: false });
    }

    fn holders(&self, group: GroupId) -> Vec<NodeId> {
        self.inner.metastore.read(|state| {
            let row = state.root().groups.get(&group);
            row.map(|row| row.replicas.values().copied().collect()).unwrap_or_default()
        })
    }
}

impl Topology for NodeTopology {
    fn own(&self) -> NodeId {
        self.inner.own
    }

    fn group_of(&self, shard: ShardId) -> Option<GroupId> {
        let placed = |shards: &[vecraft_types::ShardPlacement]| {
            shards.iter().find(|placed| placed.shard == shard).map(|placed| placed.group)
        };
        match self.inner.catalogue.by_id(shard.collection) {
            Some(row) => placed(&row.shards),
            // Not shown yet, or any more: the metastore has every phase.
            None => self.inner.metastore.read(|state| placed(&state.collection(shard.collection)?.shards)),
        }
    }

    fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        let known_here = || match group {
            GroupId::META => self.inner.metastore.leader(),
            group => self.inner.data.leader_of(group),
        };
        match group {
            // A replica that waits for its disk does not hear that another was elected (I7).
            group if fitness::unfit(&self.inner.log).is_some() => self.hint(group).or_else(known_here),
            GroupId::META => known_here(),
            // A replica that is no member any more may name whom it heard last.
            group if self.inner.data.votes_in(group) => known_here(),
            group => self.hint(group).or_else(known_here),
        }
    }

    /// Also those whose replica has just been made and may lack nearly everything: it refuses reads itself until it has
    /// caught up, and the next one is asked.
    fn nodes_of(&self, group: GroupId) -> Vec<NodeId> {
        self.holders(group)
    }

    fn replicas_of(&self, shard: ShardId) -> Option<usize> {
        self.inner.catalogue.by_id(shard.collection)?.replicas()
    }
    fn out_of_reach(&self) -> Vec<NodeId> {
        self.inner.peers.as_ref().map(|peers| peers.out_of_reach()).unwrap_or_default()
    }
}
