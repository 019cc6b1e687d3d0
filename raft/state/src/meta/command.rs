//! What can be asked of the metastore. It travels through group 0's log; the answers are in `reply.rs`.

use super::{ClusterId, NodeRow, NodeState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vecraft_types::api::CreateCollection;
use vecraft_types::{
    CollectionId, GroupId, IndexId, Metric, NodeId, PartitionId, ReplicaId, RequestId, Timestamp,
};

/// One entry of group 0's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetaCommand {
    /// The proposer's clock. Only a suggestion: apply fixes the timestamp (I9).
    pub suggested: Timestamp,
    /// What should change.
    pub change: MetaChange,
}

/// A change of the catalogue. What is there already is named by id, so that a command which is proposed twice cannot hit
/// what has the same name later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MetaChange {
    /// The first command of a cluster's life (I1): names it, registers its first node, makes the pool's groups and
    /// gives group 0 and each pool group one replica on that node.
    Bootstrap {
        /// Random, drawn by the proposer.
        cluster: ClusterId,
        /// The node that bootstraps.
        node: NodeRow,
        /// Groups of the pool, numbered from 1.
        pool_groups: u32,
    },
    /// Adds a node or changes its row.
    RegisterNode(NodeRow),
    /// Adds groups to the pool, each with one replica on each of these nodes.
    AddPoolGroups {
        /// How many, at least 1.
        count: u32,
        /// Where their replicas live.
        nodes: Vec<NodeId>,
    },
    /// Takes replica ids that no replica ever had (I1).
    AllocateReplicaIds {
        /// How many, at least 1.
        count: u32,
    },
    /// Takes row ids that no row ever had (auto-id).
    AllocateRowIds {
        /// How many, at least 1.
        count: u64,
    },
    /// Intent: a collection in phase `Creating`, its name taken, its shards placed (I11) where there are fewest. Proposed by
    /// earlier programs; now it is [`MetaChange::CreateCollectionOn`].
    CreateCollection {
        /// As the user asked.
        request: Box<CreateCollection>,
        /// Groups that can take shards, as the proposer saw them; empty means the whole pool.
        candidates: Vec<GroupId>,
    },
    /// Done: every shard log has its CreateShard.
    CollectionReady(CollectionId),
    /// Intent: phase `Dropping`, the name is free at once.
    DropCollection(CollectionId),
    /// Done: every shard log has its DropShard; the row goes.
    CollectionGone(CollectionId),
    /// Makes a partition.
    CreatePartition {
        /// The collection.
        collection: CollectionId,
        /// Name of the partition.
        name: String,
    },
    /// [`MetaChange::DropPartitionOf`] by name, as earlier programs proposed it.
    DropPartition {
        /// The collection.
        collection: CollectionId,
        /// Name of the partition.
        name: String,
    },
    /// Done: every shard log has its DropPartition.
    PartitionGone {
        /// The collection.
        collection: CollectionId,
        /// The partition.
        partition: PartitionId,
    },
    /// Makes an index; all rules are checked by apply.
    CreateIndex {
        /// The collection.
        collection: CollectionId,
        /// Name of the field.
        field: String,
        /// Name of the index; empty means the field's name.
        name: String,
        /// Index type in any case; empty means AUTOINDEX.
        index_type: String,
        /// None means COSINE.
        metric: Option<Metric>,
        /// Build parameters as given.
        params: std::collections::BTreeMap<String, String>,
    },
    /// Removes the index of a name, or of a field when the name is empty. Earlier programs proposed it; now it is
    /// [`MetaChange::DropIndexOf`].
    DropIndex {
        /// The collection.
        collection: CollectionId,
        /// Name of the field; may be empty.
        field: String,
        /// Name of the index; may be empty.
        name: String,
    },
    /// Sets or clears the load flag.
    SetLoaded {
        /// The collection.
        collection: CollectionId,
        /// The new value.
        loaded: bool,
    },
    /// The first command of a cluster of several nodes (I1), in the place of [`MetaChange::Bootstrap`].
    Form {
        /// Random, drawn by the proposer.
        cluster: ClusterId,
        /// All of its first nodes.
        nodes: Vec<NodeRow>,
        /// Replicas of each pool group, no more than there are nodes.
        replication: u32,
        /// Groups of the pool, numbered from 1.
        pool_groups: u32,
    },
    /// An operator announces a node that will join.
    ExpectNode(NodeRow),
    /// A node with an empty directory joins; answered with its replica of group 0 (I1).
    AdmitNode {
        /// Who it says it is.
        node: NodeRow,
        /// Random bits of its directory.
        directory: u128,
        /// A node of the cluster has it in its configuration: it need not be announced.
        is_listed: bool,
    },
    /// Lets a node drain, leave, come back, or be gone.
    SetNode {
        /// The node.
        node: NodeId,
        /// Where it stands from now on.
        state: NodeState,
    },
    /// A replica with a new id is wanted on a node (I1).
    PlaceReplica {
        /// The group.
        group: GroupId,
        /// Where.
        node: NodeId,
        /// The version of the group's wanted replicas for which this was planned.
        version: u64,
    },
    /// A replica that its group has let go of is wanted no more.
    UnplaceReplica {
        /// The group.
        group: GroupId,
        /// Which.
        replica: ReplicaId,
        /// As above.
        version: u64,
    },
    /// Copies wanted of each pool group.
    SetReplication(u32),
    /// How many replicas of each shard answer reads.
    SetReplicas {
        /// The collection.
        collection: CollectionId,
        /// At least one, and no more than there are.
        replicas: u32,
    },
    /// The majority is gone for good: the cluster goes on as one node, under a new id (I1). Never proposed; written into
    /// the log of a stopped node by an operator.
    Recover {
        /// Random, drawn when the operator asked.
        cluster: ClusterId,
        /// The node that is left.
        survivor: NodeId,
    },
    /// As [`MetaChange::Form`], of a cluster in which some nodes are query-only.
    FormWithQueryOnly {
        /// As there.
        cluster: ClusterId,
        /// All of its first nodes.
        nodes: Vec<NodeRow>,
        /// Those of them that never vote; at least one other is there.
        query_only: BTreeSet<NodeId>,
        /// Replicas of each pool group, no more than there are nodes that keep copies.
        replication: u32,
        /// Groups of the pool, numbered from 1.
        pool_groups: u32,
    },
    /// As [`MetaChange::AdmitNode`], of a query-only node.
    AdmitQueryOnly {
        /// Who it says it is.
        node: NodeRow,
        /// Random bits of its directory.
        directory: u128,
        /// A node of the cluster has it in its configuration.
        is_listed: bool,
    },
    /// As [`MetaChange::CreateCollection`], its shards placed on these groups in turn.
    CreateCollectionOn {
        /// As the user asked.
        request: Box<CreateCollection>,
        /// In the order in which the proposer saw shards spread best over leaders; empty means the whole pool, where there
        /// are fewest.
        groups: Vec<GroupId>,
    },
    /// Intent: the partition leaves the descriptor, its name is free, its rows wait for [`MetaChange::PartitionGone`]. One
    /// that is gone is no error.
    DropPartitionOf {
        /// The collection.
        collection: CollectionId,
        /// The partition.
        partition: PartitionId,
    },
    /// Removes an index; one that is gone is no error.
    DropIndexOf {
        /// The collection.
        collection: CollectionId,
        /// The index.
        index: IndexId,
    },
    /// The change, unless the request was done before: then what came of it is answered again (I10).
    Once {
        /// Named before it was asked for the first time.
        request: RequestId,
        /// What should change.
        change: Box<MetaChange>,
    },
    /// An announcement is taken back, before the node came: nothing ever had its id, which is free again. One that was
    /// taken back before is no error.
    WithdrawNode {
        /// The node.
        node: NodeId,
    },
}

impl MetaChange {
    /// Whether it is about nodes or about where replicas should be.
    pub fn is_placing(&self) -> bool {
        match self {
            MetaChange::Once { change, .. } => change.is_placing(),
            change => change.is_placing_itself(),
        }
    }

    fn is_placing_itself(&self) -> bool {
        matches!(
            self,
            MetaChange::Bootstrap { .. }
                | MetaChange::Form { .. }
                | MetaChange::RegisterNode(_)
                | MetaChange::AddPoolGroups { .. }
                | MetaChange::ExpectNode(_)
                | MetaChange::AdmitNode { .. }
                | MetaChange::SetNode { .. }
                | MetaChange::PlaceReplica { .. }
                | MetaChange::UnplaceReplica { .. }
                | MetaChange::SetReplication(_)
                | MetaChange::Recover { .. }
                | MetaChange::FormWithQueryOnly { .. }
                | MetaChange::AdmitQueryOnly { .. }
                | MetaChange::WithdrawNode { .. }
        )
    }
}
