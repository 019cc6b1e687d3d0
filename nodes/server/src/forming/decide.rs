//! Whether the listed nodes may become a cluster: a pure decision over what they say of themselves (I1).
//!
//! ```text
//!            all listed answer Empty, same configuration
//!            and a person said so, where the configuration wants that
//! Empty ────────────────────────────────────────────────> lowest id draws the cluster id, writes it down: Forming
//!                                                         and tells it to every other node:               Forming
//! Forming ── all listed have it, which it writes down ──> Told, and says so to the others:                Told
//! Told ───── group 0 and the pool have leaders ─────────> Formed
//! ```
//! No replica starts before Told, and nobody is told the name once anybody is past Forming: so nobody is told it who has
//! voted. Nothing is acknowledged to a client before Formed. An empty node among told or formed ones has lost its directory, or is new:
//! forming again with it would let it vote as somebody it no longer is, so it asks to join, with new ids. The coordinator
//! knows which of the two it is.

use std::collections::BTreeMap;
use vecraft_rpc::node::{HelloPhase, NodeHello};
use vecraft_types::NodeId;

/// What an empty node waits for that may not begin by itself.
const ASKS: &str =
    "all nodes are here and empty: waiting for a person to say `vecraft cluster init --config cluster.toml`";

/// What a node without a finished cluster does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask again in a moment; the text says for whom it waits.
    Wait(String),
    /// Draw a cluster id, or go on with the one drawn, and tell it to all.
    Lead {
        /// The one drawn before a crash.
        cluster: Option<u128>,
    },
    /// All listed nodes know their cluster: write that down, start the replicas and wait for group 0.
    Follow {
        /// The cluster.
        cluster: u128,
    },
    /// The cluster exists: ask these nodes of it to be taken in.
    Join {
        /// Formed nodes.
        via: Vec<NodeId>,
    },
    /// Never without a person.
    Refuse(String),
}

/// Decides from the own state and the answers of the other listed nodes. `may_begin`: nobody need be asked whether empty
/// directories are meant to become a cluster, or a person has said yes.
pub fn decide(
    own: &NodeHello,
    listed: &[NodeId],
    answers: &BTreeMap<NodeId, NodeHello>,
    may_begin: bool,
) -> Next {
    let is_formed = |other: &&NodeHello| matches!(other.phase, HelloPhase::Formed { .. });
    let via: Vec<NodeId> = answers.values().filter(is_formed).map(|other| other.node).collect();
    if own.phase == HelloPhase::Empty && !via.is_empty() {
        // Its cluster.toml has more nodes than those had when they formed.
        return Next::Join { via };
    }
    for other in answers.values() {
        if other.config_hash != own.config_hash {
            return Next::Refuse(no_agreement(other, own.config_hash));
        }
    }
    match own.phase {
        HelloPhase::Formed { cluster } => Next::Follow { cluster },
        HelloPhase::Forming { cluster } | HelloPhase::Told { cluster } => {
            forming(own, listed, answers, cluster)
        }
        HelloPhase::Empty => empty(own, listed, answers, may_begin),
    }
}

/// Says that a node has another configuration than the one of this hash.
pub fn no_agreement(other: &NodeHello, ours: u64) -> String {
    format!(
        "node {} was started with another cluster.toml (hash {:016x}, ours is {ours:016x}): name, replication, forming, \
         groups_per_node, and each node's id, host, ports and roles must be the same on all nodes",
        other.node, other.config_hash
    )
}

fn forming(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>, cluster: u128) -> Next {
    let elsewhere = answers.values().find_map(|other| match other.phase {
        HelloPhase::Empty => None,
        HelloPhase::Forming { cluster: theirs }
        | HelloPhase::Told { cluster: theirs }
        | HelloPhase::Formed { cluster: theirs } => (theirs != cluster).then_some((other.node, theirs)),
    });
    if let Some((node, theirs)) = elsewhere {
        return Next::Refuse(format!(
            "node {node} belongs to cluster {theirs:032x}, this one to {cluster:032x}: they cannot form one cluster"
        ));
    }
    if std::iter::once(own).chain(answers.values()).any(is_past_telling) {
        return Next::Follow { cluster };
    }
    match missing(own, listed, answers) {
        _ if !is_lowest(own, listed) => {
            Next::Wait(format!("waiting for node {} to tell all the cluster's name", lowest(listed)))
        }
        None => Next::Lead { cluster: Some(cluster) },
        Some(missing) => Next::Wait(missing),
    }
}

/// Whether this node knows that all were told: it may have voted, and so may each of the others.
fn is_past_telling(node: &NodeHello) -> bool {
    matches!(node.phase, HelloPhase::Told { .. } | HelloPhase::Formed { .. })
}

fn empty(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>, may_begin: bool) -> Next {
    let named = answers.values().find_map(|other| match other.phase {
        HelloPhase::Told { cluster } => Some((other.node, cluster)),
        HelloPhase::Forming { cluster } if is_lowest(own, listed) => Some((other.node, cluster)),
        _ => None,
    });
    match (named, missing(own, listed, answers)) {
        (Some((node, cluster)), _) => Next::Refuse(lost(own.node, node, cluster)),
        (None, missing) => begin(own, listed, missing, may_begin),
    }
}

/// Says that an empty node had the name of the cluster that this other one forms.
fn lost(own: NodeId, other: NodeId, cluster: u128) -> String {
    format!(
        "node {other} is forming cluster {cluster:032x}, of which node {own} had the name: its directory was emptied \
         meanwhile, and it may have voted, so it does not come back as node {own} (I1). Bring the directory back. If the \
         cluster has not served yet, empty the directories of all nodes and start them again; if it serves without this \
         node: vecraft node remove {own}, and join with a new id: vecraft node add NEW_ID HOST:NODE_PORT"
    )
}

fn begin(own: &NodeHello, listed: &[NodeId], missing: Option<String>, may_begin: bool) -> Next {
    match missing {
        Some(missing) => Next::Wait(missing),
        None if !may_begin => Next::Wait(ASKS.to_owned()),
        None if is_lowest(own, listed) => Next::Lead { cluster: None },
        None => Next::Wait(format!("waiting for node {} to name the cluster", lowest(listed))),
    }
}

/// The node that leads the forming.
pub fn lowest(listed: &[NodeId]) -> NodeId {
    listed.iter().min().copied().unwrap_or_default()
}

fn is_lowest(own: &NodeHello, listed: &[NodeId]) -> bool {
    own.node == lowest(listed)
}

/// The listed nodes that have not answered.
fn missing(own: &NodeHello, listed: &[NodeId], answers: &BTreeMap<NodeId, NodeHello>) -> Option<String> {
    let silent = listed.iter().filter(|id| **id != own.node && !answers.contains_key(id));
    let names: Vec<String> = silent.map(ToString::to_string).collect();
    (!names.is_empty()).then(|| format!("waiting for node {} to answer", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_runtime::random::{Random, SeededRandom};

    const ALL: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
    const EMPTY: HelloPhase = HelloPhase::Empty;

    fn forming(cluster: u128) -> HelloPhase {
        HelloPhase::Forming { cluster }
    }

    fn told(cluster: u128) -> HelloPhase {
        HelloPhase::Told { cluster }
    }

    fn formed(cluster: u128) -> HelloPhase {
        HelloPhase::Formed { cluster }
    }

    fn hello(node: u64, phase: HelloPhase) -> NodeHello {
        NodeHello { node: NodeId(node), config_hash: 5, version: String::new(), phase }
    }

    fn next(node: u64, phase: HelloPhase, answers: &[(u64, HelloPhase)]) -> Next {
        let answers = answers.iter().map(|(node, phase)| (NodeId(*node), hello(*node, *phase))).collect();
        decide(&hello(node, phase), &ALL, &answers, true)
    }

    #[test]
    fn the_lowest_leads_once_all_are_there_and_empty() {
        assert_eq!(next(1, EMPTY, &[(2, EMPTY), (3, EMPTY)]), Next::Lead { cluster: None });
        assert!(matches!(next(1, EMPTY, &[(2, EMPTY)]), Next::Wait(text) if text.contains("node 3")));
        assert!(
            matches!(next(2, EMPTY, &[(1, EMPTY), (3, EMPTY)]), Next::Wait(text) if text.contains("node 1"))
        );
    }

    #[test]
    fn i1_whoever_must_ask_a_person_begins_nothing_and_goes_on_with_what_was_begun() {
        let next = |node, phase, answers: [(u64, HelloPhase); 2]| {
            let answers = answers.map(|(node, phase)| (NodeId(node), hello(node, phase)));
            decide(&hello(node, phase), &ALL, &BTreeMap::from(answers), false)
        };
        for node in 1..=3 {
            let others = [1, 2, 3].into_iter().filter(|id| *id != node).collect::<Vec<u64>>();
            let asked = next(node, EMPTY, [(others[0], EMPTY), (others[1], EMPTY)]);
            assert!(matches!(asked, Next::Wait(text) if text.contains("vecraft cluster init")));
        }
        assert_eq!(next(1, forming(7), [(2, EMPTY), (3, EMPTY)]), Next::Lead { cluster: Some(7) });
        assert_eq!(next(2, EMPTY, [(1, EMPTY), (3, formed(7))]), Next::Join { via: vec![NodeId(3)] });
    }

    #[test]
    fn a_crash_in_the_middle_goes_on_with_the_same_cluster() {
        assert_eq!(next(1, forming(7), &[(2, EMPTY), (3, forming(7))]), Next::Lead { cluster: Some(7) });
        assert!(
            matches!(next(1, forming(7), &[(2, forming(7))]), Next::Wait(text) if text.contains("node 3"))
        );
        assert!(matches!(next(2, forming(7), &[(1, forming(7)), (3, forming(7))]), Next::Wait(_)));
        for past in [told(7), formed(7)] {
            assert_eq!(next(1, forming(7), &[(2, past), (3, forming(7))]), Next::Follow { cluster: 7 });
            assert_eq!(next(2, forming(7), &[(1, past)]), Next::Follow { cluster: 7 });
            assert_eq!(next(1, past, &[]), Next::Follow { cluster: 7 });
            assert_eq!(next(2, past, &[(1, forming(7)), (3, EMPTY)]), Next::Follow { cluster: 7 });
        }
    }

    #[test]
    fn i1_an_emptied_node_is_not_told_the_name_again_once_another_node_is_past_telling() {
        for past in [told(7), formed(7)] {
            let next = next(1, forming(7), &[(2, past), (3, EMPTY)]);
            assert_eq!(next, Next::Follow { cluster: 7 }, "node 3 would vote again as who it was");
        }
        for node in [1, 3] {
            let next = next(node, EMPTY, &[(2, told(7))]);
            assert!(
                matches!(next, Next::Refuse(text) if text.contains(&format!("not come back as node {node} (I1)")))
            );
        }
    }

    /// Nodes crash, lose their directories and look at each other in any order: nobody votes under one id from two
    /// directories. Where no directory is lost, the forming comes to its end.
    #[test]
    fn i1_nobody_votes_twice_and_without_a_loss_all_come_to_vote() {
        let random = SeededRandom::new(1);
        let below = |n: u64| random.next_u64() % n;
        for round in 0..1000 {
            let may_lose = round % 2 == 0;
            let mut phases = [EMPTY; 3];
            let mut voted = [EMPTY; 3];
            for step in 0..200 {
                let node = below(3) as usize;
                if may_lose && below(10) == 0 {
                    phases[node] = EMPTY;
                    continue;
                }
                // Towards the end all hear each other.
                let hears = |other: usize| other != node && (step >= 40 || below(4) != 0);
                let heard: Vec<(u64, HelloPhase)> = (0..3)
                    .filter(|other| hears(*other))
                    .map(|other| (other as u64 + 1, phases[other]))
                    .collect();
                match next(node as u64 + 1, phases[node], &heard) {
                    Next::Lead { cluster } => {
                        let cluster = cluster.unwrap_or(step);
                        phases[node] = forming(cluster);
                        // A crash after so many were told, or when all were and it is not written down.
                        let told_to = below(4) as usize;
                        for other in (0..3).filter(|other| *other != node).take(told_to) {
                            if phases[other] == EMPTY {
                                phases[other] = forming(cluster);
                            }
                        }
                        if told_to == 3 {
                            phases[node] = told(cluster);
                        }
                    }
                    Next::Follow { cluster } => {
                        let is_back = voted[node] == told(cluster) && phases[node] == forming(cluster);
                        assert!(!is_back, "round {round}: node {} votes from a second directory", node + 1);
                        phases[node] = told(cluster);
                        voted[node] = phases[node];
                    }
                    Next::Join { .. } | Next::Wait(_) | Next::Refuse(_) => {}
                }
            }
            assert!(
                may_lose || voted.iter().all(|voted| *voted != EMPTY),
                "round {round} ends with {phases:?}"
            );
        }
    }

    #[test]
    fn i1_an_empty_node_among_formed_ones_does_not_form_but_asks_to_join() {
        for node in [1, 2] {
            assert_eq!(next(node, EMPTY, &[(3, formed(7))]), Next::Join { via: vec![NodeId(3)] });
        }
        assert!(matches!(next(1, EMPTY, &[(2, forming(7)), (3, EMPTY)]), Next::Refuse(_)));
        assert!(matches!(next(2, EMPTY, &[(1, forming(7)), (3, EMPTY)]), Next::Wait(_)));
    }

    #[test]
    fn other_clusters_and_other_configurations_are_refused() {
        assert!(matches!(next(1, forming(7), &[(2, forming(8))]), Next::Refuse(_)));
        let mut stranger = hello(2, EMPTY);
        stranger.config_hash = 6;
        let answers = BTreeMap::from([(NodeId(2), stranger)]);
        assert!(
            matches!(decide(&hello(1, EMPTY), &ALL, &answers, true), Next::Refuse(text) if text.contains("cluster.toml"))
        );
    }
}
