//! The state and the one function that changes it.

use super::collections::Groups;
use super::{MetaChange, MetaCommand, MetaOutcome, MetaReply, MetaRequests, Placement};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use vecraft_types::{
    Code, CollectionDescriptor, CollectionId, DdlPhase, Error, GroupId, NodeId, PartitionId, ReplicaId,
    Result, Timestamp,
};

/// 128 random bits, drawn once at bootstrap and written everywhere (I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// As in `cluster.toml`; starts at 1.
    pub id: NodeId,
    /// `host:port` of its node-to-node door; empty while it has none.
    pub address: String,
}

/// A group and where its replicas live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its replicas.
    pub replicas: BTreeMap<ReplicaId, NodeId>,
    /// Shards of collections that are not gone; placement balances by it.
    pub shards: u32,
}

/// The next id of each kind. They only grow: no id is given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Next collection.
    pub collection: u64,
    /// Next partition, over all collections.
    pub partition: u64,
    /// Next index, over all collections.
    pub index: u64,
    /// Next pool group.
    pub group: u64,
    /// Next replica, over all groups (I1).
    pub replica: u64,
    /// Lowest row id not given yet.
    pub row: u64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { collection: 1, partition: 1, index: 1, group: 1, replica: 1, row: 1 }
    }
}

/// Everything but the collections: small, written whole with each checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaRoot {
    /// None until [`MetaChange::Bootstrap`].
    pub cluster: Option<ClusterId>,
    /// Timestamp of the last entry (I9).
    pub last: Timestamp,
    /// The next ids.
    pub next: Counters,
    /// The nodes.
    pub nodes: BTreeMap<NodeId, NodeRow>,
    /// Group 0 and the pool.
    pub groups: BTreeMap<GroupId, GroupRow>,
    /// Partitions out of their descriptor whose rows may still be in shards.
    pub dropping_partitions: BTreeMap<CollectionId, BTreeSet<PartitionId>>,
}

/// The catalogue. Cloning shares the descriptors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetaState {
    pub(super) root: MetaRoot,
    /// Every phase.
    pub(super) collections: BTreeMap<CollectionId, Arc<CollectionDescriptor>>,
    /// `Creating` and `Ready` ones.
    pub(super) names: BTreeMap<String, CollectionId>,
    /// Nodes and replicas as wanted.
    pub(super) placement: Placement,
    /// What the last named requests did (I10).
    pub(super) requests: MetaRequests,
    /// Ids that a lost history may have given ([`MetaState::unseen`]).
    pub(super) unseen: Unseen,
}

/// Ids of collections that were passed over when a majority was lost, from the key up to below the value.
pub type Unseen = BTreeMap<CollectionId, CollectionId>;

/// Suggestions above this (the year 2500 and more) are a broken clock; taking them would use up the range.
const SUGGESTED_MAX: Timestamp = Timestamp(1 << 62);

impl MetaState {
    /// Applies one committed command. Never fails: what is refused is a reply (I24).
    pub fn apply(&mut self, command: MetaCommand) -> MetaReply {
        let at = self.next_timestamp(command.suggested);
        let (collection, outcome) = self.change(at, command.change);
        MetaReply { timestamp: at, collection, outcome }
    }

    /// I9: log order is timestamp order, whatever the proposer's clock says.
    fn next_timestamp(&mut self, suggested: Timestamp) -> Timestamp {
        let after_last = Timestamp(self.root.last.0.saturating_add(1));
        let at = if suggested > SUGGESTED_MAX { after_last } else { suggested.max(after_last) };
        self.root.last = at;
        at
    }

    pub(super) fn change(
        &mut self,
        at: Timestamp,
        change: MetaChange,
    ) -> (Option<CollectionId>, Result<MetaOutcome>) {
        if let MetaChange::Bootstrap { cluster, node, pool_groups } = change {
            return (None, self.bootstrap(cluster, node, pool_groups));
        }
        if let MetaChange::Form { cluster, nodes, replication, pool_groups } = change {
            return (None, self.form(cluster, nodes, BTreeSet::new(), replication, pool_groups));
        }
        if let MetaChange::FormWithQueryOnly { cluster, nodes, query_only, replication, pool_groups } = change
        {
            return (None, self.form(cluster, nodes, query_only, replication, pool_groups));
        }
        if self.root.cluster.is_none() {
            return (None, Err(Error::new(Code::NotReady, "the metastore is not bootstrapped")));
        }
        match change {
            // Answered above.
            MetaChange::Bootstrap { .. } | MetaChange::Form { .. } | MetaChange::FormWithQueryOnly { .. } => {
                (None, Ok(MetaOutcome::Done))
            }
            MetaChange::RegisterNode(node) => (None, self.register_node(node)),
            MetaChange::AddPoolGroups { count, nodes } => (None, self.add_pool_groups(count, &nodes)),
            MetaChange::AllocateReplicaIds { count } => (None, self.allocate_replica_ids(count)),
            MetaChange::AllocateRowIds { count } => (None, self.allocate_row_ids(at, count)),
            MetaChange::CreateCollection { request, candidates } => {
                shown(self.create_collection(at, *request, Groups::Least(&candidates)))
            }
            MetaChange::CreateCollectionOn { request, groups } if groups.is_empty() => {
                shown(self.create_collection(at, *request, Groups::Least(&groups)))
            }
            MetaChange::CreateCollectionOn { request, groups } => {
                shown(self.create_collection(at, *request, Groups::InTurn(&groups)))
            }
            MetaChange::CollectionReady(id) => (Some(id), self.collection_ready(id)),
            MetaChange::DropCollection(id) => (Some(id), self.drop_collection(id)),
            MetaChange::CollectionGone(id) => (Some(id), self.collection_gone(id)),
            MetaChange::CreatePartition { collection, name } => {
                (Some(collection), self.create_partition(at, collection, &name))
            }
            MetaChange::DropPartition { collection, name } => {
                (Some(collection), self.drop_partition(collection, &name))
            }
            MetaChange::PartitionGone { collection, partition } => {
                (None, self.partition_gone(collection, partition))
            }
            MetaChange::CreateIndex { collection, field, name, index_type, metric, params } => {
                let wanted = super::indexes::Wanted { field, name, index_type, metric, params };
                (Some(collection), self.create_index(at, collection, wanted))
            }
            MetaChange::DropIndex { collection, field, name } => {
                (Some(collection), self.drop_index(collection, &field, &name))
            }
            MetaChange::SetLoaded { collection, loaded } => {
                (Some(collection), self.set_loaded(collection, loaded))
            }
            MetaChange::SetReplicas { collection, replicas } => {
                (Some(collection), self.set_replicas(collection, replicas))
            }
            MetaChange::ExpectNode(node) => (None, self.expect_node(node)),
            MetaChange::AdmitNode { node, directory, is_listed } => {
                (None, self.admit_node(node, directory, is_listed, false))
            }
            MetaChange::AdmitQueryOnly { node, directory, is_listed } => {
                (None, self.admit_node(node, directory, is_listed, true))
            }
            MetaChange::SetNode { node, state } => (None, self.set_node(node, state)),
            MetaChange::WithdrawNode { node } => (None, self.withdraw_node(node)),
            MetaChange::PlaceReplica { group, node, version } => {
                (None, self.place_replica(group, node, version))
            }
            MetaChange::UnplaceReplica { group, replica, version } => {
                (None, self.unplace_replica(group, replica, version))
            }
            MetaChange::SetReplication(replication) => (None, self.set_replication(replication)),
            MetaChange::Recover { cluster, survivor } => (None, self.recover(cluster, survivor)),
            MetaChange::DropPartitionOf { collection, partition } => {
                (Some(collection), self.drop_partition_of(collection, partition))
            }
            MetaChange::DropIndexOf { collection, index } => {
                (Some(collection), self.drop_index_of(collection, index))
            }
            MetaChange::Once { request, change } => self.once(at, request, *change),
        }
    }

    /// The state of a checkpoint: the root, a row for each collection, and the placement, which checkpoints of earlier
    /// programs lack, as they lack the last requests. Names are rebuilt.
    pub fn restore(
        root: MetaRoot,
        rows: impl IntoIterator<Item = CollectionDescriptor>,
        placement: Option<Placement>,
        requests: MetaRequests,
    ) -> MetaState {
        let placement = placement.unwrap_or_else(|| Placement::of_formed(&root));
        let collections: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, Arc::new(row))).collect();
        let holds_name = |row: &&Arc<CollectionDescriptor>| row.phase != DdlPhase::Dropping;
        let names = collections.values().filter(holds_name).map(|row| (row.name.clone(), row.id)).collect();
        MetaState { root, collections, names, placement, requests, unseen: Unseen::new() }
    }

    /// The same state, with the ids that were passed over.
    pub fn with_unseen(self, unseen: Unseen) -> MetaState {
        MetaState { unseen, ..self }
    }

    /// Ids of collections that may have been given in a history that was lost with a majority, and are not given again.
    pub fn unseen(&self) -> &Unseen {
        &self.unseen
    }

    /// Everything but the collections.
    pub fn root(&self) -> &MetaRoot {
        &self.root
    }

    /// A collection in any phase.
    pub fn collection(&self, id: CollectionId) -> Option<&Arc<CollectionDescriptor>> {
        self.collections.get(&id)
    }

    /// The collection that holds a name: `Creating` or `Ready`.
    pub fn collection_named(&self, name: &str) -> Option<&Arc<CollectionDescriptor>> {
        self.collections.get(self.names.get(name)?)
    }

    /// Every collection in every phase, by id.
    pub fn collections(&self) -> impl Iterator<Item = &Arc<CollectionDescriptor>> {
        self.collections.values()
    }

    /// The row of a collection that users can see.
    pub(super) fn ready(&self, id: CollectionId) -> Result<&Arc<CollectionDescriptor>> {
        match self.collections.get(&id) {
            Some(row) if row.phase == DdlPhase::Ready => Ok(row),
            Some(row) if row.phase == DdlPhase::Creating => {
                let text = "the collection is still being created";
                Err(Error::new(Code::NotReady, text).with("collection", &row.name))
            }
            _ => Err(Error::new(Code::CollectionNotFound, "").with("collection", id)),
        }
    }

    /// Changes a row, which is copied when a reader holds it. One that is not there is left alone.
    pub(super) fn edit(&mut self, id: CollectionId, change: impl FnOnce(&mut CollectionDescriptor)) {
        if let Some(row) = self.collections.get_mut(&id) {
            change(Arc::make_mut(row));
        }
    }
}

/// With the collection that was created, for those who publish it.
fn shown(outcome: Result<MetaOutcome>) -> (Option<CollectionId>, Result<MetaOutcome>) {
    let id = match &outcome {
        Ok(MetaOutcome::Collection { id, .. }) => Some(*id),
        _ => None,
    };
    (id, outcome)
}

/// Takes `count` numbers from a counter; `None` when they are used up.
pub(super) fn take(counter: &mut u64, count: u64) -> Option<u64> {
    let first = *counter;
    *counter = first.checked_add(count)?;
    Some(first)
}
