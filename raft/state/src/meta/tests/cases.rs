//! One rule a test.

use super::*;
use std::sync::Arc;
use vecraft_types::{Code, GroupId, PkConflict, ReplicaId};

#[test]
fn i1_bootstrap_happens_once_and_nothing_before_it() {
    let mut state = MetaState::default();
    assert_eq!(err(&mut state, create(request("a"))).code, Code::NotReady);
    let mut state = bootstrapped();
    let again = |cluster| MetaChange::Bootstrap {
        cluster,
        node: NodeRow { id: NodeId(9), address: String::new() },
        pool_groups: 1,
    };
    let before = state.root().groups.clone();
    assert_eq!(ok(&mut state, again(CLUSTER)), MetaOutcome::Done);
    assert_eq!(err(&mut state, again(ClusterId(8))).code, Code::Internal);
    assert_eq!(state.root().cluster, Some(CLUSTER));
    assert_eq!(state.root().groups, before);
    let replicas: Vec<_> = before.values().flat_map(|row| row.replicas.keys().copied()).collect();
    assert_eq!(replicas, [ReplicaId(1), ReplicaId(2), ReplicaId(3)]);
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), [GroupId(0), GroupId(1), GroupId(2)]);
}

#[test]
fn i1_replica_ids_are_never_reused() {
    let mut state = bootstrapped();
    let three = MetaChange::AllocateReplicaIds { count: 3 };
    assert_eq!(ok(&mut state, three.clone()), MetaOutcome::Replicas(ReplicaId(4)));
    let grow = MetaChange::AddPoolGroups { count: 1, nodes: vec![NodeId(1)] };
    assert_eq!(ok(&mut state, grow), MetaOutcome::Groups(GroupId(3)));
    assert_eq!(state.root().groups[&GroupId(3)].replicas, [(ReplicaId(7), NodeId(1))].into());
    assert_eq!(ok(&mut state, three), MetaOutcome::Replicas(ReplicaId(8)));
    assert_eq!(err(&mut state, MetaChange::AllocateReplicaIds { count: 0 }).code, Code::InvalidParameter);
    let unknown = MetaChange::AddPoolGroups { count: 1, nodes: vec![NodeId(5)] };
    assert_eq!(err(&mut state, unknown).code, Code::InvalidParameter);
}

#[test]
fn i9_timestamps_grow_with_the_log_whatever_is_suggested() {
    let mut state = bootstrapped();
    let mut last = state.root().last;
    for suggested in [5, 0, 1 << 50, 3, u64::MAX, 1 << 49] {
        let change = MetaChange::AllocateReplicaIds { count: 1 };
        let at = state.apply(MetaCommand { suggested: Timestamp(suggested), change }).timestamp;
        assert!(at > last, "{at} after {last}");
        last = at;
    }
    assert_eq!(last, Timestamp((1 << 50) + 3));
}

#[test]
fn row_ids_are_never_given_twice() {
    let mut state = bootstrapped();
    let mut ids = |suggested, count| {
        let change = MetaChange::AllocateRowIds { count };
        match state.apply(MetaCommand { suggested: Timestamp(suggested), change }).outcome {
            Ok(MetaOutcome::RowIds(first)) => Ok(first),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        }
    };
    let first = ids(1 << 50, 1_000_000).unwrap();
    assert_eq!(first, 1 << 50);
    assert_eq!(ids(5, 10), Ok(first + 1_000_000), "a clock that fell back");
    assert_eq!(ids(1 << 51, 1), Ok(1 << 51));
    assert_eq!(ids(0, 0), Err(Code::InvalidParameter));
    assert_eq!(ids(0, u64::MAX), Err(Code::InvalidParameter));
}

#[test]
fn i11_a_collection_lives_by_intent_and_done() {
    let mut state = bootstrapped();
    let MetaOutcome::Collection { id, .. } = ok(&mut state, create(request("a"))) else { panic!() };
    let made = state.collection(id).unwrap().clone();
    assert_eq!(state.pending(), [Job::CreateShards(made.clone())]);
    assert_eq!(made.partitions[0].name, "_default");
    assert_eq!(made.schema.fields.iter().map(|f| f.id.0).collect::<Vec<_>>(), [100, 101, 102, 103]);
    assert_eq!((made.schema.version, made.shards.len()), (1, 1));
    assert_eq!(err(&mut state, MetaChange::SetLoaded { collection: id, loaded: true }).code, Code::NotReady);

    ok(&mut state, MetaChange::CollectionReady(id));
    assert_eq!(state.pending(), []);
    assert_eq!(ok(&mut state, create(request("a"))), MetaOutcome::Collection { id, phase: DdlPhase::Ready });
    ok(&mut state, MetaChange::SetLoaded { collection: id, loaded: true });
    assert!(state.collection(id).unwrap().is_loaded);
    assert!(!made.is_loaded, "a row that a reader holds does not change");
    assert_eq!(err(&mut state, MetaChange::CollectionGone(id)).code, Code::Internal);

    ok(&mut state, MetaChange::DropCollection(id));
    ok(&mut state, MetaChange::DropCollection(id));
    assert_eq!(
        ok(&mut state, MetaChange::CollectionReady(id)),
        MetaOutcome::Collection { id, phase: DdlPhase::Dropping }
    );
    assert!(matches!(&state.pending()[..], [Job::DropShards(row)] if row.id == id));
    assert!(state.collection_named("a").is_none());
    let next = ready(&mut state, "a");
    assert!(next > id, "ids are not reused");
    assert_eq!(
        err(&mut state, MetaChange::SetLoaded { collection: id, loaded: true }).code,
        Code::CollectionNotFound
    );

    ok(&mut state, MetaChange::CollectionGone(id));
    ok(&mut state, MetaChange::CollectionGone(id));
    assert_eq!(state.pending(), []);
    ok(&mut state, MetaChange::DropCollection(id));
    assert_eq!(state.collection_named("a").unwrap().id, next);
    assert_eq!(err(&mut state, MetaChange::CollectionReady(id)).code, Code::CollectionNotFound);
}

#[test]
fn a_different_collection_of_the_same_name_is_refused() {
    let mut state = bootstrapped();
    ready(&mut state, "a");
    let mut others = vec![request("a"); 4];
    others[0].shards = 2;
    others[1].properties = properties(&[("milvus.strict_load", "true")]);
    others[2].schema.fields[1].nullable = true;
    others[3].default_consistency = 0;
    for other in others {
        let error = err(&mut state, create(other));
        assert_eq!(error.code, Code::InvalidParameter);
        assert!(error.detail.contains("different parameters"), "{error}");
    }
}

#[test]
fn bad_collections_are_refused_before_anything_is_written() {
    let mut state = bootstrapped();
    let mut check = |code: Code, part: &str, change: fn(&mut CreateCollection)| {
        let before = (state.clone().collections, state.names.clone(), state.root.next.clone());
        let mut bad = request("good");
        change(&mut bad);
        let error = err(&mut state, create(bad));
        assert_eq!(error.code, code, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(before, (state.collections.clone(), state.names.clone(), state.root.next.clone()));
    };
    check(Code::InvalidParameter, "name", |r| r.name = "1a".into());
    check(Code::InvalidParameter, "name", |r| r.name = String::new());
    check(Code::InvalidParameter, "17 shards asked, allowed are 1 to 16", |r| r.shards = 17);
    check(Code::InvalidParameter, "consistency", |r| r.default_consistency = 9);
    check(Code::InvalidParameter, "\"collection.ttl.seconds\"", |r| {
        r.properties = properties(&[("collection.ttl.seconds", "5")]);
    });
    check(Code::InvalidParameter, "pk.on_conflict", |r| {
        r.properties = properties(&[("pk.on_conflict", "x")])
    });
    check(Code::InvalidParameter, "milvus.strict_load", |r| {
        r.properties = properties(&[("milvus.strict_load", "1")])
    });
    check(Code::IllegalSchema, "primary key", |r| r.schema.fields[0].is_primary = false);
    check(Code::IllegalSchema, "vector field", |r| _ = r.schema.fields.remove(2));
    check(Code::IllegalSchema, "dynamic field", |r| r.schema.fields.swap(0, 3));
    check(Code::IllegalSchema, "dynamic field", |r| r.schema.fields[1].is_dynamic = true);
}

#[test]
fn the_conflict_property_becomes_the_schemas_rule() {
    let mut state = bootstrapped();
    let mut wanted = request("a");
    wanted.properties = properties(&[("pk.on_conflict", "reject"), ("milvus.strict_load", "True")]);
    ok(&mut state, create(wanted));
    let row = state.collection_named("a").unwrap();
    assert_eq!(row.schema.pk_conflict, PkConflict::Reject);
    assert!(row.is_strict_load());
}

#[test]
fn shards_go_to_the_group_with_the_fewest() {
    let mut state = bootstrapped();
    let loads = |state: &MetaState| state.root().groups.values().map(|row| row.shards).collect::<Vec<_>>();
    let mut wide = request("a");
    wide.shards = 3;
    let MetaOutcome::Collection { id, .. } = ok(&mut state, create(wide)) else { panic!() };
    assert_eq!(loads(&state), [0, 2, 1]);
    ready(&mut state, "b");
    assert_eq!(loads(&state), [0, 2, 2]);
    let only_first = |groups: &[u64]| MetaChange::CreateCollection {
        request: Box::new(request("c")),
        candidates: groups.iter().map(|id| GroupId(*id)).collect(),
    };
    assert_eq!(err(&mut state, only_first(&[0, 9])).code, Code::Unavailable);
    ok(&mut state, only_first(&[2]));
    assert_eq!(loads(&state), [0, 2, 3]);
    ok(&mut state, MetaChange::DropCollection(id));
    assert_eq!(loads(&state), [0, 2, 3], "until the shards are gone");
    ok(&mut state, MetaChange::CollectionGone(id));
    assert_eq!(loads(&state), [0, 0, 2]);
}

#[test]
fn shards_take_the_offered_groups_in_turn() {
    let on = |name: &str, shards, groups: &[u64]| MetaChange::CreateCollectionOn {
        request: Box::new(CreateCollection { shards, ..request(name) }),
        groups: groups.iter().map(|id| GroupId(*id)).collect(),
    };
    let mut state = bootstrapped();
    let loads = |state: &MetaState| state.root().groups.values().map(|row| row.shards).collect::<Vec<_>>();
    ok(&mut state, on("a", 3, &[2, 0, 9, 1]));
    assert_eq!(loads(&state), [0, 1, 2]);
    ok(&mut state, on("b", 1, &[2, 1]));
    assert_eq!(loads(&state), [0, 1, 3], "the offer is what counts");
    ok(&mut state, on("c", 2, &[]));
    assert_eq!(loads(&state), [0, 3, 3], "without one, where there are fewest");
    assert_eq!(err(&mut state, on("d", 1, &[0, 9])).code, Code::Unavailable);
    let MetaOutcome::Collection { .. } = ok(&mut state, on("a", 3, &[1])) else { panic!("the same again") };
    assert_eq!(loads(&state), [0, 3, 3]);
}

#[test]
fn a_state_comes_back_from_its_rows() {
    let mut state = bootstrapped();
    let dropped = ready(&mut state, "a");
    ok(&mut state, MetaChange::DropCollection(dropped));
    ready(&mut state, "a");
    ok(&mut state, create(request("b")));
    let rows: Vec<_> = state.collections().map(|row| Arc::unwrap_or_clone(row.clone())).collect();
    let (placement, requests) = (state.placement().clone(), state.requests().clone());
    assert_eq!(MetaState::restore(state.root().clone(), rows, Some(placement), requests), state);
}

#[test]
fn no_more_replicas_serve_than_there_are_and_a_release_forgets_how_many() {
    let mut state = MetaState::default();
    let nodes = (1..=4).map(|id| NodeRow { id: NodeId(id), address: format!("host{id}:1") }).collect();
    ok(&mut state, MetaChange::Form { cluster: ClusterId(7), nodes, replication: 3, pool_groups: 4 });
    let id = ready(&mut state, "a");
    let serving = |state: &MetaState| state.collection(id).unwrap().replicas();
    let set = |replicas| MetaChange::SetReplicas { collection: id, replicas };
    assert_eq!(serving(&state), None);
    ok(&mut state, set(2));
    ok(&mut state, MetaChange::SetLoaded { collection: id, loaded: true });
    assert_eq!(serving(&state), Some(2));
    let refused = err(&mut state, set(4));
    assert_eq!(refused.code, Code::NotEnoughNodes);
    assert!(refused.to_string().contains("4 replicas") && refused.to_string().contains("has 3"), "{refused}");
    assert_eq!(err(&mut state, set(0)).code, Code::InvalidParameter);
    assert_eq!(serving(&state), Some(2), "what is refused changes nothing");
    // It is no other collection for that.
    assert_eq!(ok(&mut state, create(request("a"))), MetaOutcome::Collection { id, phase: DdlPhase::Ready });
    ok(&mut state, MetaChange::SetLoaded { collection: id, loaded: true });
    assert_eq!(serving(&state), Some(2));
    ok(&mut state, MetaChange::SetLoaded { collection: id, loaded: false });
    assert_eq!(serving(&state), None);
}
