//! What must hold for single values and between them.

use std::collections::HashMap;

use crate::{Config, NodeConfig, Problem, Role, section::Checked};

/// Said of a configuration whose nodes could not tell a stranger from one of them.
pub const SECRET_WANTED: &str = "is missing: nodes on other hosts must prove that they belong to the cluster: set \
     cluster.secret_file to a file of mode 0600 with the same random text on every node (openssl rand -hex 32 > FILE)";

/// How messages name the node at `position` (from 0) of the file.
pub(crate) fn node_key(position: usize) -> String {
    format!("node {}", position + 1)
}

/// Everything that is wrong, without lines.
pub(crate) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Problems::default();
    for (name, table) in config.tables() {
        problems.add_ranges(name, table);
    }
    cluster(config, &mut problems);
    for (position, node) in config.nodes.iter().enumerate() {
        let name = node_key(position);
        problems.add_ranges(&name, node);
        single_node(&name, node, &mut problems);
    }
    between_nodes(&config.nodes, &mut problems);
    between_sizes(config, &mut problems);
    problems.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem { line: None, key: key.into(), what: what.into() });
    }

    fn add_ranges(&mut self, name: &str, table: &dyn Checked) {
        for (key, what) in table.out_of_range() {
            self.add(format!("{name}.{key}"), what);
        }
    }
}

fn cluster(config: &Config, problems: &mut Problems) {
    let name = &config.cluster.name;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(allowed) {
        problems
            .add("cluster.name", format!("{name:?} is not a name, allowed: 1 to 63 letters, digits, - or _"));
    }
    if config.cluster.secret_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
        problems.add("cluster.secret_file", "is empty; name a file of mode 0600, or leave the key out");
    }
    if config.nodes.is_empty() {
        problems.add("node", "there is no node, add [[node]] with id and data_dir");
        return;
    }
    if config.wants_secret() && config.cluster.secret_file.is_none() {
        problems.add("cluster.secret_file", SECRET_WANTED);
    }
    if config.nodes.iter().all(NodeConfig::is_query_only) {
        problems
            .add("node", "every node is query-only, at least one must keep copies: leave its `roles` out");
    }
    if config.log.level.trim().is_empty() {
        problems.add("log.level", "is empty, allowed: error, warn, info, debug, trace or directives");
    }
}

fn single_node(name: &str, node: &NodeConfig, problems: &mut Problems) {
    if node.host.trim().is_empty() || node.host.contains(['/', ' ']) {
        let what = format!("{:?} is not a host name or address", node.host);
        problems.add(format!("{name}.host"), what);
    }
    if node.data_dir.as_os_str().is_empty() {
        problems.add(format!("{name}.data_dir"), "is empty");
    }
    let missing: Vec<_> = Role::ALL.iter().filter(|role| !node.has(**role)).map(|role| role.name()).collect();
    if !missing.is_empty() && !node.is_query_only() {
        let missing = missing.join(", ");
        let what = format!(
            "{missing} missing: a node has all roles, or exactly proxy and query (a query-only node, which answers reads and \
             never votes); whoever keeps copies may lead, and a leader plans, builds indexes and answers too"
        );
        problems.add(format!("{name}.roles"), what);
    }
}

/// Ids, directories and doors must not be shared. Port 0 is no conflict: each takes a free one.
fn between_nodes(nodes: &[NodeConfig], problems: &mut Problems) {
    let mut ids = HashMap::new();
    let mut dirs = HashMap::new();
    let mut doors = HashMap::new();
    for (position, node) in nodes.iter().enumerate() {
        let name = node_key(position);
        if let Some(other) = ids.insert(node.id, name.clone()) {
            problems.add(format!("{name}.id"), format!("{} is already the id of {other}", node.id));
        }
        if let Some(other) = dirs.insert((&node.host, &node.data_dir), name.clone()) {
            let what = format!("{} is already the directory of {other}", node.data_dir.display());
            problems.add(format!("{name}.data_dir"), what);
        }
        for (key, port) in node.ports().into_iter().filter(|(_, port)| *port != 0) {
            let door = format!("{name}.{key}");
            if let Some(other) = doors.insert((&node.host, port), door.clone()) {
                problems.add(door, format!("{port} on {} is already taken by {other}", node.host));
            }
        }
    }
}

fn between_sizes(config: &Config, problems: &mut Problems) {
    let (data, proxy) = (&config.data, &config.proxy);
    let must_not_exceed = [
        ("data.chunk_bytes", data.chunk_bytes, "data.segment_bytes_max", data.segment_bytes_max),
        ("proxy.entry_bytes_max", proxy.entry_bytes_max, "data.inflight_bytes_max", data.inflight_bytes_max),
        // An entry never spans two files of the log.
        ("proxy.entry_bytes_max", proxy.entry_bytes_max, "log.segment_bytes", config.log.segment_bytes / 2),
    ];
    for (key, value, limit_key, limit) in must_not_exceed {
        if value > limit {
            problems.add(key, format!("{value} is more than {limit_key} allows ({limit})"));
        }
    }
}
