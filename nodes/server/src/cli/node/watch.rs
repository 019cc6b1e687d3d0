//! Watching the coordinator until what was asked for is done. Ctrl-C ends the watching and nothing else.

use super::super::failure::Failure;
use super::super::patience::QUIET;
use super::reach::ask;
use super::table::is_missed;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_client::Client;
use vecraft_coordinator::WAITS_FOR_A_NODE;
use vecraft_runtime::signals::TerminationSignals;
use vecraft_types::NodeId;
use vecraft_types::api::{ClusterReply, ClusterRequest, NodeInfo};

const LOOK: Duration = Duration::from_millis(300);

/// When it is done.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// The node takes replicas, and everything is where it should be.
    Active(NodeId),
    /// The node holds nothing but its copy of the metastore.
    Empty(NodeId),
    /// The node is gone, and everything is where it should be without it.
    Gone(NodeId),
}

impl Until {
    fn is_done(self, reply: &ClusterReply) -> bool {
        let of = |id: NodeId| reply.nodes.iter().find(|node| node.id == id);
        match self {
            Until::Active(id) => {
                let has_come = |node: &NodeInfo| node.state == "active" && node.is_alive;
                of(id).is_some_and(has_come) && reply.under_way.is_empty()
            }
            Until::Empty(id) => of(id).is_some_and(|node| {
                node.state == "draining" && node.replicas == 0 && node.metastore != "voter"
            }),
            Until::Gone(id) => {
                let waits = |line: &String| line.ends_with(WAITS_FOR_A_NODE);
                of(id).is_none_or(|node| node.state == "removed") && reply.under_way.iter().all(waits)
            }
        }
    }
}

/// What keeps the cluster from going on, which only somebody else can change: nodes that do not answer, groups that nobody
/// leads. Each under a name that stays the same while the words change.
fn awaited(reply: &ClusterReply) -> Vec<(String, String)> {
    let nodes = reply.nodes.iter().filter(|node| is_missed(node)).map(|node| {
        let since = node.silent_s.map_or_else(String::new, |silent| format!(" for {silent} s"));
        let words = format!(
            "waiting for node {} ({}), which has not answered{since}: start it, or look whether the others reach it",
            node.id, node.address
        );
        (format!("node {}", node.id), words)
    });
    let groups = reply.leaderless.iter().map(|group| {
        let words = format!("waiting for a leader of group {group}: a majority of its nodes must answer");
        (format!("group {group}"), words)
    });
    nodes.chain(groups).collect()
}

/// Prints what is under way when it changes, and once it takes longer than a moment for whom it waits; returns the last reply.
pub async fn watch(client: &Client, first: ClusterReply, until: Until) -> Result<ClusterReply, Failure> {
    let mut signals = TerminationSignals::listen().map_err(|e| e.to_string())?;
    let (mut reply, mut told) = (first, Vec::<String>::new());
    let (began, mut told_of) = (Instant::now(), BTreeSet::new());
    // One answer may be older than what was asked for.
    let mut is_fresh = false;
    while !(is_fresh && until.is_done(&reply)) {
        if reply.under_way != told {
            reply.under_way.iter().filter(|line| !told.contains(line)).for_each(|line| eprintln!("  {line}"));
            told.clone_from(&reply.under_way);
        }
        if began.elapsed() >= QUIET {
            awaited(&reply)
                .into_iter()
                .filter(|(what, _)| told_of.insert(what.clone()))
                .for_each(|(_, words)| eprintln!("{words}"));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = signals.next() => {
                return Err("no longer watching; the cluster goes on with it (vecraft node list shows how far it is)".to_owned().into());
            }
        }
        reply = ask(client, ClusterRequest::List).await?;
        if !is_fresh && !until.is_done(&reply) {
            eprintln!("waiting until that is done; Ctrl-C ends the waiting only");
        }
        is_fresh = true;
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(state: &str, replicas: u32, under_way: &[&str]) -> ClusterReply {
        let node = NodeInfo {
            id: NodeId(4),
            state: state.to_owned(),
            is_alive: true,
            replicas,
            metastore: "learner".to_owned(),
            ..NodeInfo::default()
        };
        let under_way = under_way.iter().map(|line| (*line).to_owned()).collect();
        ClusterReply { nodes: vec![node], replication: 3, under_way, ..ClusterReply::default() }
    }

    #[test]
    fn who_keeps_it_from_going_on_is_named_and_nobody_else() {
        let mut held_up = reply("leaving", 1, &["group 1: from nodes 1, 2, 4 to 1, 2"]);
        assert_eq!(awaited(&held_up), []);
        held_up.nodes[0].is_alive = false;
        held_up.nodes[0].silent_s = Some(7);
        held_up.leaderless.push(vecraft_types::GroupId(3));
        let words: Vec<String> = awaited(&held_up).into_iter().map(|(_, words)| words).collect();
        assert!(
            words[0].starts_with("waiting for node 4 (") && words[0].contains("answered for 7 s"),
            "{words:?}"
        );
        assert!(words[1].contains("a leader of group 3") && words.len() == 2, "{words:?}");
        // Nobody waits for one that is let go, or for one that a person is still to start.
        for state in ["removed", "expected"] {
            held_up.nodes[0].state = state.to_owned();
            assert_eq!(awaited(&held_up).len(), 1, "{state}");
        }
    }

    #[test]
    fn it_is_done_when_nothing_is_left_to_do() {
        let (active, empty, gone) =
            (Until::Active(NodeId(4)), Until::Empty(NodeId(4)), Until::Gone(NodeId(4)));
        assert!(!active.is_done(&reply("expected", 0, &[])));
        assert!(!active.is_done(&reply("active", 1, &["group 1"])));
        assert!(active.is_done(&reply("active", 1, &[])));
        assert!(!empty.is_done(&reply("draining", 1, &[])) && empty.is_done(&reply("draining", 0, &[])));
        assert!(!gone.is_done(&reply("leaving", 0, &[])) && gone.is_done(&reply("removed", 0, &[])));
        assert!(gone.is_done(&ClusterReply::default()));
        assert!(!gone.is_done(&reply("removed", 0, &["the metastore lets node 4 go"])));
        assert!(gone.is_done(&reply(
            "removed",
            0,
            &["group 1 has 2 of 3 copies, no node is there for another"]
        )));
    }
}
