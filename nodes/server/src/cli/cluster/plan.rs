//! What `vecraft cluster init` does next: a pure decision over what the listed nodes say of themselves (I1).
//!
//! ```text
//! all empty, one configuration ──> Begin: tell the lowest id ──> Wait until all are formed ──> Formed
//! one is formed, nothing seen to form ──> Exists: somebody was here before
//! ```
//! It is the person's side of the nodes' own decision, which they take again themselves: what is seen here may have changed
//! by the time they are told.

use crate::forming::{lowest, no_agreement};
use std::collections::{BTreeMap, BTreeSet};
use vecraft_rpc::node::{HelloPhase, NodeHello};
use vecraft_types::NodeId;

/// What the nodes said; of a silent one, why.
pub type Answers = BTreeMap<NodeId, Result<NodeHello, String>>;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// All are there, empty and agree: tell this one.
    Begin(NodeId),
    /// Look again; the text says for what.
    Wait(String),
    /// Every listed node belongs to this cluster, and it was seen to form.
    Formed(u128),
    /// The cluster was there before; `rest` says of each listed node that does not belong to it why not.
    Exists {
        /// Its id.
        cluster: u128,
        /// One line each.
        rest: Vec<String>,
    },
    /// Never without a person.
    Refuse(String),
}

/// Decides for the configuration of this hash. `is_forming`: the cluster was seen while it formed.
pub fn step(hash: u64, answers: &Answers, is_forming: bool) -> Step {
    let said = || answers.values().filter_map(|answer| answer.as_ref().ok());
    let of = |node: &NodeHello| match node.phase {
        HelloPhase::Empty => None,
        HelloPhase::Forming { cluster } | HelloPhase::Told { cluster } | HelloPhase::Formed { cluster } => {
            Some(cluster)
        }
    };
    let clusters: BTreeSet<u128> = said().filter_map(of).collect();
    if clusters.len() > 1 {
        let each = said().filter_map(|node| Some(format!("node {} to {:032x}", node.node, of(node)?)));
        let each = each.collect::<Vec<_>>().join(", ");
        return Step::Refuse(format!(
            "the listed nodes are not of one cluster: {each}. Give each node of the new cluster an empty directory"
        ));
    }
    let is_formed = |node: &NodeHello| matches!(node.phase, HelloPhase::Formed { .. });
    // One that is formed may have another cluster.toml by now: addresses change.
    if let Some(other) = said().find(|node| node.config_hash != hash && !is_formed(node)) {
        return Step::Refuse(no_agreement(other, hash));
    }
    let rest: Vec<String> = answers.iter().filter_map(|(id, answer)| rest(*id, answer, is_formed)).collect();
    match clusters.first() {
        Some(cluster) if rest.is_empty() && is_forming => Step::Formed(*cluster),
        Some(cluster) if said().any(is_formed) && !is_forming => Step::Exists { cluster: *cluster, rest },
        Some(_) => Step::Wait(rest.join("; ")),
        None => match answers.iter().filter_map(|(id, answer)| silent(*id, answer)).collect::<Vec<_>>() {
            silent if silent.is_empty() => Step::Begin(lowest(&answers.keys().copied().collect::<Vec<_>>())),
            silent => Step::Wait(silent.join("; ")),
        },
    }
}

/// Why a node does not belong to the cluster yet.
fn rest(
    id: NodeId,
    answer: &Result<NodeHello, String>,
    is_formed: impl Fn(&NodeHello) -> bool,
) -> Option<String> {
    match answer {
        Ok(node) if is_formed(node) => None,
        Ok(NodeHello { phase: HelloPhase::Forming { .. } | HelloPhase::Told { .. }, .. }) => {
            Some(format!("node {id} waits for its replicas"))
        }
        Ok(_) => Some(format!("node {id} is empty, and asks by itself to be taken in")),
        Err(_) => silent(id, answer),
    }
}

fn silent(id: NodeId, answer: &Result<NodeHello, String>) -> Option<String> {
    answer.as_ref().err().map(|why| format!("node {id} does not answer: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: HelloPhase = HelloPhase::Empty;
    const FORMING: HelloPhase = HelloPhase::Forming { cluster: 7 };
    const FORMED: HelloPhase = HelloPhase::Formed { cluster: 7 };

    fn of(phases: &[Option<HelloPhase>]) -> Answers {
        let hello = |node, phase| NodeHello { node, config_hash: 5, version: String::new(), phase };
        let answer = |(id, phase): (u64, &Option<HelloPhase>)| {
            (NodeId(id), phase.map(|phase| hello(NodeId(id), phase)).ok_or_else(|| "no route".to_owned()))
        };
        (1..).zip(phases).map(answer).collect()
    }

    fn next(phases: &[Option<HelloPhase>], is_forming: bool) -> Step {
        step(5, &of(phases), is_forming)
    }

    #[test]
    fn it_begins_once_all_are_there_and_empty_and_waits_until_all_are_formed() {
        let waits = |phases: &[Option<HelloPhase>], is_forming, word: &str| {
            let next = next(phases, is_forming);
            assert!(matches!(&next, Step::Wait(text) if text.contains(word)), "{next:?}");
        };
        waits(&[Some(EMPTY), Some(EMPTY), None], false, "node 3 does not answer: no route");
        assert_eq!(next(&[Some(EMPTY), Some(EMPTY), Some(EMPTY)], false), Step::Begin(NodeId(1)));
        waits(&[Some(FORMING), Some(EMPTY), Some(EMPTY)], true, "node 1 waits");
        waits(&[Some(HelloPhase::Told { cluster: 7 }), Some(FORMING), Some(FORMING)], true, "node 1 waits");
        waits(&[Some(FORMED), Some(FORMING), None], true, "node 2 waits for its replicas; node 3");
        assert_eq!(next(&[Some(FORMED); 3], true), Step::Formed(7));
    }

    #[test]
    fn i1_one_that_exists_is_named_and_nothing_begun_beside_it() {
        assert_eq!(next(&[Some(FORMED); 3], false), Step::Exists { cluster: 7, rest: vec![] });
        let Step::Exists { rest, .. } = next(&[Some(EMPTY), Some(FORMED), None], false) else {
            panic!("it exists");
        };
        assert!(rest[0].contains("node 1 is empty") && rest[1].contains("node 3"), "{rest:?}");
    }

    #[test]
    fn other_configurations_and_two_clusters_are_refused() {
        let refused = |step: Step, word: &str| {
            assert!(matches!(&step, Step::Refuse(text) if text.contains(word)), "{step:?}");
        };
        refused(step(6, &of(&[Some(EMPTY), Some(EMPTY)]), false), "another cluster.toml");
        let other = Some(HelloPhase::Formed { cluster: 8 });
        refused(
            next(&[Some(FORMED), other, Some(EMPTY)], false),
            "node 2 to 00000000000000000000000000000008",
        );
        assert!(
            matches!(step(6, &of(&[Some(FORMED)]), false), Step::Exists { .. }),
            "it may have changed since"
        );
    }
}
