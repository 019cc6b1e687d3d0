//! Who the node is, and what it has names for.

use vecraft_coordinator::Metastore;
use vecraft_rpc::services::Catalogue;
use vecraft_runtime::telemetry::Figures;

/// What stays the same while the node runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// Its random id.
    pub cluster_id: String,
    /// This node.
    pub node: String,
    /// Nodes in the configuration.
    pub nodes: usize,
    /// Voters that each group is to have.
    pub voters: usize,
}

pub fn tell(figures: &mut Figures, about: &About, metastore: &Metastore) {
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("cluster", &about.cluster),
        ("cluster_id", &about.cluster_id),
        ("node", &about.node),
    ];
    figures.gauge("vecraft_build_info", "always 1; the labels say which program serves what", &labels, true);
    figures.gauge("vecraft_cluster_nodes", "nodes in the configuration", &[], about.nodes);
    let help = "voters that each group is to have: the smaller of cluster.replication and the nodes";
    figures.gauge("vecraft_cluster_voters_wanted", help, &[], about.voters);
    let collections = metastore.catalogue().list();
    let partitions: usize = collections.iter().map(|collection| collection.partitions.len()).sum();
    figures.gauge("milvus_rootcoord_collection_num", "collections", &[], collections.len());
    figures.gauge("milvus_rootcoord_partition_num", "partitions of all collections", &[], partitions);
}
