//! Whether a configuration contradicts what was settled when the cluster began.
//!
//! ```text
//! first start, once formed   cluster.name, data.groups_per_node ──> the directory
//!                            cluster.replication                ──> group 0, by its first leader
//!                            whether the node is query-only     ──> group 0, when the node comes
//! every later start          the same keys of the configuration against both: another value is refused
//! a node would join          its three values against those of the node it asks, before it is admitted
//! ```
//! Taking another value in silence would be a lie: nothing reads it any more, and a wrong name is most often the directory
//! of another cluster. Addresses are not settled: nodes may move. Who the node is, and the cluster id, are the
//! [identity](crate::identity)'s.

use crate::Error;
use vecraft_config::Config;
use vecraft_rpc::membership::JoinRequest;
use vecraft_state::meta::Placement;
use vecraft_storage::{Kv, Table, WriteBatch};
use vecraft_types::NodeId;

const SETTLED: &str = "settled ";

/// The keys that a directory settles, as the configuration has them, with what to do when they differ.
fn settled(config: &Config) -> [(&'static str, String, &'static str); 2] {
    [
        (
            "cluster.name",
            config.cluster.name.clone(),
            "is it the directory of another cluster? Name the right data_dir, or give the cluster its name back",
        ),
        (
            "data.groups_per_node",
            config.data.groups_per_node.to_string(),
            "the groups were made when the cluster began and stay as many: write the stored value",
        ),
    ]
}

/// Compares a configuration with what the directory has settled. One that has settled nothing yet agrees.
///
/// # Errors
/// [`Error::Contradiction`] with both values; storage errors.
pub fn check_directory(kv: &dyn Kv, config: &Config) -> Result<(), Error> {
    for (key, configured, advice) in settled(config) {
        let Some(bytes) = kv.get(Table::Node, &row(key))? else { continue };
        let stored = String::from_utf8_lossy(&bytes).into_owned();
        if stored != configured {
            return Err(Error::Contradiction { key, configured, stored, advice });
        }
    }
    Ok(())
}

/// Compares it with what group 0 has. A group 0 that has not been told yet, or does not know this node yet, agrees.
///
/// # Errors
/// [`Error::Contradiction`] with both values.
pub fn check_placement(placement: &Placement, config: &Config, own: NodeId) -> Result<(), Error> {
    check_roles(placement, config, own)?;
    let (stored, configured) = (u64::from(placement.replication), config.cluster.replication);
    if stored == 0 || stored == configured {
        return Ok(());
    }
    Err(Error::Contradiction {
        key: "cluster.replication",
        configured: configured.to_string(),
        stored: stored.to_string(),
        advice: "it was settled when the cluster began: write the stored value. There are no more copies than nodes, so \
                 `vecraft node add` and `vecraft node remove` change how many there are below it",
    })
}

/// I2: replicas that never voted must not begin to, nor those that vote cease to, because of a line in a file.
fn check_roles(placement: &Placement, config: &Config, own: NodeId) -> Result<(), Error> {
    let words = |is_query_only| if is_query_only { "those of a query-only node" } else { "all" };
    let Ok(node) = config.node(own.0) else { return Ok(()) };
    let (configured, stored) = (node.is_query_only(), !placement.keeps_copies(own));
    if placement.state_of(own).is_none() || configured == stored {
        return Ok(());
    }
    Err(Error::Contradiction {
        key: "node.roles",
        configured: words(configured).to_owned(),
        stored: words(stored).to_owned(),
        advice: "it was settled when the node came: write the stored value, or remove the node (`vecraft node remove`) and let \
                 the host join again with a new id on an empty directory",
    })
}

/// Compares the configuration of a node that would join with what this node's cluster has: its own configuration, which
/// agrees with the directory, and group 0.
///
/// # Errors
/// Both values: nothing was admitted yet.
pub fn check_joining(placement: &Placement, own: &Config, joiner: &JoinRequest) -> vecraft_types::Result<()> {
    let name = &own.cluster.name;
    if joiner.cluster_name != *name {
        return Err(vecraft_types::Error::invalid(format!(
            "its cluster.toml names the cluster {:?}, this one is {name:?}: another cluster.toml, or another cluster",
            joiner.cluster_name
        )));
    }
    let replication = match placement.replication {
        0 => own.cluster.replication,
        settled => u64::from(settled),
    };
    let values = [
        ("cluster.replication", joiner.replication, replication),
        ("data.groups_per_node", joiner.groups_per_node, own.data.groups_per_node),
    ];
    match values.into_iter().find(|(_, theirs, ours)| theirs != ours) {
        None => Ok(()),
        Some((key, theirs, ours)) => Err(vecraft_types::Error::invalid(format!(
            "{key} is {theirs} in its cluster.toml, and {ours} in this cluster: it was settled when the cluster began, so \
             write {ours}"
        ))),
    }
}

/// Settles what is not settled yet. Durable when it returns; called once the directory belongs to a cluster for good, or
/// is about to.
///
/// # Errors
/// Storage errors.
pub fn settle(kv: &dyn Kv, config: &Config) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    let mut is_new = false;
    for (key, configured, _) in settled(config) {
        if kv.get(Table::Node, &row(key))?.is_none() {
            batch.put(Table::Node, row(key), configured.into_bytes());
            is_new = true;
        }
    }
    if is_new {
        kv.write(&batch, true)?;
    }
    Ok(())
}

fn row(key: &str) -> Vec<u8> {
    [SETTLED, key].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use vecraft_config::Role;
    use vecraft_state::meta::{NodeRecord, NodeState};
    use vecraft_storage::SimKv;

    #[test]
    fn another_name_or_pool_is_refused_with_both_values_once_settled() {
        let kv = SimKv::new(1);
        let mut config = Config::embedded("data");
        check_directory(&kv, &config).unwrap();
        config.cluster.name = "a".to_owned();
        settle(&kv, &config).unwrap();
        kv.crash();
        check_directory(&kv, &config).unwrap();
        config.cluster.name = "b".to_owned();
        let why = check_directory(&kv, &config).unwrap_err().to_string();
        assert!(why.contains("cluster.name is b") && why.contains("stored is a"), "{why}");
        settle(&kv, &config).unwrap();
        assert!(check_directory(&kv, &config).is_err(), "settled once");
        config.cluster.name = "a".to_owned();
        config.data.groups_per_node = 5;
        let why = check_directory(&kv, &config).unwrap_err().to_string();
        assert!(why.contains("data.groups_per_node is 5") && why.contains("stored is 2"), "{why}");
    }

    #[test]
    fn who_would_join_with_other_values_is_refused_with_both() {
        let mut own = Config::embedded("data");
        (own.cluster.name, own.cluster.replication, own.data.groups_per_node) = ("a".to_owned(), 3, 2);
        let joiner = |name: &str, replication, groups_per_node| JoinRequest {
            node: NodeId(4),
            address: "h:1".to_owned(),
            directory: 5,
            cluster_name: name.to_owned(),
            is_listed: false,
            is_query_only: false,
            replication,
            groups_per_node,
        };
        let check = |settled, joiner| {
            let placement = Placement { replication: settled, ..Placement::default() };
            check_joining(&placement, &own, &joiner).map_err(|why| why.to_string())
        };
        check(3, joiner("a", 3, 2)).unwrap();
        check(0, joiner("a", 3, 2)).unwrap();
        for (settled, refused, words) in [
            (3, joiner("b", 3, 2), ["\"b\"", "\"a\""]),
            (3, joiner("a", 1, 2), ["cluster.replication is 1", "3 in this cluster"]),
            (0, joiner("a", 1, 2), ["cluster.replication is 1", "3 in this cluster"]),
            (3, joiner("a", 3, 7), ["data.groups_per_node is 7", "2 in this cluster"]),
        ] {
            let why = check(settled, refused).unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        }
    }

    #[test]
    fn another_replication_is_refused_with_both_values() {
        let mut config = Config::embedded("data");
        config.cluster.replication = 1;
        let placement = |replication| Placement { replication, ..Placement::default() };
        check_placement(&placement(0), &config, NodeId(1)).unwrap();
        check_placement(&placement(1), &config, NodeId(1)).unwrap();
        let why = check_placement(&placement(3), &config, NodeId(1)).unwrap_err().to_string();
        assert!(why.contains("cluster.replication is 1") && why.contains("stored is 3"), "{why}");
    }

    #[test]
    fn other_roles_than_those_with_which_the_node_came_are_refused() {
        let mut config = Config::embedded("data");
        let record = NodeRecord { state: NodeState::Active, directory: 0 };
        let nodes = BTreeMap::from([(NodeId(1), record)]);
        let keeps = Placement { nodes, ..Placement::default() };
        let reads = Placement { query_only: BTreeSet::from([NodeId(1)]), ..keeps.clone() };
        check_placement(&keeps, &config, NodeId(1)).unwrap();
        let why = check_placement(&reads, &config, NodeId(1)).unwrap_err().to_string();
        assert!(why.contains("node.roles is all") && why.contains("query-only"), "{why}");
        config.nodes[0].roles = vec![Role::Proxy, Role::Query];
        check_placement(&reads, &config, NodeId(1)).unwrap();
        check_placement(&Placement::default(), &config, NodeId(1)).unwrap();
        assert!(check_placement(&keeps, &config, NodeId(1)).is_err());
    }
}
