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
            alive(node),
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
    let lacks = lacking(reply);
    for line in &lacks {
        let _ = writeln!(text, "{line}");
    }
    if keepers(reply) == 2 {
        let _ = writeln!(text, "two nodes do not survive the loss of either: writes need both");
    }
    for node in reply.nodes.iter().filter(|node| is_missed(node)) {
        let since = node.silent_s.map_or_else(String::new, |silent| format!(" for {}", words(silent)));
        let _ = writeln!(text, "node {} ({}) has not answered{since}", node.id, node.address);
    }
    let leaderless: Vec<String> =
        reply.leaderless.iter().map(|group| format!("group {group} has no leader")).collect();
    for line in &leaderless {
        let _ = writeln!(text, "{line}");
    }
    let moves: Vec<&String> = reply.under_way.iter().filter(|line| !leaderless.contains(line)).collect();
    for line in &moves {
        let _ = writeln!(text, "under way: {line}");
    }
    if moves.is_empty() {
        let is_whole = leaderless.is_empty() && lacks.is_empty() && !reply.nodes.iter().any(is_missed);
        let _ = writeln!(
            text,
            "{}",
            if is_whole { "everything is where it should be" } else { "nothing is under way" }
        );
    }
    text
}

/// Nodes that take copies.
fn keepers(reply: &ClusterReply) -> usize {
    reply.nodes.iter().filter(|node| node.state == "active" && node.part != "query-only").count()
}

/// What only an operator can bring: nodes for the copies that are wanted, and those that were announced.
fn lacking(reply: &ClusterReply) -> Vec<String> {
    let (there, wanted) = (keepers(reply), reply.replication as usize);
    let mut lines = Vec::new();
    if there < wanted {
        lines.push(format!(
            "there are nodes for {there} of the {wanted} wanted copies of each group; for the others add {} more with all roles \
             (vecraft node add)",
            wanted - there
        ));
    }
    for node in reply.nodes.iter().filter(|node| node.state == "expected") {
        lines.push(format!(
            "node {} ({}) is announced and has not come: start it there on an empty directory, or take that back (vecraft node \
             remove {})",
            node.id, node.address, node.id
        ));
    }
    lines
}

/// Whether a node should answer, and does not.
pub fn is_missed(node: &NodeInfo) -> bool {
    !node.is_alive && !matches!(node.state.as_str(), "expected" | "removed")
}

fn alive(node: &NodeInfo) -> String {
    match (node.is_alive, node.silent_s) {
        (true, _) => "yes".to_owned(),
        (false, Some(silent)) => format!("no, {}", words(silent)),
        (false, None) => "no".to_owned(),
    }
}

/// A length of time.
fn words(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
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
            silent_s: (id == 2).then_some(150),
        };
        let nodes = vec![node(1, "active"), node(2, "active"), node(3, "active")];
        let under_way = vec!["group 1: moves".to_owned(), "group 2 has no leader".to_owned()];
        let leaderless = vec![vecraft_types::GroupId(2)];
        let mut reply = ClusterReply { nodes, replication: 3, under_way, leaderless };
        let text = table(&reply);
        assert!(
            text.contains("1     h1:1     active  all         yes        voter      2         1      7\n"),
            "{text}"
        );
        assert!(text.contains("2         1      -\n"), "{text}");
        assert!(text.contains("under way: group 1: moves") && text.contains("loss of either"), "{text}");
        assert!(
            text.contains("no, 2 min") && text.contains("node 2 (h2:1) has not answered for 2 min\n"),
            "{text}"
        );
        assert_eq!(text.matches("group 2 has no leader").count(), 1, "{text}");

        reply.under_way.clear();
        assert!(!table(&reply).contains("where it should be"), "{}", table(&reply));
        reply.leaderless.clear();
        reply.nodes.iter_mut().for_each(|node| node.is_alive = true);
        assert!(
            !table(&reply).contains("where it should be"),
            "two that keep copies, of three: {}",
            table(&reply)
        );
        reply.nodes[2].part = "all".to_owned();
        assert!(table(&reply).ends_with("everything is where it should be\n"), "{}", table(&reply));
    }

    #[test]
    fn nodes_that_are_wanted_and_not_there_are_told() {
        let node = |id, state: &str| NodeInfo {
            id: NodeId(id),
            address: format!("h{id}:1"),
            state: state.to_owned(),
            is_alive: state == "active",
            part: if state == "active" { "all" } else { "" }.to_owned(),
            ..NodeInfo::default()
        };
        let told = |nodes: &[NodeInfo], replication| {
            table(&ClusterReply { nodes: nodes.to_vec(), replication, ..ClusterReply::default() })
        };
        let whole = "everything is where it should be\n";
        let lone = told(&[node(1, "active")], 3);
        assert!(
            lone.contains("for 1 of the 3 wanted copies of each group; for the others add 2 more"),
            "{lone}"
        );
        assert!(lone.ends_with("nothing is under way\n") && !lone.contains(whole), "{lone}");
        assert!(told(&[node(1, "active")], 1).ends_with(whole));
        let announced = told(&[node(1, "active"), node(4, "expected")], 1);
        assert!(announced.contains("node 4 (h4:1) is announced and has not come"), "{announced}");
        assert!(announced.contains("vecraft node remove 4") && !announced.contains(whole), "{announced}");
    }
}
