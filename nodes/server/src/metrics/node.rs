//! Who the node is, and what it has names for.

use vecraft_coordinator::Metastore;
use vecraft_rpc::services::Catalogue;
use vecraft_runtime::telemetry::Figures;
use vecraft_state::meta::{NodeState, Placement};

/// What stays the same while the node runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// Its random id.
    pub cluster_id: String,
    /// This node.
    pub node: String,
    /// `cluster.replication`, which the cluster takes over when it begins.
    pub replication: usize,
}

pub fn tell(figures: &mut Figures, about: &About, metastore: &Metastore) {
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("cluster", &about.cluster),
        ("cluster_id", &about.cluster_id),
        ("node", &about.node),
    ];
    figures.gauge("vecraft_build_info", "always 1; the labels say which program serves what", &labels, true);
    // Of the metastore: nodes join and leave, and nobody's configuration follows.
    let (nodes, voters) = metastore.read(|state| wanted(state.placement(), about.replication));
    figures.gauge("vecraft_cluster_nodes", "nodes of the cluster, those that leave included", &[], nodes);
    let help = "voters that each group is to have: the smaller of cluster.replication and the nodes that take copies";
    figures.gauge("vecraft_cluster_voters_wanted", help, &[], voters);
    let collections = metastore.catalogue().list();
    let partitions: usize = collections.iter().map(|collection| collection.partitions.len()).sum();
    figures.gauge("milvus_rootcoord_collection_num", "collections", &[], collections.len());
    figures.gauge("milvus_rootcoord_partition_num", "partitions of all collections", &[], partitions);
}

/// How many nodes there are, and how many voters a group is to have; `replication` while the cluster has not taken note of
/// its own.
fn wanted(placement: &Placement, replication: usize) -> (usize, usize) {
    let is_here = |state| !matches!(state, NodeState::Expected | NodeState::Removed);
    let nodes = placement.nodes.values().filter(|record| is_here(record.state)).count();
    let takes = |node, state| state == NodeState::Active && placement.keeps_copies(node);
    let takers = placement.nodes.iter().filter(|(node, record)| takes(**node, record.state)).count();
    let replication = match placement.replication {
        0 => replication,
        stored => usize::try_from(stored).unwrap_or(usize::MAX),
    };
    (nodes, replication.min(takers).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_state::meta::NodeRecord;
    use vecraft_types::NodeId;

    #[test]
    fn a_node_that_joins_or_leaves_moves_the_figures_whatever_the_configuration_says() {
        let mut placement = Placement::default();
        let set = |placement: &mut Placement, node: u64, state| {
            placement.nodes.insert(NodeId(node), NodeRecord { state, directory: 0 });
        };
        set(&mut placement, 1, NodeState::Active);
        assert_eq!(wanted(&placement, 3), (1, 1));
        placement.replication = 3;
        set(&mut placement, 2, NodeState::Active);
        set(&mut placement, 3, NodeState::Expected);
        assert_eq!(wanted(&placement, 1), (2, 2));
        set(&mut placement, 3, NodeState::Active);
        set(&mut placement, 4, NodeState::Active);
        placement.query_only.insert(NodeId(4));
        assert_eq!(wanted(&placement, 1), (4, 3));
        set(&mut placement, 1, NodeState::Draining);
        set(&mut placement, 2, NodeState::Removed);
        assert_eq!(wanted(&placement, 1), (3, 1));
    }
}
