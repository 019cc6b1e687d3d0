//! Which node answers: the services between roles, each handed to the node that can serve it.
//!
//! ```text
//!  writes, DDL   the leader, as this node's own replica of the group knows it; no leader known: "unavailable", and the
//!                proxy's deadline asks again
//!  reads         this node's replica first (no network), then the other replicas, the leader among them: one that lags or
//!                is out of service is passed over, and beside one that does not answer the next is asked. A
//!                collection loaded with fewer replicas is read at those first, at the others when none of those can
//! ```
//! What this module does *not* do: it retries nothing and keeps no table of its own. Where things are is asked of
//! [`Topology`] at each call, which is memory only.

mod catalogue;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use crate::refusal;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vecraft_rpc::services::Topology;
use vecraft_types::{Code, Error, GroupId, NodeId, Result, ShardId};

pub use catalogue::{CatalogueRouter, ClusterRouter};
pub use reader::ReadRouter;
pub use writer::{AdminRouter, WriteRouter};

/// A leader that has not answered for this long may have been deposed without knowing it.
const SILENT: Duration = Duration::from_millis(500);
/// Between looks at who leads.
const LOOK: Duration = Duration::from_millis(50);

/// One service of every node: the own role, and remote ones.
#[derive(Clone)]
pub struct Everywhere<S: ?Sized> {
    topology: Arc<dyn Topology>,
    local: Arc<S>,
    remote: Arc<dyn Fn(NodeId) -> Arc<S> + Send + Sync>,
    hops: Arc<Hops>,
}

/// How often a service was asked on this node, and on others.
#[derive(Debug, Default)]
pub struct Hops {
    here: AtomicU64,
    elsewhere: AtomicU64,
}

impl Hops {
    /// Calls answered by this node's own role.
    pub fn here(&self) -> u64 {
        self.here.load(Ordering::Relaxed)
    }

    /// Calls handed to another node.
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere.load(Ordering::Relaxed)
    }
}

impl<S: ?Sized> Everywhere<S> {
    /// `local` is this node's role; `remote` gives the same service of another node.
    pub fn new(
        topology: Arc<dyn Topology>,
        local: Arc<S>,
        remote: impl Fn(NodeId) -> Arc<S> + Send + Sync + 'static,
    ) -> Everywhere<S> {
        Everywhere { topology, local, remote: Arc::new(remote), hops: Arc::default() }
    }

    /// The same, counting its calls here.
    pub fn counting(self, hops: Arc<Hops>) -> Everywhere<S> {
        Everywhere { hops, ..self }
    }

    /// The service on a node.
    fn on(&self, node: NodeId) -> Arc<S> {
        let is_own = node == self.topology.own();
        let count = if is_own { &self.hops.here } else { &self.hops.elsewhere };
        count.fetch_add(1, Ordering::Relaxed);
        if is_own { self.local.clone() } else { (self.remote)(node) }
    }

    fn group_of(&self, shard: ShardId) -> Result<GroupId> {
        let unknown = || Error::unknown_shard("no group is known for the shard", shard);
        self.topology.group_of(shard).ok_or_else(unknown)
    }

    /// The service on the group's leader.
    fn at_leader(&self, group: GroupId) -> Result<Arc<S>> {
        let nobody =
            || Error::new(Code::ReplicaUnavailable, "the group has no leader now").with("group", group);
        // The only holder answers for itself, if only with the reason why it cannot serve.
        let alone = || Some(self.topology.own()).filter(|own| self.topology.nodes_of(group) == [*own]);
        self.topology.leader_of(group).or_else(alone).map(|node| self.on(node)).ok_or_else(nobody)
    }

    /// Asks the group's leader; a refusal for lack of an answer names the group.
    async fn on_leader<T, F>(&self, group: GroupId, ask: impl FnOnce(Arc<S>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        ask(self.at_leader(group)?).await.map_err(|error| refusal::of_group(error, group))
    }

    /// Asks the group's leader. One that gives no answer, because its disk hangs or nobody hears it any more, is given up
    /// as soon as another is known to lead: for questions that may be asked twice (I10).
    async fn ask_leader<T, F>(&self, group: GroupId, ask: impl FnOnce(Arc<S>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let leader = self.topology.leader_of(group);
        let is_deposed = async {
            tokio::time::sleep(SILENT).await;
            while self.topology.leader_of(group).is_none_or(|now| Some(now) == leader) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            answer = self.on_leader(group, ask) => answer,
            () = is_deposed => {
                let text = "the leader gave no answer, and another leads now";
                Err(Error::new(Code::ReplicaUnavailable, text).with("group", group).unanswered())
            }
        }
    }

    /// The nodes with a replica, in the order a read asks them: this one, others, the leader last but never left out.
    /// Where fewer replicas are to serve than there are, the others come after all of those.
    fn readers_of(&self, shard: ShardId, group: GroupId) -> Vec<NodeId> {
        let (own, leader) = (self.topology.own(), self.topology.leader_of(group));
        let serving = serving(self.topology.as_ref(), shard, group);
        let rank = |node: &NodeId| (!serving.contains(node), *node != own, Some(*node) == leader);
        let mut nodes: Vec<NodeId> = self.topology.nodes_of(group);
        nodes.sort_by_key(rank);
        nodes
    }
}

/// The nodes whose replicas answer reads of a shard: as many as the collection was loaded with. Every node chooses the
/// same of the same, and for each collection others, so that the work is spread.
pub(crate) fn serving(topology: &dyn Topology, shard: ShardId, group: GroupId) -> Vec<NodeId> {
    let mut nodes = topology.nodes_of(group);
    nodes.sort_unstable();
    if let Some(wanted) = topology.replicas_of(shard) {
        nodes.sort_by_key(|node| mixed(shard.collection.0, node.0));
        nodes.truncate(wanted.max(1));
        nodes.sort_unstable();
    }
    nodes
}

/// A number that looks random, the same everywhere (the mixing step of splitmix64).
fn mixed(collection: u64, node: u64) -> u64 {
    let mut x = collection.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ node.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// True when another replica may do better.
fn is_elsewhere(error: &Error) -> bool {
    matches!(
        error.code,
        Code::NotReady
            | Code::Unavailable
            | Code::ReplicaUnavailable
            | Code::Io
            | Code::RateLimited
            | Code::Deadline
    )
}

/// Refusals of several replicas in one: the last one's words, with the others' behind.
fn all_refused(shard: ShardId, group: GroupId, refusals: BTreeMap<NodeId, Error>) -> Error {
    let mut told: Vec<String> =
        refusals.iter().map(|(node, error)| format!("node {node}: {error}")).collect();
    told.sort();
    // Worth asking again as long as one of them may come back.
    let all = |code: Code| !refusals.is_empty() && refusals.values().all(|error| error.code == code);
    let code =
        [Code::Io, Code::Deadline].into_iter().find(|code| all(*code)).unwrap_or(Code::ReplicaUnavailable);
    let text = if told.is_empty() { "no node has a replica".to_owned() } else { told.join("; ") };
    let is_unknown = !refusals.is_empty() && refusals.values().all(Error::is_unknown_shard);
    let error = if is_unknown { Error::unknown_shard(text, shard) } else { Error::new(code, text) };
    error.with("group", group)
}
