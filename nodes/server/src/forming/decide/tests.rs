//! Every decision from empty directories to one cluster, one by one and in any order of crashes and losses (I1).

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
    assert!(matches!(next(2, EMPTY, &[(1, EMPTY), (3, EMPTY)]), Next::Wait(text) if text.contains("node 1")));
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
        assert_eq!(asked, Next::AskPerson);
    }
    assert_eq!(next(1, forming(7), [(2, EMPTY), (3, EMPTY)]), Next::Lead { cluster: Some(7) });
    assert_eq!(next(2, EMPTY, [(1, EMPTY), (3, formed(7))]), Next::Join { via: vec![NodeId(3)] });
}

#[test]
fn a_crash_in_the_middle_goes_on_with_the_same_cluster() {
    assert_eq!(next(1, forming(7), &[(2, EMPTY), (3, forming(7))]), Next::Lead { cluster: Some(7) });
    assert!(matches!(next(1, forming(7), &[(2, forming(7))]), Next::Wait(text) if text.contains("node 3")));
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
            let heard: Vec<(u64, HelloPhase)> =
                (0..3).filter(|other| hears(*other)).map(|other| (other as u64 + 1, phases[other])).collect();
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
                Next::Join { .. } | Next::Wait(_) | Next::AskPerson | Next::Refuse(_) => {}
            }
        }
        assert!(may_lose || voted.iter().all(|voted| *voted != EMPTY), "round {round} ends with {phases:?}");
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
