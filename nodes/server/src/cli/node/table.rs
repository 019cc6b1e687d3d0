//! The cluster as a table for people.

use std::fmt::Write;
use vecraft_types::api::{ClusterReply, NodeInfo};

const HEAD: [&str; 9] =
    ["node", "address", "state", "roles", "alive", "metastore", "replicas", "leads", "lag"];

/// A line a node, and what is under way.
pub fn table(reply: &ClusterReply) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for node in &reply.nodes {
        let address = if node.address.is_empty() { "-" } else { &node.address };
        let metastore = if node.metastore.is_empty() { "-" } else { &node.metastore };
        rows.push([
            node.id.to_string(),
            address.to_owned(),
            node.state.clone(),
            if node.part.is_empty() { "-" } else { &node.part }.to_owned(),
            if node.is_alive { "yes" } else { "no" }.to_owned(),
            metastore.to_owned(),
            node.replicas.to_string(),
            node.leads.to_string(),
            node.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
        ]);
    }
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let _ = writeln!(text, "copies wanted of each group: {}", reply.replication);
    let keeps = |node: &&NodeInfo| node.state == "active" && node.part != "query-only";
    if reply.nodes.iter().filter(keeps).count() == 2 {
        let _ = writeln!(text, "two nodes do not survive the loss of either: writes need both");
    }
    match reply.under_way.as_slice() {
        [] => {
            let _ = writeln!(text, "everything is where it should be");
        }
        lines => lines.iter().for_each(|line| {
            let _ = writeln!(text, "under way: {line}");
        }),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_types::NodeId;

    #[test]
    fn a_table_says_what_an_operator_needs() {
        let node = |id, state: &str| NodeInfo {
            id: NodeId(id),
            address: format!("h{id}:1"),
            state: state.to_owned(),
            is_alive: id == 1,
            metastore: "voter".to_owned(),
            replicas: 2,
            leads: 1,
            lag: (id == 1).then_some(7),
            part: if id == 3 { "query-only" } else { "all" }.to_owned(),
        };
        let nodes = vec![node(1, "active"), node(2, "active"), node(3, "active")];
        let reply = ClusterReply { nodes, replication: 3, under_way: vec!["group 1: moves".to_owned()] };
        let text = table(&reply);
        assert!(
            text.contains("1     h1:1     active  all         yes    voter      2         1      7\n"),
            "{text}"
        );
        assert!(text.contains("2         1      -\n"), "{text}");
        assert!(text.contains("under way: group 1: moves") && text.contains("loss of either"), "{text}");
    }
}
