//! Nodes and replicas come and go (I1, I2).

use crate::meta::*;
use vecraft_types::{GroupId, NodeId, ReplicaId, Result, Timestamp};

fn row(id: u64) -> NodeRow {
    NodeRow { id: NodeId(id), address: format!("host{id}:1") }
}

fn apply(state: &mut MetaState, change: MetaChange) -> Result<MetaOutcome> {
    state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome
}

fn formed(nodes: u64) -> MetaState {
    let mut state = MetaState::default();
    let nodes = (1..=nodes).map(row).collect();
    let form = MetaChange::Form { cluster: ClusterId(7), nodes, replication: 3, pool_groups: 2 };
    apply(&mut state, form).unwrap();
    state
}

fn set(state: &mut MetaState, node: u64, to: NodeState) -> Result<MetaOutcome> {
    apply(state, MetaChange::SetNode { node: NodeId(node), state: to })
}

fn words(outcome: Result<MetaOutcome>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn i1_a_node_joins_once_with_one_directory_and_new_ids() {
    let mut state = formed(1);
    let admit = |state: &mut MetaState, id, directory, is_listed| {
        apply(state, MetaChange::AdmitNode { node: row(id), directory, is_listed })
    };
    assert!(words(admit(&mut state, 2, 5, false)).contains("vecraft node add 2"));
    apply(&mut state, MetaChange::ExpectNode(row(2))).unwrap();
    let first = admit(&mut state, 2, 5, false).unwrap();
    let MetaOutcome::Replicas(replica) = first else { panic!("{first:?}") };
    assert!(replica >= state.placement().formed_below);
    assert_eq!(
        admit(&mut state, 2, 5, false).unwrap(),
        MetaOutcome::Replicas(replica),
        "the answer got lost"
    );
    assert!(
        words(admit(&mut state, 2, 6, true)).contains("vecraft node remove 2"),
        "its directory was wiped"
    );
    assert!(words(admit(&mut state, 1, 6, true)).contains("vecraft node remove 1"));
    let listed = admit(&mut state, 3, 9, true).unwrap();
    assert_eq!(listed, MetaOutcome::Replicas(ReplicaId(replica.0 + 1)));
    assert_eq!(state.root().groups[&GroupId::META].replicas.len(), 3);
    set(&mut state, 2, NodeState::Leaving).unwrap();
    set(&mut state, 2, NodeState::Removed).unwrap();
    assert!(words(admit(&mut state, 2, 5, true)).contains("never used again"));
    assert!(words(apply(&mut state, MetaChange::ExpectNode(row(2)))).contains("never used again"));
}

#[test]
fn i1_an_announcement_that_is_taken_back_leaves_nothing_and_a_node_that_came_keeps_its_id() {
    let mut state = formed(1);
    let before = state.clone();
    let withdraw = |state: &mut MetaState, id| apply(state, MetaChange::WithdrawNode { node: NodeId(id) });
    let expect = |state: &mut MetaState, id| apply(state, MetaChange::ExpectNode(row(id)));
    expect(&mut state, 4).unwrap();
    assert_eq!(withdraw(&mut state, 4), Ok(MetaOutcome::Done));
    let of = |state: &MetaState| {
        (state.placement().clone(), state.root().nodes.clone(), state.root().groups.clone())
    };
    assert_eq!(of(&state), of(&before));
    assert_eq!(withdraw(&mut state, 4), Ok(MetaOutcome::Done), "its answer got lost");
    let admit = MetaChange::AdmitNode { node: row(4), directory: 5, is_listed: false };
    assert!(words(apply(&mut state, admit.clone())).contains("vecraft node add 4"), "it is not expected");
    expect(&mut state, 4).unwrap();
    apply(&mut state, admit).unwrap();
    assert!(words(withdraw(&mut state, 4)).contains("has come meanwhile"));
    set(&mut state, 4, NodeState::Leaving).unwrap();
    set(&mut state, 4, NodeState::Removed).unwrap();
    assert!(words(withdraw(&mut state, 4)).contains("is removed"));
    assert!(words(expect(&mut state, 4)).contains("never used again"));
}

#[test]
fn a_query_only_node_is_no_elsewhere_and_goes_when_it_likes() {
    let mut state = formed(1);
    let admit = MetaChange::AdmitQueryOnly { node: row(2), directory: 5, is_listed: true };
    apply(&mut state, admit.clone()).unwrap();
    assert!(!state.placement().keeps_copies(NodeId(2)) && state.placement().keeps_copies(NodeId(1)));
    assert_eq!(apply(&mut state, admit).unwrap(), MetaOutcome::Replicas(ReplicaId(4)), "asked again");
    assert!(words(set(&mut state, 1, NodeState::Leaving)).contains("last one"));
    let group = GroupId(1);
    let place = MetaChange::PlaceReplica { group, node: NodeId(2), version: 0 };
    let MetaOutcome::Replicas(learner) = apply(&mut state, place).unwrap() else { panic!() };
    let copy = *state.root().groups[&group].replicas.keys().next().unwrap();
    let unplace = |replica| MetaChange::UnplaceReplica { group, replica, version: 1 };
    assert!(words(apply(&mut state, unplace(copy))).contains("last one of group 1"));
    apply(&mut state, unplace(learner)).unwrap();
    // Neither does it make a majority that may leave at once.
    let admit = |id| MetaChange::AdmitNode { node: row(id), directory: 9, is_listed: true };
    apply(&mut state, admit(3)).unwrap();
    apply(&mut state, admit(4)).unwrap();
    set(&mut state, 1, NodeState::Leaving).unwrap();
    assert!(words(set(&mut state, 3, NodeState::Leaving)).contains("2 of 3 nodes"));
    set(&mut state, 2, NodeState::Leaving).unwrap();
}

#[test]
fn the_last_node_and_a_majority_at_once_may_not_leave() {
    let mut state = formed(3);
    set(&mut state, 2, NodeState::Leaving).unwrap();
    let refused = words(set(&mut state, 3, NodeState::Leaving));
    assert!(refused.contains("2 of 3 nodes") && refused.contains("node 2 is empty"), "{refused}");
    assert!(words(set(&mut state, 2, NodeState::Removed)).contains("still holds replicas"));
    set(&mut state, 2, NodeState::Active).unwrap();
    let mut alone = formed(1);
    assert!(words(set(&mut alone, 1, NodeState::Leaving)).contains("last one"));
    assert!(words(set(&mut alone, 9, NodeState::Leaving)).contains("no node 9"));
}

#[test]
fn i2_a_late_plan_changes_nothing_and_ids_of_replicas_are_new() {
    let mut state = formed(4);
    let group = GroupId(1);
    let free =
        (1..=4).map(NodeId).find(|node| !state.root().groups[&group].replicas.values().any(|at| at == node));
    let place = |version| MetaChange::PlaceReplica { group, node: free.unwrap(), version };
    let below = state.root().next.replica;
    assert_eq!(apply(&mut state, place(0)).unwrap(), MetaOutcome::Replicas(ReplicaId(below)));
    assert!(words(apply(&mut state, place(0))).contains("version 0"));
    assert!(words(apply(&mut state, place(1))).contains("has a replica"));
    let leaving = *state.root().groups[&group].replicas.keys().next().unwrap();
    let unplace = |replica, version| MetaChange::UnplaceReplica { group, replica, version };
    assert!(apply(&mut state, unplace(leaving, 0)).is_err());
    apply(&mut state, unplace(leaving, 1)).unwrap();
    assert_eq!(state.root().groups[&group].replicas.len(), 3);
    for (version, replica) in (2..4).zip(state.root().groups[&group].replicas.clone().into_keys()) {
        apply(&mut state, unplace(replica, version)).unwrap();
    }
    let last = *state.root().groups[&group].replicas.keys().next().unwrap();
    assert!(words(apply(&mut state, unplace(last, 4))).contains("last one of group 1"));
    assert!(
        words(apply(
            &mut state,
            MetaChange::PlaceReplica { group: GroupId::META, node: NodeId(1), version: 0 }
        ))
        .contains("group 0")
    );
}
